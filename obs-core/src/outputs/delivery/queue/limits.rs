//! The limits of a queue and the intervals of its worker.

use std::time::Duration;

/// The limits of a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueBounds {
    /// The limit of waiting entries.
    pub(crate) entries: usize,
    /// The limit of bytes that wait or are being delivered.
    pub(crate) bytes: usize,
    /// The time for which a push waits for room.
    pub(crate) patience: Duration,
}

/// The intervals of a worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// The time for which the worker collects entries.
    pub(crate) delay: Duration,
    /// The limit of entries in one delivery. When as many wait, the worker stops collecting.
    pub(crate) batch: usize,
    /// The idle time after which the worker sleeps until an entry wakes it. Until then it checks
    /// the queue once per `delay`.
    pub(crate) park_after: Duration,
}
