//! The queue between requests and a worker. It is bounded, wakes the worker as rarely as possible,
//! and can be flushed with a deadline.

pub(crate) mod counts;
pub(crate) mod flush;
pub(crate) mod limits;

use std::{
    mem,
    sync::{OnceLock, PoisonError},
    time::{Duration, Instant},
};

use super::store::{Store, Taken as _};
use crate::base::sync::{Condvar, Mutex, MutexGuard};
use counts::{DeliveryCounts, Settled};
use limits::{Pace, QueueBounds};

/// The interval at which a sleeping worker wakes for work that depends only on time.
const PARKED_TICK: Duration = Duration::from_secs(1);

/// The minimal pause between two attempts during a flush.
const LEAST_PAUSE: Duration = Duration::from_millis(50);

#[derive(Default)]
struct QueueState<S> {
    store: S,
    /// Bytes that wait or are being delivered.
    bytes: usize,
    /// Entries that the worker has taken and not yet settled.
    under_way: u64,
    /// All settled entries since the start, and those of them that were lost.
    settled: u64,
    lost: u64,
    /// The numbers of requested and completed flushes, and the result of the last one.
    flushes_wanted: u64,
    flushes_made: u64,
    flush_failed: bool,
    /// The number of entries that were pushed before the last flush was requested.
    flush_after: u64,
    /// The time until which a caller waits for a flush.
    flush_until: Option<Instant>,
    /// True if a flush was requested: the worker skips collecting and pauses.
    urgent: bool,
    /// True if the worker sleeps until it is woken.
    parked: bool,
    /// True while the destination fails.
    failing: bool,
    /// True if an entry found no room since the worker last checked.
    overflowed: bool,
    /// The number of entries that were pushed before the last report, if some of them were not
    /// settled.
    reported: Option<u64>,
    closed: bool,
    /// True if the last attempt after the close was granted.
    last_try: bool,
    /// True if the worker has ended.
    ended: bool,
}

impl<S: Store> QueueState<S> {
    /// Returns the number of entries that wait or are being delivered.
    fn waiting(&self) -> u64 {
        self.under_way.saturating_add(self.store.len() as u64)
    }

    /// Returns the number of entries that were pushed since the start.
    fn pushed(&self) -> u64 {
        self.settled.saturating_add(self.waiting())
    }

    /// Returns true if all entries that were pushed before the flush are settled. Then the
    /// destination is flushed, even if new entries wait.
    const fn flush_is_due(&self) -> bool {
        self.flushes_made < self.flushes_wanted && self.settled >= self.flush_after
    }

    /// Returns the time until which a caller waits for a flush that is not complete.
    fn awaited_until(&self, now: Instant) -> Option<Instant> {
        self.flush_until.filter(|until| now < *until && self.flushes_made < self.flushes_wanted)
    }
}

/// The next task of the worker.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Deliver the entries in the batch.
    Deliver,
    /// Flush the destination, and report this number as complete.
    Flush(u64),
    /// Free memory, because no entry came for a while.
    Tick,
    /// End the thread: no entries are left, and none will come.
    Closed,
}

/// A queue into which requests push entries, and from which a worker takes them.
///
/// A push copies the entry under a lock that is otherwise held only to swap or to count. It wakes
/// the worker only if the worker sleeps, and once when a batch is full. A wake-up for each entry
/// would cost more than the entry itself.
pub(crate) struct Queue<S: Store> {
    state: Mutex<QueueState<S>>,
    /// Signals the worker.
    wake: Condvar,
    /// Signals callers that wait for a flush, and pushes that wait for room.
    settled: Condvar,
    bounds: QueueBounds,
    pace: Pace,
    /// Called for the first entry without room since the worker last checked.
    alarm: OnceLock<Box<dyn Fn() + Send + Sync>>,
    pub(crate) counts: DeliveryCounts,
}

