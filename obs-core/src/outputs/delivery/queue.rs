//! The queue between requests and a worker: bounded, woken as seldom as possible, flushed with a
//! deadline.

use std::{
    mem,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use super::store::{Store, Taken as _};
use crate::base::{
    counter::Counter,
    sync::{Condvar, Mutex, MutexGuard},
};

/// The time after which a sleeping worker wakes for work that depends on time alone.
const PARKED_TICK: Duration = Duration::from_secs(1);

/// The shortest pause between two tries while a flush is under way.
const LEAST_PAUSE: Duration = Duration::from_millis(50);

/// A flush that may take longer may take as long as this.
const LONGEST_FLUSH: Duration = Duration::from_secs(365 * 24 * 3600);

/// The room of a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueBounds {
    /// The entries that may wait.
    pub(crate) entries: usize,
    /// The bytes that may wait or be under way.
    pub(crate) bytes: usize,
    /// The time for which a push may wait for room.
    pub(crate) patience: Duration,
}

/// The rhythm of a worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// The time for which entries are gathered.
    pub(crate) delay: Duration,
    /// The number of entries that are delivered at once, and for which nothing more is gathered.
    pub(crate) batch: usize,
    /// The silence after which the worker sleeps until an entry wakes it. Before, it looks once per
    /// delay.
    pub(crate) park_after: Duration,
}

/// The counters of an output.
pub(crate) struct DeliveryCounts {
    pub(crate) delivered: Arc<Counter>,
    /// There was no room, because entries came faster than the destination took them.
    pub(crate) full: Arc<Counter>,
    /// The destination failed until they were given up, or there was no room because it failed.
    pub(crate) failed: Arc<Counter>,
    /// The destination took them and dropped them.
    pub(crate) rejected: Arc<Counter>,
    /// They came after the end.
    pub(crate) closed: Arc<Counter>,
}

impl DeliveryCounts {
    /// All that was delivered, and all that was lost for any reason.
    pub(crate) fn delivered_and_lost(&self) -> (u64, u64) {
        let lost = [&self.full, &self.failed, &self.rejected, &self.closed];
        (self.delivered.get(), lost.iter().map(|counter| counter.get()).sum())
    }
}

/// Entries that are done with.
#[derive(Default)]
pub(super) struct Settled {
    /// The bytes that they counted for.
    pub(super) bytes: usize,
    pub(super) delivered: u64,
    pub(super) rejected: u64,
    pub(super) failed: u64,
}

#[derive(Default)]
struct QueueState<S> {
    store: S,
    /// Bytes that wait or are under way.
    bytes: usize,
    /// Entries that the worker has taken and not settled.
    under_way: u64,
    /// Entries ever settled in any way, and those of them that were lost.
    settled: u64,
    lost: u64,
    /// Flushes that were asked for and made, and the result of the last one.
    flushes_wanted: u64,
    flushes_made: u64,
    flush_failed: bool,
    /// Entries that were pushed before the last flush was asked for.
    flush_after: u64,
    /// The time until which somebody waits for a flush.
    flush_until: Option<Instant>,
    /// A flush was asked for: neither gather nor pause now.
    urgent: bool,
    /// The worker sleeps until something wakes it.
    parked: bool,
    /// The destination fails.
    failing: bool,
    /// An entry has found no room since the worker looked.
    overflowed: bool,
    closed: bool,
    /// A try since the end was allowed.
    last_try: bool,
    /// There is no worker any more.
    ended: bool,
}

impl<S: Store> QueueState<S> {
    /// The entries that wait or are under way.
    fn waiting(&self) -> u64 {
        self.under_way.saturating_add(self.store.len() as u64)
    }

    /// Entries that were pushed before a flush are settled: it is the destination's turn, whatever
    /// has come since.
    const fn flush_is_due(&self) -> bool {
        self.flushes_made < self.flushes_wanted && self.settled >= self.flush_after
    }

    /// The time until which somebody waits for a flush that is not made.
    fn awaited_until(&self, now: Instant) -> Option<Instant> {
        self.flush_until.filter(|until| now < *until && self.flushes_made < self.flushes_wanted)
    }
}

/// The next job of the worker.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Deliver the entries that are in the batch now.
    Deliver,
    /// Flush the destination, and report this number.
    Flush(u64),
    /// Nothing was there for a while.
    Tick,
    /// End: nothing is left and nothing will come.
    Closed,
}

/// A flush that was asked for.
pub(crate) struct Flush {
    pushed: u64,
    lost: u64,
    number: u64,
    until: Instant,
}

