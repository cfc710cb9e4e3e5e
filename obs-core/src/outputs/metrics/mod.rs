//! Metrics of the finished records, on sharded atomics, and everything that `/metrics` shows.
//!
//! ```text
//! record ─▶ series ─▶ histogram, exemplar          (the request's thread)
//!              └────▶ family ─▶ page  (a scrape's thread) ─▶ pieces  (the thread that sends them)
//! the user's registry ──▲ registry ▼── other code that gathers it
//! ```
//!
//! A request needs two look-ups in insert-only maps: one for the route, and one for the series.
//! Each slot of these maps is written once, so readers load only cache lines that are no longer
//! written. When idle series are removed, the map of the series is replaced by a new one. So a
//! thread holds a lock while it reads this map. Each shard of threads has its own lock, in a cache
//! line of its own. Then each histogram needs two relaxed additions. Each thread adds to the cache
//! lines of its shard.
//!
//! Sums are whole nanoseconds or bytes. Counts are the sums of the buckets, so `_count` always
//! equals `+Inf`. `http_requests_total` is the sum of two counts: those of the histograms of
//! durations and of streams. A loom model (`tests/loom`) checks that histograms lose no
//! observation.
//!
//! The rank of an exemplar depends on three facts, in this order: whether the request failed,
//! whether its trace is recorded, and its duration. The rank and the time can be read without a
//! lock. So most requests find out without a lock that they cannot replace the exemplar. A request
//! that can replace it tries to take a lock, and gives up if the lock is held.

pub(crate) mod calls;
pub(crate) mod custom_labels;
pub(crate) mod exemplar;
pub(crate) mod exposition;
pub(crate) mod family;
#[cfg(feature = "tokio")]
pub(crate) mod flights;
pub(crate) mod gathered;
pub(crate) mod gatherer;
pub(crate) mod histogram;
pub(crate) mod install;
pub(crate) mod late;
pub(crate) mod limited;
pub(crate) mod names;
pub(crate) mod own;
pub(crate) mod pools;
#[cfg(feature = "prometheus")]
pub(crate) mod proto;
#[cfg(feature = "prometheus")]
pub(crate) mod registered;
#[cfg(feature = "prometheus")]
pub(crate) mod registry;
pub(crate) mod repeated;
pub(crate) mod request_histograms;
pub(crate) mod scheme;
pub(crate) mod scrape;
pub(crate) mod sending;
pub(crate) mod series;
pub(crate) mod series_key;
pub(crate) mod settings;
pub(crate) mod timers;

use super::metrics::settings::Metrics;
use crate::{
    base::{
        counter::Counter,
        sharded::{Sharded, default_shards},
    },
    extension::{internal_metrics::InternalMetrics, sink::RecordSink},
    http::{method::Method, protocol::UrlScheme},
    record::{finished::Record, route::Route, start::Start},
    redact::diagnostics,
};
use std::{sync::Arc, time::SystemTime};

use calls::CallMetrics;
use family::{Family, Kind, LabelSet, Sample};
use late::Late;
use pools::Pools;
use scheme::Scheme;
use series::Series;
use series_key::LabelFacts;
use timers::Timers;

/// The sink that counts requests: all metrics of one observer.
pub(crate) struct MetricSink {
    series: Series,
    calls: Late,
    timers: Late,
    pools: Late,
    settings: Metrics,
    shards: usize,
    overflowed: Arc<Counter>,
    /// Requests in flight: one number per method and scheme.
    in_flight: Sharded,
    internal: Arc<InternalMetrics>,
    /// The time since which the metrics count, in seconds since 1970.
    since: f64,
    /// True if OpenMetrics shows the time since which a series counts.
    created: bool,
    /// Counts the user's families and samples that could not be shown, and panics of collectors.
    skipped: Arc<Counter>,
}

impl MetricSink {
    pub(crate) fn new(settings: &Metrics, internal: Arc<InternalMetrics>) -> Self {
        let shards = default_shards();
        let overflowed = internal.counter(
            "obs_series_overflow_total",
            "Observations in overflow series, because the family has reached its limit.",
            &[],
        );
        let skipped = internal.counter(
            "obs_metrics_left_out_total",
            "Metrics of the registry that could not be shown, once for each page, and panics of collectors.",
            &[],
        );
        let scheme = Scheme::new(settings);
        Self {
            calls: Late::default(),
            timers: Late::default(),
            pools: Late::default(),
            settings: settings.clone(),
            shards,
            overflowed: Arc::clone(&overflowed),
            series: Series::new(scheme, settings.series_limit, settings.exemplars, shards, overflowed),
            in_flight: Sharded::new(in_flight_slot(Method::ALL.len(), UrlScheme::Http), shards),
            internal,
            since: own::seconds_since_1970(SystemTime::now()),
            created: settings.created,
            skipped,
        }
    }

