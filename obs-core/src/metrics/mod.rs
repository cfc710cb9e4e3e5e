//! Metrics of the finished records: the Prometheus scheme, on sharded atomics.
//!
//! | family | type | labels |
//! |---|---|---|
//! | `http_requests_total` | counter | `method`, `endpoint`, `status` |
//! | `http_request_duration_seconds` | histogram, head to last body byte | `method`, `endpoint`, `status` |
//! | `http_stream_duration_seconds` | histogram, streams only | `method`, `endpoint`, `status` |
//! | `http_requests_in_flight` | gauge | `method` |
//! | `http_request_errors_total` | counter | `method`, `endpoint`, `error_type` |

mod own;
mod series;
mod sharded;
pub(crate) mod text;

pub(crate) use own::Own;
use series::Series;
use sharded::Sharded;

use crate::{
    Method, RecordSink, RequestRecord, RequestStart,
    sync::{AtomicU64, Ordering},
};

/// A number that rarely grows, so it needs no shards.
#[derive(Debug)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All metrics of one observer.
pub(crate) struct Metrics {
    series: Series,
    /// One number per method.
    in_flight: Sharded,
    own: Own,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let own = Own::default();
        let shards = sharded::default_shards();
        let overflowed = own.counter(
            "obs_series_overflow_total",
            "Requests counted in an overflow series because their family is full.",
            None,
        );
        Self {
            series: Series::new(shards, overflowed),
            in_flight: Sharded::new(Method::ALL.len(), shards),
            own,
        }
    }

    /// Counters about ourselves.
    pub(crate) const fn own(&self) -> &Own {
        &self.own
    }

    /// Requests that have started and not ended.
    pub(crate) fn in_flight(&self) -> u64 {
        let all = Method::ALL.iter();
        all.map(|method| self.in_flight.level(method.index())).sum()
    }

    /// Everything in the text format 0.0.4.
    pub(crate) fn text(&self) -> Vec<u8> {
        let mut out = text::Text::new();
        self.series.write(&mut out);
        out.family("http_requests_in_flight", "gauge", "Requests that have started and not ended.");
        for method in Method::ALL {
            let running = self.in_flight.level(method.index());
            // A method that was never used would only be noise.
            if running > 0 || self.series.has_method(method) {
                out.sample("http_requests_in_flight", &[("method", method.as_str())], running);
            }
        }
        self.own.write(&mut out);
        out.finish()
    }
}

impl RecordSink for Metrics {
    fn name(&self) -> &'static str {
        "metrics"
    }

    fn on_start(&self, request: &RequestStart) {
        self.in_flight.add(request.method.index(), 1);
    }

    fn on_finish(&self, record: &RequestRecord) {
        self.in_flight.add(record.request().method.index(), 1_u64.wrapping_neg());
        self.series.record(record);
    }
}