/// Requests push entries, a worker takes them.
///
/// A push copies the entry under a lock that is otherwise held only to swap or to count. It wakes
/// the worker only if that sleeps, or once for a full batch: a wake-up for each entry would cost
/// more than the entry.
pub(crate) struct Queue<S: Store> {
    state: Mutex<QueueState<S>>,
    /// Something for the worker.
    wake: Condvar,
    /// Something for a flush, and for a push that waits for room.
    settled: Condvar,
    bounds: QueueBounds,
    pace: Pace,
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
            counts,
        }
    }

    fn lock(&self) -> MutexGuard<'_, QueueState<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an entry if there is room for it, or will be in time; otherwise counts it as lost.
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
        // For an entry that can never fit nobody waits.
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
        let counter = if state.closed {
            &self.counts.closed
        } else if state.failing {
            &self.counts.failed
        } else {
            state.overflowed = true;
            &self.counts.full
        };
        drop(state);
        counter.add(1);
    }

    /// Waits for the worker's next task. Entries are taken into `batch`, which is empty.
    pub(super) fn take(&self, batch: &mut S::Batch) -> Task {
        let mut state = self.lock();
        let began = Instant::now();
        // The last time at which nothing waited: the first entry is not older.
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

    /// Counts entries of the batch that are done with.
    pub(super) fn settle(&self, settled: &Settled) {
        let Settled { bytes, delivered, rejected, failed } = *settled;
        self.counts.delivered.add(delivered);
        self.counts.rejected.add(rejected);
        self.counts.failed.add(failed);
        let lost = rejected.saturating_add(failed);
        let settled = delivered.saturating_add(lost);
        let mut state = self.lock();
        state.bytes = state.bytes.saturating_sub(bytes);
        state.under_way = state.under_way.saturating_sub(settled);
        state.settled = state.settled.saturating_add(settled);
        state.lost = state.lost.saturating_add(lost);
        state.failing &= delivered == 0 && rejected == 0;
        drop(state);
        self.settled.notify_all();
    }

    /// Waits before the next try: as long as it is wanted, or at most half of the time for which
    /// somebody still waits for a flush. A new flush is tried at once. Returns `false` if there is
    /// no other try.
    pub(super) fn pause(&self, wanted: Duration) -> bool {
        let began = Instant::now();
        let mut state = self.lock();
        state.failing = true;
        loop {
            if state.closed {
                // One last try, although the end has come.
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

    /// Says if entries have found no room since the last call.
    pub(super) fn overflowed(&self) -> bool {
        mem::take(&mut self.lock().overflowed)
    }

    /// Reports a flush of the destination.
    pub(super) fn flushed(&self, number: u64, ok: bool) {
        let mut state = self.lock();
        state.flushes_made = number;
        state.flush_failed = !ok;
        drop(state);
        self.settled.notify_all();
    }

    /// Asks the worker to settle the entries that were pushed before, and to flush the destination
    /// then.
    pub(crate) fn ask_to_flush(&self, deadline: Duration) -> Flush {
        let now = Instant::now();
        let until = now.checked_add(deadline.min(LONGEST_FLUSH)).unwrap_or(now);
        let mut state = self.lock();
        // Of two that wait, the longer deadline counts for the worker.
        let other = state.awaited_until(now);
        state.flush_until = Some(other.map_or(until, |other| other.max(until)));
        state.flushes_wanted = state.flushes_wanted.saturating_add(1);
        state.flush_after = state.settled.saturating_add(state.waiting());
        state.urgent = true;
        self.wake.notify_one();
        Flush { pushed: state.flush_after, lost: state.lost, number: state.flushes_wanted, until }
    }

    /// Waits until that is done, at most until its deadline. Returns `true` if everything was
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

    /// The bytes that wait or are under way.
    pub(crate) fn waiting_bytes(&self) -> u64 {
        self.lock().bytes as u64
    }

    /// Lets the worker end once it has tried what is left.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
        self.settled.notify_all();
    }

    /// The worker ends: nobody need wait for it.
    pub(super) fn ended(&self) {
        self.lock().ended = true;
        self.settled.notify_all();
    }

    #[cfg(test)]
    pub(super) fn is_parked(&self) -> bool {
        self.lock().parked
    }
}

/// For outlets that know time-outs, and for items.
#[cfg(any(feature = "otel", test))]
impl<S: Store> Queue<S> {
    /// Flushes, and waits for it.
    pub(crate) fn flush(&self, deadline: Duration) -> bool {
        self.wait_for(&self.ask_to_flush(deadline))
    }

    /// The time that one try may take: as long as it is wanted, but no longer than somebody waits
    /// for a flush.
    pub(crate) fn patience(&self, wanted: Duration) -> Duration {
        let now = Instant::now();
        let until = self.lock().awaited_until(now);
        until.map_or(wanted, |until| wanted.min(until.saturating_duration_since(now)))
    }

    /// The entries that wait or are under way.
    pub(crate) fn waiting(&self) -> u64 {
        self.lock().waiting()
    }

    /// Says if no entry is accepted any more.
    #[cfg(feature = "otel")]
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }
}
