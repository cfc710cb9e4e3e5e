//! Times as they are counted here.

use std::{
    cell::Cell,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How long after 1970 a time is.
pub(crate) fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A duration in whole milliseconds.
pub(crate) fn millis(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1_000).saturating_add(u64::from(time.subsec_millis()))
}

/// A duration in nanoseconds.
pub(crate) fn nanos(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(time.subsec_nanos()))
}

/// A moment by both clocks: the one that only goes on, and the system's.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) instant: Instant,
    pub(crate) since_1970: Duration,
}

/// For so long what the system's clock says follows from the other one. It may be corrected meanwhile, by a thousandth at most; that it was
/// set, or that the machine was suspended, shows only then.
const ANCHORED: Duration = Duration::from_millis(10);

/// Clocks that were read further apart than this, because the thread was interrupted, are not used again.
const TOGETHER: Duration = Duration::from_micros(20);

impl Moment {
    /// Reads one clock: where requests come often, that is most of what their start has to ask the system for.
    pub(crate) fn now() -> Self {
        thread_local! {
            /// When both were read.
            static ANCHOR: Cell<Option<Moment>> = const { Cell::new(None) };
        }
        let instant = Instant::now();
        ANCHOR.with(|anchor| {
            if let Some(read) = anchor.get() {
                let later = instant.saturating_duration_since(read.instant);
                if later < ANCHORED {
                    return Self { instant, since_1970: read.since_1970.saturating_add(later) };
                }
            }
            let now = Self { instant, since_1970: since_1970(SystemTime::now()) };
            anchor.set(Some(now).filter(|_| instant.elapsed() < TOGETHER));
            now
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_are_right_when_one_is_read() {
        const SLACK: Duration = Duration::from_micros(100);
        let system = || since_1970(SystemTime::now());
        // The thread may be interrupted, and the system's clock be set, but not all the time.
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
