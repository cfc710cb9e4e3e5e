//! Metrics of the finished records, on sharded atomics, and everything that `/metrics` shows.
//!
//! ```text
//! record ─▶ series ─▶ histogram, exemplar          (the request's thread)
//!              └────▶ family ─▶ page  (a scrape's thread) ─▶ pieces  (whoever sends them)
//! the user's registry ──▲ registry ▼── anybody who gathers it
//! ```
//!
//! A request takes two look-ups, for the route and for the series, in insert-only maps. Each place
//! of these maps is written once, so readers never wait, and they load only cache lines that
//! nobody writes any more. Then each histogram takes two relaxed additions to numbers of which
//! each thread has its own cache lines. Sums are whole nanoseconds or bytes, and counts are the
//! sums of the buckets, so `_count` always equals `+Inf`. `http_requests_total` is read from the
//! same histogram. A loom model checks this (`tests/loom`).
//!
//! The rank and the time of an exemplar are two numbers beside it. So most requests see without a
//! lock that they cannot replace it. A request that can tries a lock, and gives up if it is taken.

pub(crate) mod exemplar;
pub(crate) mod exposition;
pub(crate) mod family;
pub(crate) mod gathered;
pub(crate) mod gatherer;
pub(crate) mod histogram;
pub(crate) mod install;
pub(crate) mod names;
pub(crate) mod own;
#[cfg(feature = "prometheus")]
pub(crate) mod proto;
#[cfg(feature = "prometheus")]
pub(crate) mod registry;
pub(crate) mod scheme;
pub(crate) mod series;
pub(crate) mod settings;
pub(crate) mod sharded;

use super::metrics::settings::Metrics;
use crate::{
    base::{counter::Counter, diagnostics},
    extension::{internal_metrics::InternalMetrics, sink::RecordSink},
    http::{method::Method, protocol::UrlScheme},
    record::{finished::Record, route::Route, start::Start},
};
use std::{sync::Arc, time::SystemTime};

use family::{Family, Kind, Sample};
use scheme::{Facts, Scheme};
use series::Series;
use sharded::Sharded;

/// The sink that counts: all metrics of one observer.
pub(crate) struct MetricSink {
    series: Series,
    /// One number per method and scheme.
    in_flight: Sharded,
    internal: Arc<InternalMetrics>,
    /// Since when they count.
    since: f64,
    /// OpenMetrics shows since when a series counts.
    created: bool,
    /// Families and samples of the user's that could not be shown, and collectors that panicked.
    skipped: Arc<Counter>,
}

impl MetricSink {
    pub(crate) fn new(settings: &Metrics, internal: Arc<InternalMetrics>) -> Self {
        let shards = sharded::default_shards();
        let overflowed = internal.counter(
            "obs_series_overflow_total",
            "Observations that an overflow series has because the family is full.",
            &[],
        );
        let skipped = internal.counter(
            "obs_metrics_left_out_total",
            "Metrics of the registry that could not be shown, once for each page, and collectors that panicked.",
            &[],
        );
        let scheme = Scheme::new(settings);
        Self {
            series: Series::new(scheme, settings.series_limit, settings.exemplars, shards, overflowed),
            in_flight: Sharded::new(in_flight_slot(Method::ALL.len(), UrlScheme::Http), shards),
            internal,
            since: own::seconds_since_1970(SystemTime::now()),
            created: settings.created,
            skipped,
        }
    }

    /// Counts something that the page cannot show, and warns of the first.
    fn skipped(&self, what: &str) {
        if self.skipped.get() == 0 {
            diagnostics::warn(format_args!("{what}; it is counted in `obs_metrics_left_out_total`"));
        }
        self.skipped.add(1);
    }

    /// Requests that have started and not ended.
    pub(crate) fn in_flight(&self) -> u64 {
        let slots = 0..in_flight_slot(Method::ALL.len(), UrlScheme::Http);
        slots.map(|slot| self.in_flight.level(slot)).sum()
    }

    /// Makes the series of a route whose requests are still to come.
    pub(crate) fn declare(&self, method: Method, route: &Route) {
        if !route.excluded().metrics {
            self.series.declare(Facts::expected(method, route));
        }
    }

    /// Everything of ours as it is now; families without samples, too.
    fn families(&self) -> Vec<Family> {
        let mut families = Vec::new();
        gathered::families(&self.series, &mut families);
        families.push(self.in_flight_family());
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
                // What was never used would only be noise.
                let used = url_scheme == UrlScheme::Http && methods.contains(&method);
                if running == 0 && !used {
                    continue;
                }
                let labels = scheme.in_flight_labels(method, url_scheme);
                // Without labels that tell them apart, they are one.
                match family.samples.iter_mut().find(|sample| sample.labels == labels) {
                    Some(sample) => sample.add(running),
                    None => family.samples.push(Sample::gauge(labels, running)),
                }
            }
        }
        if family.samples.is_empty() && scheme.in_flight_labels(Method::Get, UrlScheme::Http).is_empty() {
            family.samples.push(Sample::gauge(family::LabelSet::default(), 0));
        }
        family
    }
}

/// The place of a method, by its index, and a scheme.
fn in_flight_slot(method: usize, scheme: UrlScheme) -> usize {
    method.saturating_mul(UrlScheme::ALL.len()).saturating_add(scheme as usize)
}

impl RecordSink for MetricSink {
    fn name(&self) -> &str {
        "metrics"
    }

    fn on_start(&self, start: &Start) {
        if let Some(request) = start.request() {
            self.in_flight.add(in_flight_slot(request.method.index(), request.scheme), 1);
        }
    }

    fn on_finish(&self, record: &Record) {
        let Some(request) = record.request() else { return };
        if !record.excluded.metrics {
            self.series.record(record, &request);
        }
        // At last: a request that is not in flight any more has been counted.
        let slot = in_flight_slot(request.start.method.index(), request.start.scheme);
        self.in_flight.add(slot, 1_u64.wrapping_neg());
    }
}
