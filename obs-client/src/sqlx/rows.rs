//! The stream and the future of a query, with its call.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::{Stream, future::BoxFuture, stream::BoxStream};
use sqlx::{Database, Either, Error};

use super::query::RunningQuery;

/// An item of a query: the result of a statement, or a row.
pub(super) type Step<DB> = Result<Either<<DB as Database>::QueryResult, <DB as Database>::Row>, Error>;

/// The rows of a query. The call ends with them, or when the stream is dropped. An application that
/// drops it after some rows has what it wanted, so the call has not failed.
pub(super) struct ObservedRows<'e, DB: Database> {
    rows: Option<BoxStream<'e, Step<DB>>>,
    query: Option<RunningQuery>,
}

impl<'e, DB: Database> ObservedRows<'e, DB> {
    pub(super) fn new(mut query: RunningQuery, make: impl FnOnce() -> BoxStream<'e, Step<DB>>) -> Self {
        let rows = Some(query.enter(make));
        Self { rows, query: Some(query) }
    }

    fn end(&mut self, error: Option<&Error>) {
        let Some(mut query) = self.query.take() else { return };
        let rows = self.rows.take();
        query.enter(|| drop(rows));
        query.finish(error);
    }
}

impl<DB: Database> Stream for ObservedRows<'_, DB> {
    type Item = Step<DB>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let (Some(rows), Some(query)) = (&mut this.rows, &mut this.query) else { return Poll::Ready(None) };
        let step = ready!(query.enter(|| rows.as_mut().poll_next(cx)));
        match &step {
            Some(Ok(Either::Left(result))) => query.result(result),
            Some(Ok(Either::Right(_))) => query.row(),
            Some(Err(error)) => this.end(Some(error)),
            None => this.end(None),
        }
        Poll::Ready(step)
    }
}

impl<DB: Database> Drop for ObservedRows<'_, DB> {
    fn drop(&mut self) {
        if self.query.as_ref().is_some_and(RunningQuery::has_rows) {
            return self.end(None);
        }
        let rows = self.rows.take();
        if let Some(query) = &mut self.query {
            query.enter(|| drop(rows));
        }
    }
}

/// The first row of a query.
pub(super) struct ObservedRow<'e, DB: Database> {
    row: Option<BoxFuture<'e, Result<Option<DB::Row>, Error>>>,
    query: Option<RunningQuery>,
}

impl<'e, DB: Database> ObservedRow<'e, DB> {
    pub(super) fn new(
        mut query: RunningQuery,
        make: impl FnOnce() -> BoxFuture<'e, Result<Option<DB::Row>, Error>>,
    ) -> Self {
        let row = Some(query.enter(make));
        Self { row, query: Some(query) }
    }
}

impl<DB: Database> Future for ObservedRow<'_, DB> {
    type Output = Result<Option<DB::Row>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let (Some(row), Some(query)) = (&mut this.row, &mut this.query) else {
            unreachable!("a future is not polled after its end")
        };
        let result = ready!(query.enter(|| row.as_mut().poll(cx)));
        let row = this.row.take();
        query.enter(|| drop(row));
        if let Some(mut query) = this.query.take() {
            if matches!(result, Ok(Some(_))) {
                query.row();
            }
            query.finish(result.as_ref().err());
        }
        Poll::Ready(result)
    }
}

impl<DB: Database> Drop for ObservedRow<'_, DB> {
    fn drop(&mut self) {
        let row = self.row.take();
        if let Some(query) = &mut self.query {
            query.enter(|| drop(row));
        }
    }
}
