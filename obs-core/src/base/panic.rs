//! Caught panics: the catch that turns a panic into a value, and the slot in which the panic hook
//! stores its report.
//!
//! The panic hook runs where the panic happens, so it knows the location. The code around
//! `catch_unwind` knows the payload and the observation. The hook stores its report in a
//! thread-local slot, which that code reads. Only [`catch`] reads the slot and empties it, so a
//! panic that a handler catches itself is not reported.

use std::{
    any::Any,
    backtrace::Backtrace,
    cell::RefCell,
    fmt,
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, resume_unwind},
    sync::Arc,
};

use crate::base::text::bounded;

/// The maximum length of a panic message, in bytes.
pub(crate) const MAX_MESSAGE: usize = 4 * 1024;
/// The number of bytes that are read beyond the maximum, so that a secret across the cut is still
/// recognised.
const BEHIND_THE_CUT: usize = 512;

/// The message, place and stack of a panic in a handler, in a service's `call`, in a body or in a
/// drop.
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
    /// The panic's message, cut at 4 KiB.
    pub message: String,
    /// The place of the panic. `None` if the [panic hook](crate::ObserverBuilder::panic_hook) is
    /// not installed, or if the panic was resumed from another thread.
    pub location: Option<PanicLocation>,
    /// The stack at that place, captured without symbols. Its `Display` resolves them, which takes
    /// milliseconds, so a sink should do that on its own thread.
    pub backtrace: Option<Arc<Backtrace>>,
}

/// A place in the source code.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PanicLocation {
    /// The file name, as the compiler wrote it.
    pub file: String,
    /// The line, counted from 1.
    pub line: u32,
    /// The column, counted from 1.
    pub column: u32,
}

impl PanicReport {
    /// Returns the report of a panic inside the panic hook.
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

    /// Stores the report in the thread's slot, for the enclosing [`catch`].
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
/// [`Observation::panicked`](crate::adapter::Observation::panicked) takes it. That method returns a
/// response or resumes the panic.
pub struct Panic {
    payload: Payload,
    report: Box<PanicReport>,
}

impl Panic {
    #[cold]
    fn caught(payload: Box<dyn Any + Send>) -> Self {
        let message = message_of(payload.as_ref());
        // A resumed panic does not pass the hook. The slot may hold the report of an earlier panic,
        // so the messages must match.
        let report = SLOT
            .try_with(|slot| slot.take())
            .ok()
            .flatten()
            .filter(|report| report.message == message)
            .unwrap_or(PanicReport { message, location: None, backtrace: None });
        Self { payload: Payload(Some(payload)), report: Box::new(report) }
    }

    /// Returns the report of the panic.
    #[must_use]
    pub const fn report(&self) -> &PanicReport {
        &self.report
    }

    /// Resumes the panic. Its report goes back into the slot: the hook is not called again, and an
    /// enclosing layer of another observer also needs the report.
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

/// The payload of a panic. Its destructor may panic, too.
struct Payload(Option<Box<dyn Any + Send>>);

impl Drop for Payload {
    fn drop(&mut self) {
        let payload = self.0.take();
        if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            // The destructor panicked. The payload of that panic is leaked, because its destructor
            // might panic again, and so on.
            #[allow(clippy::mem_forget)]
            std::mem::forget(another);
        }
    }
}

thread_local! {
    static SLOT: RefCell<Option<PanicReport>> = const { RefCell::new(None) };
}

/// Runs `f` and turns a panic in it into a value.
///
/// `AssertUnwindSafe` is correct here: a panic can only break the caller's future or body, which is
/// then dropped and never polled again.
#[inline]
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(f)).map_err(Panic::caught)
}

/// Returns the text of a panic's payload.
pub(crate) fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic whose payload is not a text");
    bounded(text, MAX_MESSAGE.saturating_add(BEHIND_THE_CUT)).into_owned()
}
