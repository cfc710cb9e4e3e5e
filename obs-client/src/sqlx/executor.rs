//! An executor whose queries are observed.

use std::sync::Arc;

use futures_core::{future::BoxFuture, stream::BoxStream};
use sqlx::{Database, Describe, Error, Execute, Executor};

use super::{
    query::RunningQuery,
    rows::{ObservedRow, ObservedRows, Step},
    target::Target,
};

/// A connection or a transaction whose queries are observed:
/// [`ObservedPool::on`](super::ObservedPool::on).
#[derive(Debug)]
pub struct ObservedExecutor<E> {
    pub(super) executor: E,
    pub(super) target: Arc<Target>,
}

impl<'c, X> Executor<'c> for ObservedExecutor<X>
where
    X: Executor<'c>,
{
    type Database = X::Database;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Step<Self::Database>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Self::Database>,
    {
        let running = RunningQuery::start::<Self::Database>(&self.target, query.sql());
        Box::pin(ObservedRows::<Self::Database>::new(running, || self.executor.fetch_many(query)))
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<<Self::Database as Database>::Row>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Self::Database>,
    {
        let running = RunningQuery::start::<Self::Database>(&self.target, query.sql());
        Box::pin(ObservedRow::<Self::Database>::new(running, || self.executor.fetch_optional(query)))
    }

    fn prepare_with<'e, 'q: 'e>(
        self,
        sql: &'q str,
        parameters: &'e [<Self::Database as Database>::TypeInfo],
    ) -> BoxFuture<'e, Result<<Self::Database as Database>::Statement<'q>, Error>>
    where
        'c: 'e,
    {
        self.executor.prepare_with(sql, parameters)
    }

    fn describe<'e, 'q: 'e>(self, sql: &'q str) -> BoxFuture<'e, Result<Describe<Self::Database>, Error>>
    where
        'c: 'e,
    {
        self.executor.describe(sql)
    }
}
