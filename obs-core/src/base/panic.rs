//! Caught panics: the catch that turns one into a value, and the slot in which the panic hook leaves its place.
//!
//! The hook runs at the panic's place and sees its location; `catch_unwind` gets the payload and knows the work. A slot of the
//! thread joins the two. Only [`catch`] empties the slot, so a panic that a handler catches itself is not reported.

use std::{
    any::Any,
    backtrace::Backtrace,
    cell::RefCell,
    fmt,
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, resume_unwind},
    sync::Arc,
};

use crate::base::text::bounded;

/// The longest panic message that is kept, in bytes.
pub(crate) const MAX_MESSAGE: usize = 4 * 1024;
/// How far behind that it is read, for a secret that lies across it.
const BEHIND_THE_CUT: usize = 512;

/// Where and why a handler, a service's `call`, a body or a drop panicked.
///
/// ```
/// use obs_core::{Observer, Outcome, adapter::RequestHead, output::{Record, RecordSink}};
///
/// struct Alarm;
/// impl RecordSink for Alarm {
///     fn name(&self) -> &str { "alarm" }
///     fn on_finish(&self, record: &Record) {
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
    /// The report of a panic that is on its way, as a panic hook sees it.
    pub(crate) fn of_hook(info: &PanicHookInfo<'_>) -> Self {
        Self {
            message: message_of(info.payload()),
            location: info.location().map(|location| PanicLocation {
                file: location.file().to_owned(),
                line: location.line(),
                column: location.column(),
            }),
            backtrace: Some(Arc::new(Backtrace::force_capture())),
        }
    }

    /// Leaves the report in the thread's slot, for the [`catch`] further out.
    pub(crate) fn keep(self) {
        let _ = SLOT.try_with(|slot| slot.replace(Some(self)));
    }
}

impl fmt::Display for PanicLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A caught panic: its payload and its report.
///
/// It goes to [`Observation::panicked`](crate::adapter::Observation::panicked), which answers it or lets it go on.
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
        self.report.keep();
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

fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic whose payload is not a text");
    bounded(text, MAX_MESSAGE.saturating_add(BEHIND_THE_CUT)).into_owned()
}
