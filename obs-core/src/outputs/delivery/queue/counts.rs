//! The counters of entries: delivered, or lost for one of several reasons.

use std::sync::Arc;

use crate::base::counter::Counter;

/// The counters of an output.
pub(crate) struct DeliveryCounts {
    pub(crate) delivered: Arc<Counter>,
    /// Entries without room, because they came faster than the destination accepted them.
    pub(crate) full: Arc<Counter>,
    /// Entries that were dropped because the destination failed: after the last attempt, or because
    /// the queue was full meanwhile.
    pub(crate) failed: Arc<Counter>,
    /// Entries that the destination rejected.
    pub(crate) rejected: Arc<Counter>,
    /// Entries that came after the shutdown.
    pub(crate) closed: Arc<Counter>,
}

impl DeliveryCounts {
    /// Returns the numbers of delivered entries and of entries that were lost for any reason.
    pub(crate) fn delivered_and_lost(&self) -> (u64, u64) {
        let lost = [&self.full, &self.failed, &self.rejected, &self.closed];
        (self.delivered.get(), lost.iter().map(|counter| counter.get()).sum())
    }
}

/// The result of a batch or a part of it: delivered and lost entries.
#[derive(Default)]
pub(crate) struct Settled {
    /// The bytes for which they counted.
    pub(crate) bytes: usize,
    pub(crate) delivered: u64,
    pub(crate) rejected: u64,
    pub(crate) failed: u64,
}
