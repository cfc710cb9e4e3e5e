//! The counters of a queue in tests.

use std::sync::Arc;

use super::queue::counts::DeliveryCounts;
use crate::base::counter::Counter;

/// Returns counters at 0 that no page shows.
pub(super) fn counts() -> DeliveryCounts {
    let counter = || Arc::new(Counter::new());
    DeliveryCounts {
        delivered: counter(),
        full: counter(),
        failed: counter(),
        rejected: counter(),
        closed: counter(),
    }
}
