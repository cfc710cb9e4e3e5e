//! The state of a pool of connections to a database.

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
