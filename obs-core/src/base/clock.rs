//! Conversions of times, and the current time on the monotonic clock and the wall clock.

use std::{
    cell::Cell,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Returns the duration from the start of 1970 to `time`, which is zero for an earlier time.
pub(crate) fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Converts a duration to whole milliseconds.
pub(crate) fn millis(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1_000).saturating_add(u64::from(time.subsec_millis()))
}

/// Converts a duration to nanoseconds.
pub(crate) fn nanos(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(time.subsec_nanos()))
}

/// A moment on both clocks: the monotonic clock and the wall clock.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) instant: Instant,
    pub(crate) since_1970: Duration,
}

/// The time for which the wall-clock time is derived from the monotonic clock.
///
/// In this time the system may slew the wall clock by a thousandth at most. A wall clock that was
/// set, or a suspended machine, is noticed only afterwards.
const ANCHORED: Duration = Duration::from_millis(10);

/// The longest time between the readings of the two clocks. Readings that are further apart,
/// because the thread was interrupted, are not reused.
const TOGETHER: Duration = Duration::from_micros(20);

impl Moment {
    /// Returns the current moment.
    ///
    /// It reads only the monotonic clock if both were read within the last [`ANCHORED`]. Clocks are
    /// most of what the start of a request needs from the system.
    #[allow(clippy::inline_always, reason = "every request calls it; work inside of one, too")]
    #[inline(always)]
    pub(crate) fn now() -> Self {
        thread_local! {
            /// The last reading of both clocks.
            static ANCHOR: Cell<Option<Moment>> = const { Cell::new(None) };
        }
        let instant = Instant::now();
        // `try_with` is inlined into other code units, `with` is not.
        let read = ANCHOR.try_with(Cell::get).ok().flatten();
        if let Some(read) = read {
            let later = instant.saturating_duration_since(read.instant);
            if later < ANCHORED {
                return Self { instant, since_1970: read.since_1970.saturating_add(later) };
            }
        }
        let now = Self { instant, since_1970: since_1970(SystemTime::now()) };
        let _ = ANCHOR.try_with(|anchor| anchor.set(Some(now).filter(|_| instant.elapsed() < TOGETHER)));
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_are_right_when_one_is_read() {
        const SLACK: Duration = Duration::from_micros(100);
        let system = || since_1970(SystemTime::now());
        // The thread may be interrupted and the wall clock may be set, but not in every attempt.
        let is_right = || {
            let began = Instant::now();
            let mut right = true;
            while began.elapsed() < 2 * ANCHORED {
                let (before, clock) = (Instant::now(), system());
                let now = Moment::now();
                assert!(now.instant >= before && now.instant <= Instant::now());
                right &= now.since_1970 + SLACK >= clock && now.since_1970 <= system() + SLACK;
            }
            right
        };
        assert!((0..100).any(|_| is_right()));
    }
}
