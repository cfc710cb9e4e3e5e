//! The panic hook, which records the location of a panic inside of work.
//!
//! The hook runs where the panic happens and sees its location. The code around `catch_unwind` gets
//! the payload and has the observation. A thread-local slot connects the two: see
//! [`base::panic`](crate::base::panic).
//!
//! The hook fills the slot only inside a request, and always calls the previous hook. The code
//! around `catch_unwind` empties the slot. It uses the report only if the report and the payload
//! have the same message, so a panic that was resumed from elsewhere gets no wrong location. The
//! backtrace is resolved where it is printed, not on the request's thread. With `panic = "abort"`,
//! the hook itself finishes the record and flushes the outputs.

use crate::{
    base::panic::PanicReport,
    observer::{Observer, WeakObserver},
    record::state::WorkState,
    work::{handle::Work, scope},
};
use std::{
    panic::{PanicHookInfo, set_hook, take_hook},
    sync::{Mutex, Once, PoisonError},
    time::Duration,
};

/// The longest time that an aborting process waits for its outputs.
const LAST_FLUSH: Duration = Duration::from_secs(1);

/// The observers of a process whose panics abort. The hook calls their outputs, because nothing
/// unwinds.
static OBSERVERS: Mutex<Vec<WeakObserver>> = Mutex::new(Vec::new());

/// Installs the hook, once per process. It always calls the previous hook.
pub(crate) fn install(observer: &Observer) {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info| {
            if cfg!(panic = "abort") {
                // Recording runs sinks. A panic in a sink would end the process before this message
                // is written.
                previous(info);
                note(info);
            } else {
                note(info);
                previous(info);
            }
        }));
    });
    if cfg!(panic = "abort") {
        let mut observers = OBSERVERS.lock().unwrap_or_else(PoisonError::into_inner);
        observers.retain(|observer| observer.upgrade().is_some());
        observers.push(observer.downgrade());
    }
}

/// Fills the slot if the panic happens inside of work. Outside of work it does nothing.
fn note(info: &PanicHookInfo<'_>) {
    let Some(work) = scope::try_current() else { return };
    let report = PanicReport::of_hook(info);
    if cfg!(panic = "abort") {
        record(&work, report);
    } else {
        report.keep();
    }
}

/// Records the work of a process that is about to abort, and flushes. This is the last chance.
fn record(work: &Work, report: PanicReport) {
    let Some(state) = work.state() else { return };
    let observers = OBSERVERS.lock().unwrap_or_else(PoisonError::into_inner);
    let observer = observers.iter().filter_map(WeakObserver::upgrade).find(|o| state.is_of(o.policy()));
    drop(observers);
    let Some(observer) = observer else { return };
    if let Some(record) = WorkState::abort(state, report, observer.is_draining()) {
        observer.on_finish(&record);
        observer.flush(LAST_FLUSH);
    }
}

#[cfg(test)]
mod tests {

    use crate::{base::panic::catch, http::head::RequestHead, observer::Observer};
    use std::panic::{catch_unwind, resume_unwind};

    /// Runs `f` inside a request of an observer that installed the hook.
    fn in_request<T>(f: impl FnOnce() -> T) -> T {
        let observer = Observer::builder("test").no_environment().build().expect("valid");
        let observation = observer.start(&RequestHead::new("GET", "/", &()));
        observation.work().run(f)
    }

    #[test]
    fn a_panic_has_its_location_and_backtrace() {
        let panic = in_request(|| catch(|| panic!("at {}", "home"))).expect_err("panicked");
        assert_eq!(panic.report().message, "at home");
        let location = panic.report().location.as_ref().expect("the hook saw it");
        assert!(location.file.ends_with("panic_hook.rs"), "{location}");
        let backtrace = panic.report().backtrace.as_ref().expect("captured").to_string();
        assert!(backtrace.contains("a_panic_has_its_location_and_backtrace"), "{backtrace}");
    }

    #[test]
    fn a_panic_without_a_report_does_not_get_the_location_of_another_one() {
        let panic = in_request(|| {
            let _ = catch_unwind(|| panic!("the handler caught this one"));
            catch(|| resume_unwind(Box::new("from elsewhere")))
        })
        .expect_err("panicked");
        assert_eq!(panic.report().message, "from elsewhere");
        assert!(panic.report().location.is_none());
    }

    #[test]
    fn a_resumed_panic_keeps_its_location() {
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
    fn no_backtrace_is_captured_outside_a_request() {
        let panic = catch(|| panic!("alone")).expect_err("panicked");
        assert!(panic.report().backtrace.is_none());
    }
}
