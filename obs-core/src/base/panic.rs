//! Panics: a hook that notes where one happened, and the catch that turns one into a value.
//!
//! The hook runs at the panic's place and can see its location; `catch_unwind` gets the payload and knows
//! the request. A slot of the thread joins the two. Only [`catch`] empties the slot, so a panic that a
//! handler catches itself is not reported.

use std::{
    any::Any,
    backtrace::Backtrace,
    borrow::Cow,
    cell::RefCell,
    fmt,
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, resume_unwind, set_hook, take_hook},
    sync::{Arc, Once},
};

use crate::{base::text::bounded, redact::Redactor, request::current};

/// The longest panic message that is kept, in bytes.
const MAX_MESSAGE: usize = 4 * 1024;
/// How far behind that it is read, for a secret that lies across it.
const BEHIND_THE_CUT: usize = 512;

/// Where and why a handler, a service's `call`, a body or a drop panicked.
///
/// ```
/// use obs_core::{Observer, Outcome, RecordSink, RequestHead, RequestRecord};
///
/// struct Alarm;
/// impl RecordSink for Alarm {
///     fn name(&self) -> &'static str { "alarm" }
///     fn on_finish(&self, record: &RequestRecord) {
///         let panic = record.panic.as_ref().expect("it panicked");
///         assert_eq!(panic.message, "out of stock");
///         assert!(panic.location.as_ref().is_some_and(|l| l.line > 0));
///     }
/// }
/// let observer = Observer::builder("shop").no_environment().sink(Alarm).build()?;
/// let observation = observer.start(&RequestHead::new("GET", "/", &()));
/// let (observation, result) = observation.run(|| panic!("out of stock"));
/// let (observation, answer) = observation.panicked(result.unwrap_err());
/// assert_eq!(answer.status(), 500);
/// observation.finish(Outcome::Completed); // its record still says `Panicked`
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PanicReport {
    /// The panic's message, at most 4 KiB of it.
    pub message: String,
    /// Where it happened; absent without the hook, and for a panic resumed from another thread.
    pub location: Option<PanicLocation>,
    /// The stack at that place. Captured without symbols: its `Display` resolves them, which takes
    /// milliseconds, so sinks do that on a thread of their own.
    pub backtrace: Option<Arc<Backtrace>>,
}

/// A place in the source code.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PanicLocation {
    /// The file as the compiler named it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl PanicReport {
    /// With what looks like a secret masked in its message.
    pub(crate) fn redacted(mut self, redactor: &Redactor) -> Self {
        if let Cow::Owned(masked) = redactor.text(&self.message) {
            self.message = masked;
        }
        if self.message.len() > MAX_MESSAGE {
            self.message = bounded(&self.message, MAX_MESSAGE).into_owned();
        }
        self
    }
}

impl fmt::Display for PanicLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A caught panic: its payload and its report.
///
/// It goes to [`Observation::panicked`](crate::Observation::panicked), which answers it or lets it go on.
pub struct Panic {
    payload: Payload,
    report: Box<PanicReport>,
}

impl Panic {
    #[cold]
    fn caught(payload: Box<dyn Any + Send>) -> Self {
        let message = message_of(payload.as_ref());
        // A panic that was resumed did not pass the hook: what an earlier one left is not its own.
        let report = SLOT
            .try_with(|slot| slot.take())
            .ok()
            .flatten()
            .filter(|report| report.message == message)
            .unwrap_or(PanicReport { message, location: None, backtrace: None });
        Self { payload: Payload(Some(payload)), report: Box::new(report) }
    }

    /// What is known about it.
    #[must_use]
    pub const fn report(&self) -> &PanicReport {
        &self.report
    }

    /// Lets it go on. Its report stays in the slot: the hook is not called again, and another observer's layer
    /// further out wants to know, too.
    pub(crate) fn resume(mut self) -> ! {
        let payload = self.payload.0.take().unwrap_or_else(|| Box::new("a panic"));
        let _ = SLOT.try_with(|slot| slot.replace(Some(*self.report)));
        resume_unwind(payload)
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panic").field("report", &self.report).finish_non_exhaustive()
    }
}

