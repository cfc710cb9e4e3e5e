//! A pool whose queries and waits are observed.

use std::{
    future::poll_fn,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use futures_core::{future::BoxFuture, stream::BoxStream};
use obs_core::{
    Observer,
    adapter::{PoolState, PoolWaits},
};
use sqlx::{Database, Describe, Error, Execute, Executor, Pool, pool::PoolConnection};

use super::{
    executor::ObservedExecutor,
    generated::Generated,
    query::RunningQuery,
    rows::{ObservedRow, ObservedRows, Step},
    target::Target,
};

/// Pools of sqlx for an observer.
pub trait SqlxExt {
    /// Observes the queries of a pool, and shows the pool in the metrics
    /// `db_client_connection_count`, `_max`, `_pending_requests`, `_wait_time_seconds` and
    /// `_timeouts_total`.
    ///
    /// The name is that of the dependency and of the pool. The observer keeps a clone of the pool
    /// until the pool is closed.
    fn sqlx_pool<DB: Database>(&self, name: impl AsRef<str>, pool: Pool<DB>) -> ObservedPool<DB>;
}

impl SqlxExt for Observer {
    fn sqlx_pool<DB: Database>(&self, name: impl AsRef<str>, pool: Pool<DB>) -> ObservedPool<DB> {
        let waiting = Arc::new(AtomicU64::new(0));
        let (read, pending) = (pool.clone(), Arc::clone(&waiting));
        let waits = self.connection_pool(name.as_ref(), move || state(&read, &pending));
        let target = Arc::new(Target::of(self, name.as_ref(), &pool));
        ObservedPool { pool, target, waiting, waits }
    }
}

fn state<DB: Database>(pool: &Pool<DB>, pending: &AtomicU64) -> Option<PoolState> {
    if pool.is_closed() {
        return None;
    }
    let (size, idle) = (u64::from(pool.size()), pool.num_idle() as u64);
    Some(PoolState {
        idle: idle.min(size),
        used: size.saturating_sub(idle),
        max: Some(u64::from(pool.options().get_max_connections())),
        pending: Some(pending.load(Ordering::Relaxed)),
    })
}

/// A pool whose queries and waits are observed: [`SqlxExt::sqlx_pool`].
///
/// `&pool` is an executor. All methods of sqlx's own pool are there, too. A query of a connection
/// that [`on`](Self::on) does not wrap is recorded by the layer of `obs-tracing` only.
#[derive(Debug)]
pub struct ObservedPool<DB: Database> {
    pool: Pool<DB>,
    target: Arc<Target>,
    /// The callers that wait for a connection.
    waiting: Arc<AtomicU64>,
    waits: PoolWaits,
}

impl<DB: Database> Clone for ObservedPool<DB> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            target: Arc::clone(&self.target),
            waiting: Arc::clone(&self.waiting),
            waits: self.waits.clone(),
        }
    }
}

impl<DB: Database> Deref for ObservedPool<DB> {
    type Target = Pool<DB>;

    fn deref(&self) -> &Pool<DB> {
        &self.pool
    }
}

impl<DB: Database> ObservedPool<DB> {
    /// Observes the queries of a connection or a transaction: `pool.on(&mut *transaction)`.
    pub fn on<E>(&self, executor: E) -> ObservedExecutor<E> {
        ObservedExecutor { executor, target: Arc::clone(&self.target) }
    }

    /// Waits for a connection, and counts the wait.
    ///
    /// # Errors
    /// Returns the error of the pool.
    pub async fn acquire(&self) -> Result<PoolConnection<DB>, Error> {
        struct WaitingCaller<'a>(&'a AtomicU64);
        impl Drop for WaitingCaller<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let started = Instant::now();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = WaitingCaller(&self.waiting);
        let result = self.pool.acquire().await;
        drop(waiting);
        match &result {
            Ok(_) => self.waits.waited(started.elapsed()),
            Err(Error::PoolTimedOut) => self.waits.timed_out(),
            Err(_) => {}
        }
        result
    }
}

impl<'p, DB: Database> Executor<'p> for &'p ObservedPool<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    type Database = DB;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Step<DB>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let running = RunningQuery::start::<DB>(&self.target, query.sql());
        let rows = Generated::new(move |items| async move {
            let mut connection = match self.acquire().await {
                Ok(connection) => connection,
                Err(error) => return items.give(Err(error)).await,
            };
            let mut rows = connection.fetch_many(query);
            while let Some(step) = poll_fn(|cx| rows.as_mut().poll_next(cx)).await {
                items.give(step).await;
            }
        });
        Box::pin(ObservedRows::<DB>::new(running, || Box::pin(rows)))
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<DB::Row>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let running = RunningQuery::start::<DB>(&self.target, query.sql());
        let row = async move { self.acquire().await?.fetch_optional(query).await };
        Box::pin(ObservedRow::<DB>::new(running, || Box::pin(row)))
    }

    fn prepare_with<'e, 'q: 'e>(
        self,
        sql: &'q str,
        parameters: &'e [DB::TypeInfo],
    ) -> BoxFuture<'e, Result<DB::Statement<'q>, Error>>
    where
        'p: 'e,
    {
        Box::pin(async move { self.acquire().await?.prepare_with(sql, parameters).await })
    }

    fn describe<'e, 'q: 'e>(self, sql: &'q str) -> BoxFuture<'e, Result<Describe<DB>, Error>>
    where
        'p: 'e,
    {
        Box::pin(async move { self.acquire().await?.describe(sql).await })
    }
}
