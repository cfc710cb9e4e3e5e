//! The log messages about entries that do not fit into a queue.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::problem::{Problem, QUIET, Subject};
use crate::redact::diagnostics;

/// The overflow of one queue: a warning when it begins, and a message when it ends.
pub(super) struct QueueOverflow {
    subject: Arc<Subject>,
    state: Mutex<OverflowState>,
}

#[derive(Default)]
struct OverflowState {
    problem: Problem,
    /// The last time at which an entry found no room.
    last: Option<Instant>,
}

impl QueueOverflow {
    pub(super) fn new(subject: Arc<Subject>) -> Self {
        Self { subject, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, OverflowState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports that an entry found no room. It is called on the thread of a request.
    ///
    /// The worker may be stuck in its destination, and a request must not block, which logging may
    /// do. So a short-lived thread logs the warning, at most one in a minute.
    pub(super) fn begins(&self, now: Instant) {
        let mut state = self.lock();
        state.last = Some(now);
        let due = state.problem.begins(now);
        drop(state);
        if due {
            let Subject { entries, destination, counter, .. } = &*self.subject;
            diagnostics::warn_on_thread(format!(
                "{entries} come faster than {destination} accepts them; those that do not fit into the queue are \
                 dropped and counted in `{counter}`"
            ));
        }
    }

    /// Checks on the worker if the overflow has ended. `some` is true if entries found no room
    /// since the last check.
    pub(super) fn check(&self, some: bool, now: Instant) {
        let mut state = self.lock();
        if some {
            state.last = Some(now);
        } else if state.last.is_some_and(|last| now.saturating_duration_since(last) >= QUIET) {
            state.last = None;
            let due = state.problem.ends();
            drop(state);
            if due {
                let Subject { entries, destination, .. } = &*self.subject;
                diagnostics::info(format_args!("{entries} for {destination} fit into the queue again"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::redact::settings::Redaction;

    #[test]
    fn an_overflow_is_over_after_a_minute_without_one() {
        let redactor = Redaction::new().build().expect("valid");
        let subject =
            Subject { entries: "events", destination: String::new(), counter: "lost_total", redactor };
        let (overflow, began) = (QueueOverflow::new(Arc::new(subject)), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        let after = |seconds, some| {
            overflow.check(some, at(seconds));
            overflow.lock().problem.lasts
        };
        assert!(!after(0, false), "there was none");
        overflow.begins(at(0));
        assert!(after(0, true) && after(59, false) && after(59, true) && after(118, false));
        assert!(!after(119, false));
    }
}
