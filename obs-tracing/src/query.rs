//! The event that sqlx emits at the end of each query.
//!
//! Its target is `sqlx::query`. It has no wrapper and no setting: sqlx 0.8 and 0.9 emit it if a
//! subscriber wants it.

use std::{fmt, time::Duration};

use tracing::{
    Metadata,
    field::{Field, Visit},
};

/// The target of the event.
const TARGET: &str = "sqlx::query";

/// Returns true for the call sites of the event. One of them only asks if a subscriber wants it.
pub(crate) fn is_query(metadata: &Metadata<'_>) -> bool {
    metadata.target() == TARGET && !metadata.is_span()
}

/// The target of the spans around queries that a client of `obs-client` observes itself.
const SPAN_TARGET: &str = "obs::query";

/// Returns true for the span around a query that is observed already.
pub(crate) fn is_query_span(metadata: &Metadata<'_>) -> bool {
    metadata.target() == SPAN_TARGET && metadata.is_span()
}

/// Returns true for the span of a request: see `Logs::tracing_span`. It carries the request to the
/// threads of SQLite, whatever the levels of lines are.
pub(crate) fn is_request_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target() == "obs" && metadata.name() == "request"
}

/// The fields of the event.
#[derive(Debug, Default)]
pub(crate) struct SqlxQuery {
    /// The first words of the query, or all of it.
    summary: String,
    /// The query. It is empty if the summary has all of it.
    statement: String,
    rows_returned: u64,
    rows_affected: u64,
    elapsed: f64,
}

impl SqlxQuery {
    /// The query.
    pub(crate) fn text(&self) -> &str {
        if self.statement.is_empty() { &self.summary } else { &self.statement }
    }

    /// The number of rows that the query returned. If it only changes rows, it is their number.
    pub(crate) fn rows(&self) -> u64 {
        let word = self.text().split_whitespace().next().unwrap_or_default();
        // SQLite also says for other statements how many rows the last change has changed.
        let changes = ["insert", "update", "delete", "replace", "merge", "copy"];
        if self.rows_returned == 0 && changes.iter().any(|change| word.eq_ignore_ascii_case(change)) {
            self.rows_affected
        } else {
            self.rows_returned
        }
    }

    /// The name of the database, if it is known.
    pub(crate) fn system(thread: Option<&str>) -> &'static str {
        // The queries of SQLite run on threads of sqlx.
        if thread.is_some_and(|name| name.starts_with("sqlx-sqlite-worker")) { "sqlite" } else { "other_sql" }
    }

    /// The time from the start of the query until its last row was read.
    pub(crate) fn elapsed(&self) -> Duration {
        Duration::try_from_secs_f64(self.elapsed).unwrap_or_default()
    }
}

impl Visit for SqlxQuery {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => value.clone_into(&mut self.summary),
            "db.statement" => value.clone_into(&mut self.statement),
            _ => {}
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "rows_returned" => self.rows_returned = value,
            "rows_affected" => self.rows_affected = value,
            _ => {}
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "elapsed_secs" {
            self.elapsed = value;
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
