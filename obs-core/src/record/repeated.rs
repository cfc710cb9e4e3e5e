//! Queries that one request repeats: usually a loop that should be one query.

use std::time::Duration;

use crate::{
    base::read_mostly::ReadMostly,
    record::{dependency::Dependency, finished::Record},
    redact::diagnostics,
};

/// The maximum number of different queries of a request that are counted.
const MAX_QUERIES: usize = 64;

/// The maximum number of routes with a warning of their own.
const MAX_ROUTES: usize = 1_000;

/// A query that a request repeated: see [`Calls::repeated`](crate::output::Calls::repeated).
///
/// ```
/// # fn show(calls: &obs_core::output::Calls) {
/// for query in calls.repeated() {
///     println!("{} ran {} times in {:?}", query.operation, query.count, query.total);
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepeatedQuery {
    /// The database.
    pub dependency: Dependency,
    /// The summary of the query, such as `SELECT items`.
    pub operation: Box<str>,
    /// The number of times.
    pub count: u32,
    /// The sum of their durations.
    pub total: Duration,
}

/// Counts the queries of a request by their summaries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueryCounts(Vec<RepeatedQuery>);

impl QueryCounts {
    pub(crate) fn add(&mut self, dependency: Dependency, operation: &str, duration: Duration) {
        let same =
            |query: &&mut RepeatedQuery| query.dependency == dependency && *query.operation == *operation;
        // A loop repeats the query that came last.
        if let Some(query) = self.0.iter_mut().rev().find(same) {
            query.count = query.count.saturating_add(1);
            query.total = query.total.saturating_add(duration);
        } else if self.0.len() < MAX_QUERIES {
            self.0.push(RepeatedQuery { dependency, operation: operation.into(), count: 1, total: duration });
        }
    }

    /// Keeps the queries that were repeated at least this often.
    pub(crate) fn keep(&mut self, at_least: u32) {
        self.0.retain(|query| at_least > 0 && query.count >= at_least);
    }

    pub(crate) fn all(&self) -> &[RepeatedQuery] {
        &self.0
    }
}

/// The rule about queries that a request repeats.
pub(crate) struct RepeatedQueries {
    pub(crate) at_least: u32,
    /// The routes with a warning.
    warned: ReadMostly<&'static str, ()>,
}

impl RepeatedQueries {
    pub(crate) fn new(at_least: u32) -> Self {
        Self { at_least, warned: ReadMostly::new() }
    }

    /// Warns once for each route of the queries that a request repeated.
    #[cold]
    #[inline(never)]
    pub(crate) fn warn(&self, record: &Record) {
        let Some(request) = record.request() else { return };
        let Some(query) = record.calls.repeated().iter().max_by_key(|query| query.count) else { return };
        let route = request.route_label();
        let mut is_first = false;
        self.warned.get_or_insert(route, MAX_ROUTES, |_| is_first = true);
        if is_first {
            let method = request.start.method.as_str();
            let RepeatedQuery { operation, count, .. } = query;
            diagnostics::warn(format_args!(
                "a request of `{method} {route}` ran the query `{operation}` {count} times: one query for all \
                 rows is faster; `db_client_repeated_queries_total` counts them"
            ));
        }
    }
}
