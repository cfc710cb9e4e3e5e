//! The panic hook, which records the location of a panic inside of work.
//!
//! The hook runs where the panic happens, so it knows the location. The code around `catch_unwind`
//! knows the payload and the observation. The hook stores its report in a thread-local slot, which
//! that code reads: see [`base::panic`](crate::base::panic).
//!
//! The hook fills the slot only inside a request, and always calls the previous hook. The code
//! around `catch_unwind` empties the slot. It uses the report only if the report and the payload
//! have the same message, so a panic that was resumed from elsewhere gets no wrong location. The
//! backtrace is resolved where it is printed, not on the request's thread. A panic that no request
//! records becomes a log line, if there are logs. With `panic = "abort"`, the hook itself finishes
//! the record and flushes the outputs, whatever thread panics.

#[cfg(feature = "logs")]
use crate::outputs::logs::panics;
use crate::{
    base::{panic::PanicReport, thread::spawn, thread_timeout::run_with_timeout},
    observer::{Observer, WeakObserver, report::flush_and_log},
    record::state::WorkState,
    work::scope,
};
use std::{
    panic::{PanicHookInfo, set_hook, take_hook},
    sync::{
        Arc, Mutex, Once, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// The longest time that an aborting process waits for its outputs.
const LAST_FLUSH: Duration = Duration::from_secs(1);

/// The longest time that an aborting process waits until its sinks have its last record.
const LAST_RECORD: Duration = Duration::from_millis(500);

/// The longest time that an aborting process waits in all, with its log message.
const LIMIT: Duration = Duration::from_secs(2);

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
                abort(info);
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

/// Fills the slot if the panic happens inside of work. Writes a log line if no request records the
/// panic.
fn note(info: &PanicHookInfo<'_>) {
    if scope::is_current() {
        PanicReport::of_hook(info).keep();
    }
    #[cfg(feature = "logs")]
    log(info);
}

/// Writes a line about a panic outside of work, or in a task or thread that works for a request.
/// The code that started a task gets its panic, and the request does not.
#[cfg(feature = "logs")]
fn log(info: &PanicHookInfo<'_>) {
    let work = scope::try_current().unwrap_or_default();
    if !work.is_active() || scope::is_detached(&work) {
        panics::write(info, &work);
    }
}

/// Records the work of a process that is about to abort, and flushes the outputs of all observers.
/// This is the last chance: the panic may come from any thread, and nothing unwinds.
///
/// Everything that can block or panic runs on other threads, with a limit. A second panic would
/// otherwise end the process before the flush: on this thread at once, and on another thread when
/// its hook returns.
fn abort(info: &PanicHookInfo<'_>) {
    static FIRST: AtomicBool = AtomicBool::new(true);
    let record = scope::try_current().and_then(|work| {
        let state = work.state()?;
        let record = WorkState::abort(state, PanicReport::of_hook(info))?;
        Some((Arc::clone(&state.policy), record))
    });
    #[cfg(feature = "logs")]
    if record.is_none() {
        panics::write(info, &scope::current());
    }
    let flushes = FIRST.swap(false, Ordering::SeqCst);
    let run = move || {
        let observers = OBSERVERS.lock().unwrap_or_else(PoisonError::into_inner);
        let observers: Vec<_> = observers.iter().filter_map(WeakObserver::upgrade).collect();
        if let Some((policy, mut record)) = record
            && let Some(observer) = observers.iter().find(|observer| Arc::ptr_eq(observer.policy(), &policy))
        {
            record.draining = observer.is_draining();
            observer.on_abort(record, LAST_RECORD);
        }
        if flushes {
            let flush = |observer: Observer| {
                let flush = move || _ = flush_and_log(&observer, LAST_FLUSH, "aborts after a panic");
                spawn("obs-flush", Box::new(flush))
            };
            let started: Vec<_> = observers.into_iter().map(flush).collect();
            started.into_iter().flatten().for_each(|thread| _ = thread.join());
        }
    };
    run_with_timeout("obs-abort", LIMIT, Box::new(run));
    if !flushes {
        // The first panic aborts the process after its flush. It may need this thread.
        std::thread::sleep(LIMIT);
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
