//! Pools of connections to databases: their state, and the waits for a connection.

use std::{fmt, sync::Arc, time::Duration};

/// The numbers of a pool of connections at one moment: see
/// [`Observer::connection_pool`](crate::Observer::connection_pool).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolState {
    /// The connections that nobody uses.
    pub idle: u64,
    /// The connections in use.
    pub used: u64,
    /// The maximum number of connections; `None` if it is unknown.
    pub max: Option<u64>,
    /// The callers that wait for a connection; `None` if it is unknown.
    pub pending: Option<u64>,
}

/// Reads the state of a pool. `None` for a pool that is closed.
pub(crate) type ReadPool = Box<dyn Fn() -> Option<PoolState> + Send>;

/// Counts the waits for a connection of one pool: see
/// [`Observer::connection_pool`](crate::Observer::connection_pool).
#[derive(Clone, Default)]
pub struct PoolWaits(Option<Arc<dyn CountWaits>>);

/// The counters of a pool's waits.
pub(crate) trait CountWaits: Send + Sync {
    fn waited(&self, duration: Duration);

    fn timed_out(&self);
}

impl PoolWaits {
    #[cfg(feature = "metrics")]
    pub(crate) const fn new(counters: Arc<dyn CountWaits>) -> Self {
        Self(Some(counters))
    }

    /// Counts a caller that got a connection after this time.
    pub fn waited(&self, duration: Duration) {
        if let Some(counters) = &self.0 {
            counters.waited(duration);
        }
    }

    /// Counts a caller that got no connection in time.
    pub fn timed_out(&self) {
        if let Some(counters) = &self.0 {
            counters.timed_out();
        }
    }
}

impl fmt::Debug for PoolWaits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolWaits").finish_non_exhaustive()
    }
}
