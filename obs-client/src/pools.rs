//! Pools of other crates, in the metrics of connections.

use obs_core::{Observer, adapter::PoolState};

/// Pools of deadpool and bb8 for an observer.
pub trait PoolsExt {
    /// Shows a pool of deadpool in the metrics `db_client_connection_count`, `_max` and
    /// `_pending_requests`, until it is closed.
    #[cfg(feature = "deadpool")]
    fn deadpool_pool<M, W>(&self, name: impl Into<String>, pool: &deadpool::managed::Pool<M, W>)
    where
        M: deadpool::managed::Manager + Sync + 'static,
        M::Type: Send,
        W: From<deadpool::managed::Object<M>> + Send + Sync + 'static;

    /// Shows a pool of bb8 in the metrics `db_client_connection_count` and `_max`. bb8 does not say
    /// how many callers wait.
    #[cfg(feature = "bb8")]
    fn bb8_pool<M: bb8::ManageConnection>(&self, name: impl Into<String>, pool: &bb8::Pool<M>);
}

impl PoolsExt for Observer {
    #[cfg(feature = "deadpool")]
    fn deadpool_pool<M, W>(&self, name: impl Into<String>, pool: &deadpool::managed::Pool<M, W>)
    where
        M: deadpool::managed::Manager + Sync + 'static,
        M::Type: Send,
        W: From<deadpool::managed::Object<M>> + Send + Sync + 'static,
    {
        let pool = pool.clone();
        self.connection_pool(name, move || {
            let status = pool.status();
            (!pool.is_closed()).then(|| PoolState {
                idle: status.available as u64,
                used: status.size.saturating_sub(status.available) as u64,
                max: Some(status.max_size as u64),
                pending: Some(status.waiting as u64),
            })
        });
    }

    #[cfg(feature = "bb8")]
    fn bb8_pool<M: bb8::ManageConnection>(&self, name: impl Into<String>, pool: &bb8::Pool<M>) {
        let pool = pool.clone();
        self.connection_pool(name, move || {
            let state = pool.state();
            Some(PoolState {
                idle: u64::from(state.idle_connections),
                used: u64::from(state.connections.saturating_sub(state.idle_connections)),
                max: Some(u64::from(pool.config().max_size)),
                pending: None,
            })
        });
    }
}
