//! A running query.

use obs_core::adapter::CallObservation;
use sqlx::{Database, Error};
use tracing::{Span, debug_span};

use super::{failure::report, target::Target};

/// The call of a query, while it runs.
#[derive(Debug)]
pub(super) struct RunningQuery {
    call: CallObservation,
    /// Tells the layer of `obs-tracing` on a thread of SQLite that the query is observed already.
    span: Span,
    rows: u64,
    changed: Option<u64>,
    /// True if the statement changes rows. SQLite has the number of the last changed rows for other
    /// statements, too.
    changes: bool,
}

impl RunningQuery {
    pub(super) fn start<DB: Database>(target: &Target, query: &str) -> Self {
        let is_sqlite = DB::NAME == "SQLite" || DB::NAME == "Any";
        let span = if is_sqlite { debug_span!(target: "obs::query", "query") } else { Span::none() };
        let word = query.split_whitespace().next().unwrap_or_default();
        let changes = ["insert", "update", "delete", "replace", "merge", "copy", "with"];
        let changes = changes.iter().any(|change| word.eq_ignore_ascii_case(change));
        Self { call: target.start(query), span, rows: 0, changed: None, changes }
    }

    /// Runs a part of the query.
    pub(super) fn enter<T>(&mut self, f: impl FnOnce() -> T) -> T {
        let span = &self.span;
        self.call.enter(|| span.in_scope(f))
    }

    pub(super) const fn row(&mut self) {
        self.rows = self.rows.saturating_add(1);
    }

    pub(super) const fn has_rows(&self) -> bool {
        self.rows > 0
    }

    /// Notes the result of a statement.
    pub(super) fn result<R: 'static>(&mut self, result: &R) {
        if let Some(changed) = changed_rows(result) {
            self.changed = Some(self.changed.unwrap_or(0).saturating_add(changed));
        }
    }

    /// Ends the query.
    pub(super) fn finish(mut self, error: Option<&Error>) {
        match error {
            Some(error) => report(&mut self.call, error),
            None if self.rows == 0 && self.changes => self.changed.iter().for_each(|n| self.call.rows(*n)),
            None => self.call.rows(self.rows),
        }
        self.call.finish();
    }
}

/// Returns the number of rows that a statement has changed, if the feature of its database is on.
#[allow(unused_variables)]
fn changed_rows<R: 'static>(result: &R) -> Option<u64> {
    #[cfg(any(feature = "sqlx-any", feature = "sqlx-postgres", feature = "sqlx-sqlite"))]
    let result: &dyn std::any::Any = result;
    #[cfg(feature = "sqlx-any")]
    if let Some(result) = result.downcast_ref::<sqlx::any::AnyQueryResult>() {
        return Some(result.rows_affected());
    }
    #[cfg(feature = "sqlx-postgres")]
    if let Some(result) = result.downcast_ref::<sqlx::postgres::PgQueryResult>() {
        return Some(result.rows_affected());
    }
    #[cfg(feature = "sqlx-sqlite")]
    if let Some(result) = result.downcast_ref::<sqlx::sqlite::SqliteQueryResult>() {
        return Some(result.rows_affected());
    }
    None
}