impl<S: Store> Queue<S> {
    pub(crate) fn new(bounds: QueueBounds, pace: Pace, counts: DeliveryCounts) -> Self {
        Self {
            state: Mutex::new(QueueState::default()),
            wake: Condvar::new(),
            settled: Condvar::new(),
            bounds,
            pace,
            alarm: OnceLock::new(),
            counts,
        }
    }

    /// Sets the function that the first entry without room calls. It runs on the thread of a
    /// request, so it must not block.
    pub(crate) fn set_alarm(&self, alarm: Box<dyn Fn() + Send + Sync>) {
        let _ = self.alarm.set(alarm);
    }

    fn lock(&self) -> MutexGuard<'_, QueueState<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an entry if there is room, if necessary after waiting for it. Otherwise counts the
    /// entry as lost.
    pub(crate) fn push(&self, entry: S::Entry<'_>) {
        let weight = S::weight(&entry);
        let mut state = self.lock();
        if !self.has_room(&state, weight) {
            state = self.wait_for_room(state, weight);
            if !self.has_room(&state, weight) {
                return self.refuse(state);
            }
        }
        state.bytes = state.bytes.saturating_add(weight);
        state.store.push(entry);
        let wake = mem::take(&mut state.parked) || state.store.len() == self.pace.batch;
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }

    fn has_room(&self, state: &QueueState<S>, weight: usize) -> bool {
        let bytes = state.bytes.saturating_add(weight);
        bytes <= self.bounds.bytes && state.store.len() < self.bounds.entries && !state.closed
    }