    /// Counts something that the page cannot show. Warns at the first time.
    fn skipped(&self, what: &str) {
        if self.skipped.get() == 0 {
            diagnostics::warn(format_args!("{what}; it is counted in `obs_metrics_left_out_total`"));
        }
        self.skipped.add(1);
    }

    /// Returns the number of requests that have started and not ended.
    pub(crate) fn in_flight(&self) -> u64 {
        let slots = 0..in_flight_slot(Method::ALL.len(), UrlScheme::Http);
        slots.map(|slot| self.in_flight.level(slot)).sum()
    }

    /// Enables the metrics of calls.
    pub(crate) fn enable_calls(&self) {
        self.calls.get_or_init(|| CallMetrics::new(&self.settings, self.shards, &self.overflowed));
    }

    /// The pools of connections.
    pub(crate) fn pools(&self) -> &Pools {
        self.pools.get_or_init(|| Pools::new(self.settings.naming, self.shards))
    }

    /// The timers of the application.
    pub(crate) fn timers(&self) -> &Timers {
        self.timers.get_or_init(|| Timers::new(&self.settings, self.shards, Arc::clone(&self.overflowed)))
    }

    /// Creates the series of a route before its first request.
    pub(crate) fn declare(&self, method: Method, route: &Route) {
        if !route.excluded().metrics {
            self.series.declare(LabelFacts::expected(method, route));
        }
    }

    /// Returns all our families with their current values, including families without samples.
    fn families(&self) -> Vec<Family> {
        let mut families = Vec::new();
        gathered::families(&self.series, &mut families);
        families.push(self.in_flight_family());
        let naming = self.settings.naming;
        self.calls.families(&mut families, |out| calls::families::empty(naming, out));
        self.timers.families(&mut families, |out| out.push(timers::empty()));
        self.pools.families(&mut families, |out| pools::empty(naming, out));
        own::families(&self.internal, self.since, &mut families);
        families
    }

    fn in_flight_family(&self) -> Family {
        let scheme = self.series.scheme();
        let mut family = Scheme::family(scheme.names.in_flight, Kind::Gauge);
        let methods = self.series.methods();
        for method in Method::ALL.iter().copied() {
            for url_scheme in UrlScheme::ALL {
                let running = self.in_flight.level(in_flight_slot(method.index(), url_scheme));
                // Combinations that were never used are skipped.
                let used = url_scheme == UrlScheme::Http && methods.contains(&method);
                if running > 0 || used {
                    add_in_flight(&mut family, scheme.in_flight_labels(method, url_scheme), running);
                }
            }
        }
        if family.samples.is_empty() && scheme.in_flight_labels(Method::Get, UrlScheme::Http).is_empty() {
            family.samples.push(Sample::gauge(LabelSet::default(), 0));
        }
        family
    }
}

/// Adds a number of requests in flight. Samples that the labels do not distinguish are added up.
#[inline(never)]
fn add_in_flight(family: &mut Family, labels: LabelSet, running: u64) {
    match family.samples.iter_mut().find(|sample| sample.labels == labels) {
        Some(sample) => sample.add(running),
        None => family.samples.push(Sample::gauge(labels, running)),
    }
}

/// Returns the slot of a scheme and of a method, which is given by its index.
fn in_flight_slot(method: usize, scheme: UrlScheme) -> usize {
    method.saturating_mul(UrlScheme::ALL.len()).saturating_add(scheme as usize)
}

impl MetricSink {
    /// Counts a call, or the queries that a request repeated.
    #[inline(never)]
    fn record_other(&self, record: &Record) {
        if let Some(calls) = self.calls.get() {
            calls.finish(record);
        }
    }
}

impl RecordSink for MetricSink {
    fn name(&self) -> &str {
        "metrics"
    }

    #[inline]
    fn on_start(&self, start: &Start) {
        if let Some(request) = start.request() {
            self.in_flight.add(in_flight_slot(request.method.index(), request.scheme), 1);
        } else if let Some(calls) = self.calls.get() {
            calls.start(start);
        }
    }

    #[inline]
    fn on_finish(&self, record: &Record) {
        let Some(request) = record.request() else { return self.record_other(record) };
        if !record.excluded.metrics {
            self.series.record(record, &request);
            if record.calls.exist() && !record.calls.repeated().is_empty() {
                self.record_other(record);
            }
        }
        // This comes last, so a request that is no longer in flight is already counted.
        let slot = in_flight_slot(request.start.method.index(), request.start.scheme);
        self.in_flight.add(slot, 1_u64.wrapping_neg());
    }
}
