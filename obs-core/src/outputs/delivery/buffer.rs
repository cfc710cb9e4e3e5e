//! The buffer between requests and an output's writer: bounded in bytes, swapped as a whole.

use std::{
    mem,
    sync::PoisonError,
    time::{Duration, Instant},
};

use crate::base::sync::{Condvar, Mutex, MutexGuard};

/// How often the writer looks while there is traffic: also the longest that a line waits.
const TICK: Duration = Duration::from_millis(20);

/// After this much silence the writer sleeps until the next line wakes it.
const PARK_AFTER: Duration = Duration::from_secs(1);

/// How often a sleeping writer looks after what depends on time alone.
const PARKED_TICK: Duration = Duration::from_secs(1);

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    lines: u64,
    /// Bytes that the writer has taken and not settled: they still count.
    taken: usize,
    /// Lines ever pushed and ever taken care of, whether written or lost.
    pushed: u64,
    settled: u64,
    lost: u64,
    /// Flushes of the sink that were asked for, that were made, and whether the last one failed.
    flushes_wanted: u64,
    flushes_made: u64,
    /// Lines that were pushed before the last of them.
    flush_after: u64,
    flush_failed: bool,
    /// The writer sleeps until something wakes it.
    parked: bool,
    /// Somebody waits in `flush`: do not wait for the tick.
    urgent: bool,
    /// The sink fails.
    failing: bool,
    closed: bool,
}

impl State {
    fn waiting(&self) -> usize {
        self.bytes.len().saturating_add(self.taken)
    }

    /// What was pushed before a flush is settled: it is the sink's turn, whatever has come since.
    fn flush_is_due(&self) -> bool {
        self.flushes_made < self.flushes_wanted && self.settled >= self.flush_after
    }
}

/// Requests push lines, the writer takes them all at once.
///
/// A push copies the line under a lock that is otherwise held only to swap two vectors. It wakes the writer only if that
/// is parked: under traffic the writer ticks, and a wake-up per line would cost more than the line.
pub(crate) struct Buffer {
    state: Mutex<State>,
    /// Something for the writer.
    wake: Condvar,
    /// Something for `flush`, and for a push that waits for room.
    settled: Condvar,
    capacity: usize,
    /// How long a push may wait for room.
    patience: Duration,
}

/// What the writer has to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// These lines are in the vector that was passed.
    Lines(u64),
    /// Flush the sink: then say so with this number.
    Flush(u64),
    /// About a second has passed.
    Tick,
    /// Nothing is left and nothing will come.
    Closed,
}

/// A flush that was asked for.
pub(crate) struct Flush {
    pushed: u64,
    lost: u64,
    number: u64,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    Taken,
    /// There is no room, because lines come faster than the sink takes them.
    Full,
    /// There is no room, because the sink fails.
    Failing,
}

impl Buffer {
    pub(crate) fn new(capacity: usize, patience: Duration) -> Self {
        Self {
            state: Mutex::new(State::default()),
            wake: Condvar::new(),
            settled: Condvar::new(),
            capacity,
            patience,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line if there is room for it, or will be in time.
    pub(crate) fn push(&self, line: &[u8]) -> Pushed {
        let mut state = self.lock();
        if !self.has_room(&state, line) && !self.patience.is_zero() {
            state = self.wait_for_room(state, line);
        }
        if !self.has_room(&state, line) {
            return if state.failing { Pushed::Failing } else { Pushed::Full };
        }
        state.bytes.extend_from_slice(line);
        state.lines = state.lines.saturating_add(1);
        state.pushed = state.pushed.saturating_add(1);
        let wake = mem::take(&mut state.parked);
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        Pushed::Taken
    }

    fn has_room(&self, state: &State, line: &[u8]) -> bool {
        !state.closed && state.waiting().saturating_add(line.len()) <= self.capacity
    }

    fn wait_for_room<'a>(&'a self, mut state: MutexGuard<'a, State>, line: &[u8]) -> MutexGuard<'a, State> {
        let began = Instant::now();
        while !self.has_room(&state, line) && !state.closed && line.len() <= self.capacity {
            let left = self.patience.saturating_sub(began.elapsed());
            if left.is_zero() {
                break;
            }
            state = self.wait(&self.settled, state, left);
        }
        state
    }

    /// For the writer: waits for something to do; lines are swapped into `empty`.
    pub(super) fn take(&self, empty: &mut Vec<u8>) -> Task {
        let mut state = self.lock();
        let since = Instant::now();
        // Gather for a tick, unless somebody waits.
        if !state.urgent && !state.closed && !state.flush_is_due() {
            state = self.wait(&self.wake, state, TICK);
        }
        state.urgent = false;
        loop {
            if state.flush_is_due() {
                return Task::Flush(state.flushes_wanted);
            }
            if state.lines > 0 {
                break;
            }
            if state.closed {
                return Task::Closed;
            }
            if since.elapsed() < PARK_AFTER {
                state = self.wait(&self.wake, state, TICK);
            } else {
                state.parked = true;
                state = self.wait(&self.wake, state, PARKED_TICK);
                if mem::take(&mut state.parked) {
                    // Both are empty: by turns the writer can give back what either has taken.
                    mem::swap(&mut state.bytes, empty);
                    return Task::Tick;
                }
            }
        }
        mem::swap(&mut state.bytes, empty);
        state.taken = empty.len();
        Task::Lines(mem::take(&mut state.lines))
    }

    #[cfg(not(obs_loom))]
    fn wait<'a>(
        &'a self,
        condition: &'a Condvar,
        state: MutexGuard<'a, State>,
        time: Duration,
    ) -> MutexGuard<'a, State> {
        let woken = condition.wait_timeout(state, time);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }

