//! The queries that requests repeat, by route.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use super::{
    family::{Family, Kind, SampleValue},
    own::seconds_since_1970,
    settings::MetricNaming,
};
use crate::record::{finished::Record, route};

/// The maximum number of routes. Further ones count as `overflow`.
const MAX_ROUTES: usize = 1_000;

/// The value of the label of further routes.
const OVERFLOW: &str = "overflow";

/// Returns the family without samples.
pub(super) fn empty() -> Family {
    let help = "Queries that a request repeated, usually in a loop.";
    Family::new("db_client_repeated_queries_total", help, Kind::Counter)
}

/// The counters of one observer. Few requests repeat queries, so one lock is enough.
pub(super) struct RepeatedQueryMetrics {
    label: &'static str,
    /// The count of each route, and the time since which it counts.
    routes: Mutex<BTreeMap<&'static str, (u64, f64)>>,
}

impl RepeatedQueryMetrics {
    pub(super) const fn new(naming: MetricNaming) -> Self {
        let label = match naming {
            MetricNaming::Prometheus => "endpoint",
            MetricNaming::OpenTelemetry => "http_route",
        };
        Self { label, routes: Mutex::new(BTreeMap::new()) }
    }

    /// Counts the queries of a request that repeated some.
    #[cold]
    #[inline(never)]
    pub(super) fn record(&self, record: &Record) {
        let Some(request) = record.request() else { return };
        let queries = record.calls.repeated().iter().map(|query| u64::from(query.count)).sum::<u64>();
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let route = request.end.route.as_ref().map_or(route::UNMATCHED, |route| route.as_str());
        let has_room = routes.contains_key(route) || routes.len() < MAX_ROUTES;
        let route = if has_room { route } else { OVERFLOW };
        let since = || (0, seconds_since_1970(SystemTime::now()));
        let (count, _) = routes.entry(route).or_insert_with(since);
        *count = count.saturating_add(queries);
    }

    pub(super) fn family(&self) -> Family {
        let mut family = empty();
        for (route, (count, since)) in self.routes.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let labels = [(self.label.into(), (*route).to_owned())].into();
            family.push(labels, SampleValue::Count { value: *count, exemplar: None }, *since);
        }
        family
    }
}
