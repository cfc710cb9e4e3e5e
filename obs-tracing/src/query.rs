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

/// The fields of the event.
#[derive(Debug, Default)]
pub(crate) struct SqlxQuery {
    /// The first words of the query, or all of it.
    summary: String,
    /// The query. It is empty if the summary has all of it.
    statement: String,
    pub(crate) rows_returned: u64,
    pub(crate) rows_affected: u64,
    elapsed: f64,
}

impl SqlxQuery {
    pub(crate) fn text(&self) -> &str {
        if self.statement.is_empty() { &self.summary } else { &self.statement }
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