    /// loom knows no time: every wait may be over at once.
    #[cfg(obs_loom)]
    fn wait<'a>(
        &'a self,
        _: &'a Condvar,
        state: MutexGuard<'a, State>,
        _: Duration,
    ) -> MutexGuard<'a, State> {
        drop(state);
        loom::thread::yield_now();
        self.lock()
    }

    /// For the writer: this many bytes, and the lines that ended in them, are written.
    pub(super) fn written(&self, bytes: usize, lines: u64) {
        let mut state = self.lock();
        state.failing = false;
        state.taken = state.taken.saturating_sub(bytes);
        state.settled = state.settled.saturating_add(lines);
        drop(state);
        self.settled.notify_all();
    }

    /// For the writer: the sink has failed. Waits before the next try, unless somebody waits for it; `false` if there is to be none.
    pub(super) fn failed(&self, pause: Duration) -> bool {
        let mut state = self.lock();
        state.failing = true;
        if state.closed {
            return false;
        }
        let began = Instant::now();
        loop {
            let left = pause.saturating_sub(began.elapsed());
            // At the end there is one last try.
            if state.closed || mem::take(&mut state.urgent) || left.is_zero() {
                return true;
            }
            state = self.wait(&self.wake, state, left);
        }
    }

    /// For the writer: the rest of what it has taken is lost.
    pub(super) fn lost(&self, lines: u64) {
        let mut state = self.lock();
        state.taken = 0;
        state.settled = state.settled.saturating_add(lines);
        state.lost = state.lost.saturating_add(lines);
        drop(state);
        self.settled.notify_all();
    }

    /// For the writer: the sink is flushed, or could not be.
    pub(super) fn flushed(&self, number: u64, ok: bool) {
        let mut state = self.lock();
        state.flushes_made = number;
        state.flush_failed = !ok;
        drop(state);
        self.settled.notify_all();
    }

    /// Asks the writer to settle what was pushed before, and to flush the sink then.
    pub(crate) fn ask_to_flush(&self) -> Flush {
        let mut state = self.lock();
        state.flushes_wanted = state.flushes_wanted.saturating_add(1);
        state.flush_after = state.pushed;
        state.urgent = true;
        self.wake.notify_one();
        Flush { pushed: state.pushed, lost: state.lost, number: state.flushes_wanted }
    }

    /// Waits until that is done, but no longer than `deadline`; `true` if all of it was written.
    pub(crate) fn wait_for(&self, flush: &Flush, deadline: Duration) -> bool {
        let mut state = self.lock();
        let began = Instant::now();
        while state.settled < flush.pushed || state.flushes_made < flush.number {
            let left = deadline.saturating_sub(began.elapsed());
            if left.is_zero() {
                return false;
            }
            state = self.wait(&self.settled, state, left);
        }
        state.lost == flush.lost && !state.flush_failed
    }

    /// Bytes that wait or are being written.
    pub(crate) fn waiting(&self) -> u64 {
        self.lock().waiting() as u64
    }

    /// Lets the writer end once it has taken what is left.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
        self.settled.notify_all();
    }
}

#[cfg(all(test, not(obs_loom)))]
mod tests {
    use super::*;

    fn buffer(capacity: usize) -> Buffer {
        Buffer::new(capacity, Duration::ZERO)
    }

    #[test]
    fn lines_come_out_whole_and_in_order_and_the_bound_holds() {
        let buffer = buffer(6);
        assert_eq!(buffer.push(b"ab\n"), Pushed::Taken);
        assert_eq!(buffer.push(b"cd\n"), Pushed::Taken);
        assert_eq!(buffer.push(b"e\n"), Pushed::Full);
        let mut bytes = Vec::new();
        assert_eq!(buffer.take(&mut bytes), Task::Lines(2));
        assert_eq!(bytes, b"ab\ncd\n");
        assert_eq!(buffer.push(b"e\n"), Pushed::Full, "what is being written still counts");
        buffer.written(4, 1);
        assert_eq!(buffer.push(b"e\n"), Pushed::Taken, "room again");
        buffer.written(2, 1);
        buffer.close();
        assert_eq!(buffer.push(b"f\n"), Pushed::Full, "closed");
        bytes.clear();
        assert_eq!(buffer.take(&mut bytes), Task::Lines(1));
        assert_eq!(buffer.take(&mut bytes), Task::Closed);
    }

