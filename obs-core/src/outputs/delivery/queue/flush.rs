//! Flushes with a deadline: the request for a flush, the wait for its end, and the time that an
//! attempt may take meanwhile.

use std::time::{Duration, Instant};

use super::super::store::Store;
use super::Queue;

/// The limit of a flush's deadline, so that the addition to the current time does not overflow.
const LONGEST_FLUSH: Duration = Duration::from_secs(365 * 24 * 3600);

/// A requested flush.
pub(crate) struct Flush {
    pushed: u64,
    lost: u64,
    number: u64,
    until: Instant,
}

impl<S: Store> Queue<S> {
    /// Reports the result of a flush of the destination.
    pub(crate) fn flushed(&self, number: u64, ok: bool) {
        let mut state = self.lock();
        state.flushes_made = number;
        state.flush_failed = !ok;
        drop(state);
        self.settled.notify_all();
    }

    /// Requests that the worker settles all entries that were pushed so far, and then flushes the
    /// destination.
    pub(crate) fn ask_to_flush(&self, deadline: Duration) -> Flush {
        let now = Instant::now();
        let until = now.checked_add(deadline.min(LONGEST_FLUSH)).unwrap_or(now);
        let mut state = self.lock();
        // If several callers wait, the longest deadline counts for the worker.
        let other = state.awaited_until(now);
        state.flush_until = Some(other.map_or(until, |other| other.max(until)));
        state.flushes_wanted = state.flushes_wanted.saturating_add(1);
        state.flush_after = state.pushed();
        state.urgent = true;
        self.wake.notify_one();
        Flush { pushed: state.flush_after, lost: state.lost, number: state.flushes_wanted, until }
    }

    /// Waits until a flush is complete, at most until its deadline. Returns true if everything was
    /// delivered.
    pub(crate) fn wait_for(&self, flush: &Flush) -> bool {
        let mut state = self.lock();
        while (state.settled < flush.pushed || state.flushes_made < flush.number) && !state.ended {
            let left = flush.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.wait(&self.settled, state, left);
        }
        state.settled >= flush.pushed && state.lost == flush.lost && !state.flush_failed
    }
}

/// Methods for outlets with timeouts.
#[cfg(any(feature = "otel", test))]
impl<S: Store> Queue<S> {
    /// Requests a flush and waits for it.
    pub(crate) fn flush(&self, deadline: Duration) -> bool {
        self.wait_for(&self.ask_to_flush(deadline))
    }

    /// Returns the time that one attempt may take: `wanted`, but at most three quarters of the time
    /// that a caller still waits for a flush. So a failure is logged before the caller gives up.
    pub(crate) fn attempt_timeout(&self, wanted: Duration) -> Duration {
        let now = Instant::now();
        let until = self.lock().awaited_until(now);
        until.map_or(wanted, |until| {
            let rest = until.saturating_duration_since(now);
            wanted.min(rest.saturating_sub(rest / 4))
        })
    }
}
