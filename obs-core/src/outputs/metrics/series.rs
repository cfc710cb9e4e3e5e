//! The time series of finished requests: one per label set.

use std::{
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use super::{
    exemplar::Exemplars,
    family::LabelSet,
    histogram::{Histograms, Layout},
    limited::Limited,
    own::seconds_since_1970,
    request_histograms::{self, DURATION, REQUEST_HISTOGRAMS, STREAM},
    scheme::Scheme,
    series_key::{LabelFacts, SeriesKey},
};
use crate::{
    base::counter::Counter,
    http::method::Method,
    record::{
        finished::{FinishedRequest, Record, RequestEnd},
        outcome::Outcome,
    },
};

/// The histograms of one label set. They also count the requests, so all families agree.
#[derive(Debug)]
pub(super) struct RequestSeries {
    pub(super) labels: LabelSet,
    pub(super) created: f64,
    method: Method,
    /// True if the families of gRPC calls show it, and not those of requests.
    pub(super) is_call: bool,
    pub(super) histograms: Histograms,
    pub(super) exemplars: Exemplars,
    /// The histogram of streams, which is created for the first stream because streams are rare.
    pub(super) stream: OnceLock<(Histograms, Exemplars)>,
}

#[derive(Debug)]
pub(super) struct ErrorSeries {
    pub(super) labels: LabelSet,
    pub(super) created: f64,
    pub(super) count: Counter,
    pub(super) exemplar: Exemplars,
}

pub(super) struct Series {
    scheme: Scheme,
    exemplars: bool,
    shards: usize,
    pub(super) requests: Limited<RequestSeries>,
    pub(super) errors: Limited<ErrorSeries>,
}

impl Series {
    pub(super) fn new(
        scheme: Scheme,
        limit: usize,
        exemplars: bool,
        shards: usize,
        overflowed: Arc<Counter>,
    ) -> Self {
        Self {
            scheme,
            exemplars,
            shards,
            requests: Limited::new(limit, Arc::clone(&overflowed)),
            errors: Limited::new(limit, overflowed),
        }
    }

    pub(super) const fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    pub(super) fn record(&self, record: &Record, request: &FinishedRequest<'_>) {
        let facts = LabelFacts::of(record, request);
        let key = self.scheme.key(&facts);
        if self.requests.read(&key, |series| self.observe(series, &facts, record, request.end)).is_none() {
            self.observe(&self.create_request_series(&facts, key), &facts, record, request.end);
        }
        if facts.error_type.is_some() && self.scheme.names.errors.is_some() {
            self.record_error(&facts, record);
        }
    }

    #[inline(never)]
    fn record_error(&self, facts: &LabelFacts<'_>, record: &Record) {
        let series = self.of_error(facts);
        series.count.add(1);
        self.offer(&series.exemplar, 0, true, record, 1);
    }

    fn observe(&self, series: &RequestSeries, facts: &LabelFacts<'_>, record: &Record, end: &RequestEnd) {
        let failed = facts.error_type.is_some();
        let duration = request_histograms::observe(series.histograms.current_shard(), record, end);
        if let Some((bucket, raw)) = duration {
            self.offer(&series.exemplars, bucket, failed, record, raw);
        }
        if let Some(raw) = (STREAM.value)(record, end) {
            self.observe_stream(series, failed, record, raw);
        }
    }

    #[inline(never)]
    fn observe_stream(&self, series: &RequestSeries, failed: bool, record: &Record, raw: u64) {
        let (histograms, exemplars) = series.stream.get_or_init(|| self.with_exemplars(&self.scheme.stream));
        let bucket = histograms.current_shard().observe(0, raw);
        self.offer(exemplars, bucket, failed, record, raw);
    }

    fn offer(&self, exemplars: &Exemplars, slot: usize, failed: bool, record: &Record, raw: u64) {
        if self.exemplars {
            exemplars.offer(slot, failed, record, raw);
        }
    }

    /// Creates the series of a route before its first request.
    pub(super) fn declare(&self, facts: LabelFacts<'_>) {
        if self.exists(&facts.answered(200)).is_none() {
            self.requests.warn_of_overflow(self.requests_name());
        }
        self.create_error_series(facts);
    }

    /// The family that a warning about the series of requests names.
    const fn requests_name(&self) -> &'static str {
        self.scheme.name_of(&REQUEST_HISTOGRAMS[DURATION])
    }

    /// Returns the series of a request for which the map has no entry yet.
    #[inline(never)]
    fn create_request_series(&self, facts: &LabelFacts<'_>, key: SeriesKey) -> Arc<RequestSeries> {
        let mut is_new = false;
        let make = || {
            is_new = true;
            self.new_series(facts, self.scheme.label_set(facts))
        };
        if let Some(series) = self.requests.get_or_insert(key, make) {
            if is_new {
                self.create_error_series(*facts);
            }
            return series;
        }
        let overflow = || self.new_series(&LabelFacts { grpc: false, ..*facts }, self.scheme.overflow());
        self.requests.overflow(self.requests_name(), overflow)
    }

    /// Returns the series of these labels, which is created if necessary. `None` if the limit is
    /// reached.
    fn exists(&self, facts: &LabelFacts<'_>) -> Option<Arc<RequestSeries>> {
        let make = || self.new_series(facts, self.scheme.label_set(facts));
        self.requests.get_or_insert(self.scheme.key(facts), make)
    }

    /// Creates the error series of a route with the value 0. A rate sees only increases, so it
    /// would not see the first error of a series that starts at 1.
    ///
    /// Such series, whose errors may never happen, use at most half of the limit.
    fn create_error_series(&self, facts: LabelFacts<'_>) {
        let failed = facts.failed();
        if self.requests.is_half_empty() {
            self.exists(&failed);
        }
        if self.scheme.names.errors.is_some() && self.errors.is_half_empty() {
            self.error_exists(&failed);
            self.error_exists(&LabelFacts { error_type: Some(Outcome::Panicked.as_str()), ..failed });
        }
    }

    fn new_series(&self, facts: &LabelFacts<'_>, labels: LabelSet) -> RequestSeries {
        let (histograms, exemplars) = self.with_exemplars(&self.scheme.layout);
        RequestSeries {
            labels,
            created: seconds_since_1970(SystemTime::now()),
            method: facts.method,
            is_call: self.scheme.is_call(facts),
            histograms,
            exemplars,
            stream: OnceLock::new(),
        }
    }

    /// Creates histograms, and an exemplar slot for each bucket of the first one, which counts the
    /// duration.
    fn with_exemplars(&self, layout: &Layout) -> (Histograms, Exemplars) {
        let histograms = Histograms::new(layout, self.shards);
        let slots = histograms.bounds(DURATION).map_or(0, |bounds| bounds.buckets());
        (histograms, Exemplars::new(slots))
    }

    fn of_error(&self, facts: &LabelFacts<'_>) -> Arc<ErrorSeries> {
        if let Some(series) = self.errors.read(&self.scheme.error_key(facts), Arc::clone) {
            return series;
        }
        self.error_exists(facts).unwrap_or_else(|| {
            let name = self.scheme.names.errors.map_or("", |(name, _)| name);
            self.errors.overflow(name, || Self::new_error_series(self.scheme.error_overflow()))
        })
    }

    fn error_exists(&self, facts: &LabelFacts<'_>) -> Option<Arc<ErrorSeries>> {
        let make = || Self::new_error_series(self.scheme.error_label_set(facts));
        self.errors.get_or_insert(self.scheme.error_key(facts), make)
    }

    fn new_error_series(labels: LabelSet) -> ErrorSeries {
        let created = seconds_since_1970(SystemTime::now());
        ErrorSeries { labels, created, count: Counter::new(), exemplar: Exemplars::new(1) }
    }

    /// Returns the methods for which series exist.
    pub(super) fn methods(&self) -> Vec<Method> {
        let mut methods: Vec<Method> = Vec::new();
        for series in self.requests.values() {
            if !methods.contains(&series.method) {
                methods.push(series.method);
            }
        }
        methods
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        http::head::RequestHead,
        observer::Observer,
        outputs::{
            events::settings::Events,
            metrics::settings::{MetricLabel, MetricNaming, Metrics},
        },
        record::outcome::Outcome,
    };

    fn observer(metrics: Metrics) -> Observer {
        let builder = Observer::builder("test").no_environment().events(Events::off());
        builder.metrics(metrics).build().expect("valid")
    }

    fn answer(observer: &Observer, route: &str, status: u16) {
        let mut observation = observer.start(&RequestHead::new("GET", "/", &()));
        observation.set_route(route);
        observation.responded(status, &());
        observation.finish(Outcome::Completed);
    }

    fn count(text: &str, prefix: &str) -> usize {
        text.lines().filter(|line| line.starts_with(prefix)).count()
    }

    #[test]
    fn the_number_of_series_is_bounded() {
        let observer = observer(Metrics::new());
        for n in 0..2_500 {
            answer(&observer, &format!("/route/{n}"), 500);
        }
        let text = observer.metrics_text();
        assert_eq!(count(&text, "http_requests_total{"), 2_001);
        assert_eq!(count(&text, "http_request_errors_total{"), 2_001);
        let overflow = r#"http_requests_total{method="overflow",endpoint="overflow",status="overflow"} 500"#;
        assert!(text.contains(overflow));
        // Each route has two kinds of errors from the start, until half of the limit is used. So
        // there are 501 series of panics with the value 0.
        assert!(text.contains("obs_series_overflow_total 1501"), "500 requests, and as errors 1,001");
    }

    #[test]
    fn the_first_request_of_a_route_creates_its_error_series() {
        let observer = observer(Metrics::new().series_limit(4));
        answer(&observer, "/items/{id}", 200);
        let text = observer.metrics_text();
        for line in [
            r#"http_requests_total{method="GET",endpoint="/items/{id}",status="200"} 1"#,
            r#"http_requests_total{method="GET",endpoint="/items/{id}",status="500"} 0"#,
            r#"http_request_duration_seconds_count{method="GET",endpoint="/items/{id}",status="500"} 0"#,
            r#"http_request_errors_total{method="GET",endpoint="/items/{id}",error_type="500"} 0"#,
            r#"http_request_errors_total{method="GET",endpoint="/items/{id}",error_type="panic"} 0"#,
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in {text}");
        }
        // Series that are created in advance leave half of the limit to real requests, and cause no
        // warning.
        answer(&observer, "/other", 200);
        answer(&observer, "/third", 200);
        let text = observer.metrics_text();
        assert_eq!(count(&text, "http_requests_total{"), 4);
        assert_eq!(count(&text, "http_requests_total{method=\"overflow\""), 0);
        assert!(text.contains("obs_series_overflow_total 0"));
    }

    #[test]
    fn a_declared_route_has_series_before_its_first_request() {
        let observer = observer(Metrics::new());
        observer.route("POST", "/orders");
        let text = observer.metrics_text();
        for status in [200, 500] {
            let line =
                format!(r#"http_requests_total{{method="POST",endpoint="/orders",status="{status}"}} 0"#);
            assert!(text.contains(&line), "{text}");
        }
    }

    #[test]
    fn labels_can_be_chosen_and_named() {
        let labels = [MetricLabel::route().named("path"), MetricLabel::status_class()];
        let observer = observer(Metrics::new().labels(labels));
        answer(&observer, "/items/{id}", 201);
        answer(&observer, "/items/{id}", 204);
        answer(&observer, "/items/{id}", 503);
        let text = observer.metrics_text();
        assert!(text.contains(r#"http_requests_total{path="/items/{id}",status_class="2xx"} 2"#), "{text}");
        assert!(text.contains(r#"http_requests_total{path="/items/{id}",status_class="5xx"} 1"#), "{text}");
        assert!(
            text.contains(r#"http_request_errors_total{path="/items/{id}",error_type="503"} 1"#),
            "{text}"
        );
        assert!(text.contains("\nhttp_requests_in_flight 0\n"), "{text}");
    }

    #[test]
    fn excluded_routes_are_not_counted() {
        let observer = observer(Metrics::new().exclude_routes(["/internal/*", "/exact", "unmatched"]));
        for route in ["/internal/jobs", "/internal/{id}", "/exact", "/exact/not"] {
            answer(&observer, route, 200);
        }
        drop(observer.start(&RequestHead::new("GET", "/no/route", &())));
        observer.route("GET", "/internal/declared");
        let text = observer.metrics_text();
        assert_eq!(count(&text, "http_requests_total{"), 2, "one with its 500: {text}");
        assert!(text.contains(r#"endpoint="/exact/not""#));
    }

    #[test]
    fn opentelemetry_has_its_names_labels_and_buckets() {
        let observer = observer(Metrics::new().naming(MetricNaming::OpenTelemetry));
        answer(&observer, "/items/{id}", 200);
        answer(&observer, "/items/{id}", 503);
        drop(observer.start(&RequestHead::new("GET", "/", &())));
        let text = observer.metrics_text();
        let name = "http_server_request_duration_seconds";
        for labels in [
            r#"http_request_method="GET",http_route="/items/{id}",http_response_status_code="200",url_scheme="http""#,
            r#"http_request_method="GET",http_route="/items/{id}",http_response_status_code="503",error_type="503",url_scheme="http""#,
            // A request with neither a status nor a route.
            r#"http_request_method="GET",error_type="cancelled_before_response",url_scheme="http""#,
        ] {
            assert!(text.contains(&format!("{name}_count{{{labels}}} 1")), "{labels} in {text}");
            assert_eq!(count(&text, &format!("{name}_bucket{{{labels},le")), 15, "14 and +Inf");
        }
        assert!(
            text.contains(r#"http_server_active_requests{http_request_method="GET",url_scheme="http"} 0"#)
        );
        assert!(!text.contains("http_requests_total") && !text.contains("http_request_errors_total"));
    }

    #[test]
    fn the_overflow_series_of_opentelemetry_has_one_label() {
        let observer = observer(Metrics::new().naming(MetricNaming::OpenTelemetry).series_limit(1));
        answer(&observer, "/a", 200);
        answer(&observer, "/b", 200);
        let line = r#"http_server_request_duration_seconds_count{otel_metric_overflow="true"} 1"#;
        assert!(observer.metrics_text().contains(line), "{}", observer.metrics_text());
    }

    #[test]
    fn a_route_named_unmatched_counts_as_unmatched() {
        let observer = observer(Metrics::new());
        answer(&observer, "unmatched", 200);
        let mut nowhere = observer.start(&RequestHead::new("GET", "/", &()));
        nowhere.responded(200, &());
        nowhere.finish(Outcome::Completed);
        let line = r#"http_requests_total{method="GET",endpoint="unmatched",status="200"} 2"#;
        assert!(observer.metrics_text().contains(line), "{}", observer.metrics_text());
    }

    #[test]
    fn requests_in_flight_have_each_label_set_once() {
        let observer = observer(Metrics::new().labels([MetricLabel::scheme(), MetricLabel::status()]));
        for method in ["GET", "POST", "PUT"] {
            observer.start(&RequestHead::new(method, "/", &())).finish(Outcome::Completed);
        }
        let https = RequestHead::new("GET", "/", &()).scheme(crate::http::protocol::UrlScheme::Https);
        let _running = [observer.start(&https), observer.start(&RequestHead::new("PUT", "/", &()))];
        let text = observer.metrics_text();
        let lines: Vec<_> =
            text.lines().filter(|line| line.starts_with("http_requests_in_flight{")).collect();
        assert_eq!(
            lines,
            [r#"http_requests_in_flight{scheme="http"} 1"#, r#"http_requests_in_flight{scheme="https"} 1"#]
        );
    }
}