    #[test]
    fn a_parked_writer_is_woken_by_a_line() {
        let buffer = buffer(100);
        std::thread::scope(|scope| {
            let taken = scope.spawn(|| {
                let mut bytes = Vec::new();
                loop {
                    match buffer.take(&mut bytes) {
                        Task::Tick => {}
                        task => return (task, bytes),
                    }
                }
            });
            while !buffer.lock().parked {
                std::thread::yield_now();
            }
            assert_eq!(buffer.push(b"x\n"), Pushed::Taken);
            assert_eq!(taken.join().expect("no panic"), (Task::Lines(1), b"x\n".to_vec()));
        });
    }

    #[test]
    fn a_push_waits_for_room_as_long_as_it_may() {
        let buffer = Buffer::new(3, Duration::from_secs(60));
        assert_eq!(buffer.push(b"ab\n"), Pushed::Taken);
        assert_eq!(buffer.push(b"too long\n"), Pushed::Full, "for what can never fit nobody waits");
        std::thread::scope(|scope| {
            let pushed = scope.spawn(|| buffer.push(b"cd\n"));
            let mut bytes = Vec::new();
            assert_eq!(buffer.take(&mut bytes), Task::Lines(1));
            buffer.written(3, 1);
            assert_eq!(pushed.join().expect("no panic"), Pushed::Taken);
        });
        let impatient = Buffer::new(3, Duration::from_millis(1));
        assert_eq!(impatient.push(b"ab\n"), Pushed::Taken);
        assert_eq!(impatient.push(b"cd\n"), Pushed::Full);
    }

    #[test]
    fn what_finds_no_room_while_the_sink_fails_is_the_sinks_fault() {
        let buffer = buffer(3);
        assert_eq!(buffer.push(b"ab\n"), Pushed::Taken);
        assert!(buffer.failed(Duration::ZERO), "worth another try");
        assert_eq!(buffer.push(b"cd\n"), Pushed::Failing);
        let asked = buffer.ask_to_flush();
        assert!(buffer.failed(Duration::from_secs(3_600)), "at once, because somebody waits");
        assert!(!buffer.wait_for(&asked, Duration::ZERO));
        buffer.close();
        assert!(!buffer.failed(Duration::from_secs(3_600)), "not after the end");
    }
}

/// Two requests, the writer and a flush under the memory model, in every order of up to three preemptions. Time is left out: a
/// wait may be over at once, so what a lost wake-up would delay is not modelled.
/// `RUSTFLAGS="--cfg obs_loom" cargo test -p obs-core --lib --release loom`
#[cfg(all(test, obs_loom))]
mod loom_tests {
    use loom::{
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
        thread,
    };

    use super::*;

    /// Each line is written once and whole, or refused; a flush returns only when what was pushed before it is written.
    #[test]
    fn loom_lines_are_written_once_or_refused() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            // Room for two of the three lines as long as none is written.
            let buffer = Arc::new(Buffer::new(4, Duration::ZERO));
            let flushed = Arc::new(AtomicU64::new(0));
            let writer = {
                let (buffer, flushed) = (Arc::clone(&buffer), Arc::clone(&flushed));
                thread::spawn(move || {
                    let (mut all, mut batch) = (Vec::new(), Vec::new());
                    loop {
                        match buffer.take(&mut batch) {
                            Task::Lines(lines) => {
                                assert_eq!(batch.len() as u64, lines * 2, "whole lines");
                                all.extend_from_slice(&batch);
                                flushed.fetch_add(lines, Ordering::SeqCst);
                                buffer.written(batch.len(), lines);
                                batch.clear();
                            }
                            Task::Flush(number) => buffer.flushed(number, true),
                            Task::Tick => {}
                            Task::Closed => return all,
                        }
                    }
                })
            };
            let other = {
                let buffer = Arc::clone(&buffer);
                thread::spawn(move || u64::from(buffer.push(b"b\n") == Pushed::Taken))
            };
            let mut taken = u64::from(buffer.push(b"a\n") == Pushed::Taken);
            taken += u64::from(buffer.push(b"a\n") == Pushed::Taken);
            let flush = buffer.ask_to_flush();
            assert!(buffer.wait_for(&flush, Duration::MAX));
            assert!(flushed.load(Ordering::SeqCst) >= taken, "what was pushed before is written");
            taken += other.join().expect("no panic");
            assert!(taken >= 2, "there was room for two");
            buffer.close();
            let all = writer.join().expect("no panic");
            assert_eq!(all.len() as u64, taken * 2, "what was taken is written once");
        });
    }
}
