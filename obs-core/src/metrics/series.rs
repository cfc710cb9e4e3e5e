//! The time series of finished requests, one per method, route and status.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use super::{Counter, sharded::Histogram, text::Text};
use crate::{Method, RequestRecord, Route, diagnostics, read_mostly::ReadMostly, route::RouteTable, text};

/// How many label sets a family has at most. What comes after them is counted in one overflow series.
const MAX_SERIES: usize = 2_000;

/// The value of every label of an overflow series.
const OVERFLOW: &str = "overflow";

/// Nanoseconds of .005 .01 .025 .05 .1 .25 .5 1 2.5 5 10 seconds.
const DURATION: [u64; 11] = [
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Nanoseconds of 1 5 30 60 300 1800 7200 seconds.
const STREAM: [u64; 7] = [
    1_000_000_000,
    5_000_000_000,
    30_000_000_000,
    60_000_000_000,
    300_000_000_000,
    1_800_000_000_000,
    7_200_000_000_000,
];

#[derive(Clone, PartialEq, Eq, Hash)]
struct RequestKey {
    method: Method,
    status: u16,
    route: u32,
}

/// Method, endpoint and the third label of a family.
type Labels = (&'static str, Box<str>, &'static str);

/// Durations of one label set. Requests are counted by the histograms, so no request is in one family
/// and missing in the other.
struct RequestSeries {
    labels: Labels,
    duration: Histogram,
    stream: OnceLock<Histogram>,
}

struct ErrorSeries {
    labels: Labels,
    count: Counter,
}

pub(super) struct Series {
    shards: usize,
    requests: ReadMostly<RequestKey, Arc<RequestSeries>>,
    requests_overflow: OnceLock<Arc<RequestSeries>>,
    errors: ReadMostly<(Method, u32, &'static str), Arc<ErrorSeries>>,
    errors_overflow: OnceLock<Arc<ErrorSeries>>,
    overflowed: Arc<Counter>,
    warned: AtomicBool,
}

impl Series {
    pub(super) fn new(shards: usize, overflowed: Arc<Counter>) -> Self {
        Self {
            shards,
            requests: ReadMostly::new(),
            requests_overflow: OnceLock::new(),
            errors: ReadMostly::new(),
            errors_overflow: OnceLock::new(),
            overflowed,
            warned: AtomicBool::new(false),
        }
    }

    pub(super) fn record(&self, record: &RequestRecord) {
        let nanos = u64::try_from(record.duration.as_nanos()).unwrap_or(u64::MAX);
        let series = self.of_request(record);
        if record.stream {
            let stream = || Histogram::new(&STREAM, self.shards);
            series.stream.get_or_init(stream).observe(nanos);
        } else {
            series.duration.observe(nanos);
        }
        if let Some(error_type) = record.error_type() {
            self.of_error(record, error_type).count.add(1);
        }
    }

    fn of_request(&self, record: &RequestRecord) -> Arc<RequestSeries> {
        let method = record.request().method;
        let key = RequestKey { method, status: record.status_label(), route: route_id(record) };
        if let Some(series) = self.requests.get(&key) {
            return series;
        }
        let new = |labels| {
            let duration = Histogram::new(&DURATION, self.shards);
            Arc::new(RequestSeries { labels, duration, stream: OnceLock::new() })
        };
        let labels = || (method.as_str(), record.route_label().into(), text::status(record.status_label()));
        self.requests.get_or_insert(key, MAX_SERIES, |_| new(labels())).unwrap_or_else(|| {
            self.overflow("http_requests_total");
            Arc::clone(self.requests_overflow.get_or_init(|| new(overflow_labels())))
        })
    }

    fn of_error(&self, record: &RequestRecord, error_type: &'static str) -> Arc<ErrorSeries> {
        let method = record.request().method;
        let key = (method, route_id(record), error_type);
        if let Some(series) = self.errors.get(&key) {
            return series;
        }
        let new = |labels| Arc::new(ErrorSeries { labels, count: Counter::new() });
        let labels = || (method.as_str(), record.route_label().into(), error_type);
        self.errors.get_or_insert(key, MAX_SERIES, |_| new(labels())).unwrap_or_else(|| {
            self.overflow("http_request_errors_total");
            Arc::clone(self.errors_overflow.get_or_init(|| new(overflow_labels())))
        })
    }

    fn overflow(&self, family: &'static str) {
        self.overflowed.add(1);
        if !self.warned.swap(true, Ordering::Relaxed) {
            diagnostics::warn(format_args!(
                "`{family}` has more than {MAX_SERIES} label sets; further ones are counted in its `{OVERFLOW}` series"
            ));
        }
    }

    pub(super) fn has_method(&self, method: Method) -> bool {
        self.requests.entries().iter().any(|(key, _)| key.method == method)
    }

    pub(super) fn write(&self, out: &mut Text) {
        let mut requests: Vec<_> = self.requests.entries().into_iter().map(|(_, s)| s).collect();
        requests.sort_by(|a, b| by_endpoint(&a.labels, &b.labels));
        requests.extend(self.requests_overflow.get().cloned());
        // One snapshot serves both families: they agree within a scrape.
        let requests: Vec<_> = requests
            .iter()
            .map(|series| {
                let stream = series.stream.get().map(Histogram::snapshot);
                (series, series.duration.snapshot(), stream)
            })
            .collect();

        out.family("http_requests_total", "counter", "Requests that have ended.");
        for (series, duration, stream) in &requests {
            let streams = stream.as_ref().map_or(0, super::sharded::Snapshot::count);
            let total = duration.count().saturating_add(streams);
            out.sample("http_requests_total", &labels(&series.labels, "status"), total);
        }

        let name = "http_request_duration_seconds";
        out.family(name, "histogram", "Time from a request's head to its response's last byte.");
        for (series, duration, _) in requests.iter().filter(|(_, d, _)| d.count() > 0) {
            out.histogram(name, &labels(&series.labels, "status"), &DURATION, duration);
        }

        let name = "http_stream_duration_seconds";
        out.family(name, "histogram", "Time that long-lived streams lasted; they are not in the latency.");
        for (series, stream) in requests.iter().filter_map(|(s, _, h)| Some((s, h.as_ref()?))) {
            out.histogram(name, &labels(&series.labels, "status"), &STREAM, stream);
        }

        let mut errors: Vec<_> = self.errors.entries().into_iter().map(|(_, s)| s).collect();
        errors.sort_by(|a, b| by_endpoint(&a.labels, &b.labels));
        errors.extend(self.errors_overflow.get().cloned());
        let name = "http_request_errors_total";
        out.family(name, "counter", "Requests that failed, by the kind of failure.");
        for series in errors {
            out.sample(name, &labels(&series.labels, "error_type"), series.count.get());
        }
    }
}

fn route_id(record: &RequestRecord) -> u32 {
    record.route.as_ref().map_or(RouteTable::UNMATCHED, Route::id)
}

fn overflow_labels() -> Labels {
    (OVERFLOW, OVERFLOW.into(), OVERFLOW)
}

fn by_endpoint(a: &Labels, b: &Labels) -> std::cmp::Ordering {
    (&a.1, a.0, a.2).cmp(&(&b.1, b.0, b.2))
}

fn labels<'a>(labels: &'a Labels, third: &'a str) -> [(&'a str, &'a str); 3] {
    [("method", labels.0), ("endpoint", &labels.1), (third, labels.2)]
}

#[cfg(all(test, not(obs_loom)))]
mod tests {
    use crate::{Observer, Outcome, RequestHead};

    #[test]
    fn the_number_of_series_is_bounded() {
        let observer = Observer::builder("test").no_environment().build().expect("valid");
        for n in 0..2_500 {
            let mut observation = observer.start(RequestHead::new("GET", "/", &()));
            observation.set_route(&format!("/route/{n}"));
            observation.responded(500, &());
            observation.finish(Outcome::Completed);
        }
        let text = observer.metrics_text();
        let count = |prefix| text.lines().filter(|line: &&str| line.starts_with(prefix)).count();
        assert_eq!(count("http_requests_total{"), 2_001);
        assert_eq!(count("http_request_errors_total{"), 2_001);
        let overflow = r#"http_requests_total{method="overflow",endpoint="overflow",status="overflow"} 500"#;
        assert!(text.contains(overflow));
        assert!(text.contains("obs_series_overflow_total 1000"));
    }
}
