//! Times as they are counted here.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long after 1970 a time is.
pub(crate) fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}
