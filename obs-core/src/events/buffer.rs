//! The buffer between requests and the writer: bounded in bytes, swapped as a whole.

use std::{
    mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How often the writer looks while there is traffic: also the longest that a line waits.
const TICK: Duration = Duration::from_millis(20);

/// After this much silence the writer sleeps until the next line wakes it.
const PARK_AFTER: Duration = Duration::from_secs(1);

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
    /// The writer sleeps without a time limit.
    parked: bool,
    /// Somebody waits in `flush`: do not wait for the tick.
    urgent: bool,
    closed: bool,
}

impl State {
    fn waiting(&self) -> usize {
        self.bytes.len().saturating_add(self.taken)
    }
}

/// Requests push lines, the writer takes them all at once.
///
/// A push copies the line under a lock that is otherwise held only to swap two vectors. It wakes the writer only if that
/// is parked: under traffic the writer ticks, and a wake-up per line would cost more than the line.
pub(super) struct Buffer {
    state: Mutex<State>,
    /// Something for the writer.
    wake: Condvar,
    /// Something for `flush`.
    settled: Condvar,
    capacity: usize,
}

/// What the writer has to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Batch {
    /// These lines are in the vector that was passed.
    Lines(u64),
    /// Nothing is left and nothing will come.
    Closed,
}

impl Buffer {
    pub(super) fn new(capacity: usize) -> Self {
        Self { state: Mutex::default(), wake: Condvar::new(), settled: Condvar::new(), capacity }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line; `false` if there is no room for it.
    pub(super) fn push(&self, line: &[u8]) -> bool {
        let mut state = self.lock();
        if state.closed || state.waiting().saturating_add(line.len()) > self.capacity {
            return false;
        }
        state.bytes.extend_from_slice(line);
        state.lines = state.lines.saturating_add(1);
        state.pushed = state.pushed.saturating_add(1);
        let wake = mem::take(&mut state.parked);
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        true
    }

    /// For the writer: waits for lines and swaps them into `empty`.
    pub(super) fn take(&self, empty: &mut Vec<u8>) -> Batch {
        let mut state = self.lock();
        let silent_since = Instant::now();
        // Gather for a tick, unless somebody waits.
        if !state.urgent && !state.closed {
            state = self.wait(state, TICK);
        }
        while state.lines == 0 {
            state.urgent = false;
            if state.closed {
                return Batch::Closed;
            }
            if silent_since.elapsed() < PARK_AFTER {
                state = self.wait(state, TICK);
            } else {
                state.parked = true;
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.parked = false;
            }
        }
        state.urgent = false;
        mem::swap(&mut state.bytes, empty);
        state.taken = empty.len();
        Batch::Lines(mem::take(&mut state.lines))
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        let woken = self.wake.wait_timeout(state, time);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }

    /// For the writer: these lines are written, or lost.
    pub(super) fn settle(&self, lines: u64, written: bool) {
        let mut state = self.lock();
        state.taken = 0;
        state.settled = state.settled.saturating_add(lines);
        if !written {
            state.lost = state.lost.saturating_add(lines);
        }
        drop(state);
        self.settled.notify_all();
    }

    /// Waits until what was pushed before is settled, but no longer than `deadline`; `true` if all of it was
    /// written.
    pub(super) fn flush(&self, deadline: Duration) -> bool {
        let mut state = self.lock();
        let (goal, lost) = (state.pushed, state.lost);
        state.urgent = true;
        self.wake.notify_one();
        let until = Instant::now().checked_add(deadline);
        while state.settled < goal {
            let left = until.map_or(deadline, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            let woken = self.settled.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.lost == lost
    }

    /// Bytes that wait or are being written.
    pub(super) fn waiting(&self) -> u64 {
        self.lock().waiting() as u64
    }

    /// Lets the writer end once it has taken what is left.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_whole_and_in_order_and_the_bound_holds() {
        let buffer = Buffer::new(6);
        assert!(buffer.push(b"ab\n"));
        assert!(buffer.push(b"cd\n"));
        assert!(!buffer.push(b"e\n"), "no room");
        let mut bytes = Vec::new();
        assert_eq!(buffer.take(&mut bytes), Batch::Lines(2));
        assert_eq!(bytes, b"ab\ncd\n");
        assert!(!buffer.push(b"e\n"), "what is being written still counts");
        buffer.settle(2, true);
        assert!(buffer.push(b"e\n"), "room again");
        buffer.close();
        assert!(!buffer.push(b"f\n"), "closed");
        bytes.clear();
        assert_eq!(buffer.take(&mut bytes), Batch::Lines(1));
        assert_eq!(buffer.take(&mut bytes), Batch::Closed);
    }

    #[test]
    fn a_parked_writer_is_woken_by_a_line() {
        let buffer = Buffer::new(100);
        std::thread::scope(|scope| {
            let taken = scope.spawn(|| {
                let mut bytes = Vec::new();
                (buffer.take(&mut bytes), bytes)
            });
            while !buffer.lock().parked {
                std::thread::yield_now();
            }
            assert!(buffer.push(b"x\n"));
            assert_eq!(taken.join().expect("no panic"), (Batch::Lines(1), b"x\n".to_vec()));
        });
    }
}