/// What was given to `panic!`. It may have a destructor that panics, too.
struct Payload(Option<Box<dyn Any + Send>>);

impl Drop for Payload {
    fn drop(&mut self) {
        let payload = self.0.take();
        if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            // A payload whose payload panics when dropped: leaking it ends the chain.
            #[allow(clippy::mem_forget)]
            std::mem::forget(another);
        }
    }
}

thread_local! {
    static SLOT: RefCell<Option<PanicReport>> = const { RefCell::new(None) };
}

/// Runs `f`; a panic in it becomes a value.
///
/// `AssertUnwindSafe` is right here: what was torn in the middle is the caller's future or body, and that
/// is dropped and never polled again.
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(f)).map_err(Panic::caught)
}

/// Installs the hook, once per process. It always calls the hook that was there before.
pub(crate) fn install_hook() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info| {
            if cfg!(panic = "abort") {
                // Recording runs sinks, and a panic in one would end the process before this is told.
                previous(info);
                note(info);
            } else {
                note(info);
                previous(info);
            }
        }));
    });
}

/// Fills the slot if the panic happens inside a request; elsewhere it costs nothing.
fn note(info: &PanicHookInfo<'_>) {
    let Some(handle) = current::peek() else { return };
    let report = PanicReport {
        message: message_of(info.payload()),
        location: info.location().map(|location| PanicLocation {
            file: location.file().to_owned(),
            line: location.line(),
            column: location.column(),
        }),
        backtrace: Some(Arc::new(Backtrace::force_capture())),
    };
    if cfg!(panic = "abort") {
        // Nothing will unwind and nobody will catch: this is the last chance to tell.
        handle.aborting(report);
    } else {
        let _ = SLOT.try_with(|slot| slot.replace(Some(report)));
    }
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic whose payload is not a text");
    bounded(text, MAX_MESSAGE.saturating_add(BEHIND_THE_CUT)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{http::head::RequestHead, observer::Observer};

    /// Runs `f` inside a request of an observer that installed the hook.
    fn in_request<T>(f: impl FnOnce() -> T) -> T {
        let observer = Observer::builder("test").no_environment().build().expect("valid");
        let observation = observer.start(&RequestHead::new("GET", "/", &()));
        observation.handle().run(f)
    }

    #[test]
    fn a_panic_has_its_location_and_backtrace() {
        let panic = in_request(|| catch(|| panic!("at {}", "home"))).expect_err("panicked");
        assert_eq!(panic.report().message, "at home");
        let location = panic.report().location.as_ref().expect("the hook saw it");
        assert!(location.file.ends_with("panic.rs"), "{location}");
        let backtrace = panic.report().backtrace.as_ref().expect("captured").to_string();
        assert!(backtrace.contains("a_panic_has_its_location_and_backtrace"), "{backtrace}");
    }

    #[test]
    fn a_resumed_panic_does_not_take_anothers_location() {
        let panic = in_request(|| {
            let _ = catch_unwind(|| panic!("the handler caught this one"));
            catch(|| resume_unwind(Box::new("from elsewhere")))
        })
        .expect_err("panicked");
        assert_eq!(panic.report().message, "from elsewhere");
        assert!(panic.report().location.is_none());
    }

    #[test]
    fn a_panic_that_goes_on_keeps_its_location() {
        let outer = in_request(|| {
            catch(|| match catch(|| panic!("twice")) {
                Ok(()) => {}
                Err(panic) => panic.resume(),
            })
        });
        assert!(outer.expect_err("panicked").report().location.is_some());
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_harmless() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("a payload's own");
            }
        }
        drop(catch(|| resume_unwind(Box::new(Bomb))));
    }

    #[test]
    fn outside_a_request_nothing_is_captured() {
        let panic = catch(|| panic!("alone")).expect_err("panicked");
        assert!(panic.report().backtrace.is_none());
    }
}
