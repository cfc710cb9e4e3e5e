//! Times as they are counted here.

use std::{
    cell::Cell,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How long after 1970 a time is.
pub(crate) fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A moment by both clocks: the one that only goes on, and the system's.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) instant: Instant,
    pub(crate) since_1970: Duration,
}

/// For so long what the system's clock says follows from the other one. It may be set meanwhile, or corrected: by a thousandth at most.
const ANCHORED: Duration = Duration::from_millis(10);

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
            anchor.set(Some(now));
            now
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_are_right_when_one_is_read() {
        let began = Instant::now();
        while began.elapsed() < 3 * ANCHORED {
            let (before, clock) = (Instant::now(), since_1970(SystemTime::now()));
            let now = Moment::now();
            assert!(now.instant >= before && now.instant <= Instant::now());
            // The system's clock may be set while this runs; by more than a second it is not.
            assert!(
                now.since_1970.abs_diff(clock) < Duration::from_secs(1),
                "{:?} {clock:?}",
                now.since_1970
            );
        }
    }
}