    #[cold]
    fn wait_for_room<'a>(
        &'a self,
        mut state: MutexGuard<'a, QueueState<S>>,
        weight: usize,
    ) -> MutexGuard<'a, QueueState<S>> {
        let patience = self.bounds.patience;
        // Waiting is useless for an entry that can never fit.
        if patience.is_zero() || weight > self.bounds.bytes {
            return state;
        }
        let began = Instant::now();
        while !self.has_room(&state, weight) && !state.closed {
            let left = patience.saturating_sub(began.elapsed());
            if left.is_zero() {
                break;
            }
            state = self.wait(&self.settled, state, left);
        }
        state
    }

    #[cold]
    fn refuse(&self, mut state: MutexGuard<'_, QueueState<S>>) {
        let mut first = false;
        let counter = if state.closed {
            &self.counts.closed
        } else if state.failing {
            &self.counts.failed
        } else {
            first = !mem::replace(&mut state.overflowed, true);
            &self.counts.full
        };
        drop(state);
        counter.add(1);
        if first && let Some(alarm) = self.alarm.get() {
            alarm();
        }
    }

    /// Waits for the worker's next task. Moves entries into `batch`, which must be empty.
    pub(super) fn take(&self, batch: &mut S::Batch) -> Task {
        let mut state = self.lock();
        let began = Instant::now();
        // The last time at which the queue was empty. The first entry is not older than that.
        let mut empty = began;
        loop {
            let now = Instant::now();
            if state.flush_is_due() {
                return Task::Flush(state.flushes_wanted);
            }
            let hurry = mem::take(&mut state.urgent) || state.closed || state.awaited_until(now).is_some();
            if state.store.len() > 0 {
                let left = self.pace.delay.saturating_sub(now.saturating_duration_since(empty));
                if hurry || left.is_zero() || state.store.len() >= self.pace.batch {
                    state.store.take(batch, self.pace.batch);
                    state.under_way = batch.len() as u64;
                    return Task::Deliver;
                }
                state = self.wait(&self.wake, state, left);
            } else if state.closed {
                return Task::Closed;
            } else if now.saturating_duration_since(began) < self.pace.park_after {
                empty = now;
                state = self.wait(&self.wake, state, self.pace.delay);
            } else {
                state.parked = true;
                state = self.wait(&self.wake, state, PARKED_TICK);
                if mem::take(&mut state.parked) {
                    state.store.exchange(batch);
                    return Task::Tick;
                }
                empty = Instant::now();
            }
        }
    }

    fn wait<'a>(
        &'a self,
        condition: &'a Condvar,
        state: MutexGuard<'a, QueueState<S>>,
        time: Duration,
    ) -> MutexGuard<'a, QueueState<S>> {
        let woken = condition.wait_timeout(state, time);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Counts settled entries of the batch.
    pub(super) fn settle(&self, settled: &Settled) {
        let Settled { bytes, delivered, rejected, failed } = *settled;
        let lost = rejected.saturating_add(failed);
        let settled = delivered.saturating_add(lost);
        // The counters change under the lock, so that a report counts each entry once.
        let mut state = self.lock();
        self.counts.delivered.add(delivered);
        self.counts.rejected.add(rejected);
        self.counts.failed.add(failed);
        state.bytes = state.bytes.saturating_sub(bytes);
        state.under_way = state.under_way.saturating_sub(settled);
        state.settled = state.settled.saturating_add(settled);
        state.lost = state.lost.saturating_add(lost);
        state.failing &= delivered == 0 && rejected == 0;
        drop(state);
        self.settled.notify_all();
    }

    /// Waits before the next attempt for the time `wanted`, but at most for half of the time that a
    /// caller still waits for a flush. A new flush ends the pause. Returns false if there is no
    /// further attempt.
    pub(super) fn pause(&self, wanted: Duration) -> bool {
        let began = Instant::now();
        let mut state = self.lock();
        state.failing = true;
        loop {
            if state.closed {
                // After the close, one last attempt is granted.
                return !mem::replace(&mut state.last_try, true);
            }
            let now = Instant::now();
            let pause = state.awaited_until(now).map_or(wanted, |until| {
                let half = until.saturating_duration_since(began) / 2;
                wanted.min(half.max(LEAST_PAUSE))
            });
            let left = pause.saturating_sub(now.saturating_duration_since(began));
            if mem::take(&mut state.urgent) || left.is_zero() {
                return true;
            }
            state = self.wait(&self.wake, state, left);
        }
    }

    /// Returns true if entries found no room since the last call.
    pub(super) fn overflowed(&self) -> bool {
        mem::take(&mut self.lock().overflowed)
    }

    /// Returns true while the destination fails.
    pub(crate) fn is_failing(&self) -> bool {
        self.lock().failing
    }

    /// Returns the number of entries that wait or are being delivered.
    pub(crate) fn waiting(&self) -> u64 {
        self.lock().waiting()
    }

    /// Returns the numbers of delivered and of lost entries for the report of a shutdown. Entries
    /// that are not settled count as lost.
    pub(crate) fn report(&self) -> (u64, u64) {
        let mut state = self.lock();
        let waiting = state.waiting();
        state.reported = (waiting > 0).then(|| state.pushed());
        let (delivered, lost) = self.counts.delivered_and_lost();
        (delivered, lost.saturating_add(waiting))
    }

    /// Returns true if the last report counted all entries that are not settled as lost. Then
    /// nobody waits for them again.
    pub(crate) fn is_given_up(&self) -> bool {
        let state = self.lock();
        state.waiting() > 0 && state.reported == Some(state.pushed())
    }

    /// Returns the bytes that wait or are being delivered.
    pub(crate) fn waiting_bytes(&self) -> u64 {
        self.lock().bytes as u64
    }

    /// Closes the queue. The worker tries to deliver the remaining entries and then ends.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
        self.settled.notify_all();
    }

    /// Reports the end of the worker, so that no caller waits for it.
    pub(super) fn ended(&self) {
        self.lock().ended = true;
        self.settled.notify_all();
    }

    #[cfg(test)]
    pub(super) fn is_parked(&self) -> bool {
        self.lock().parked
    }
}

/// Methods for items.
#[cfg(feature = "otel")]
impl<S: Store> Queue<S> {
    /// Returns true if the queue is closed and accepts no entries.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }
}
