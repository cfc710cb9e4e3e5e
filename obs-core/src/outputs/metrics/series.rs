//! The time series of finished requests: one per label set.

use std::{
    sync::{Arc, OnceLock},
    time::{Instant, SystemTime},
};

use super::{
    exemplar::Exemplars,
    family::LabelSet,
    histogram::{Histograms, Layout},
    limited::{Limited, Observable, Place},
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

impl Observable for RequestSeries {
    fn observations(&self) -> u64 {
        let streams = self.stream.get().map_or(0, |(streams, _)| streams.observations(0));
        self.histograms.observations(DURATION).saturating_add(streams)
    }
}

impl Observable for ErrorSeries {
    fn observations(&self) -> u64 {
        self.count.get()
    }
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
            requests: Limited::new(limit, shards, Arc::clone(&overflowed)),
            errors: Limited::new(limit, shards, overflowed),
        }
    }

    pub(super) const fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    #[inline]
    pub(super) fn record(&self, record: &Record, request: &FinishedRequest<'_>) {
        let mut facts = LabelFacts::of(record, request);
        if let Some(custom) = &self.scheme.custom {
            facts.custom = custom.number(record);
        }
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

    #[inline]
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
        let answered = facts.answered(200);
        let first = Place::First(self.scheme.key(&answered).without_result());
        if self.exists(&answered, first).is_none() {
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
        // The first result of each route and method that serves has a place of its own.
        let place = if facts.is_served() { Place::First(key.without_result()) } else { Place::Any };
        if let Some(series) = self.requests.get_or_insert(key, place, make) {
            if is_new {
                self.create_error_series(*facts);
            }
            return series;
        }
        let overflow = || self.new_series(&LabelFacts { grpc: false, ..*facts }, self.scheme.overflow());
        self.requests.overflow(self.requests_name(), overflow)
    }

    /// Returns the series of these labels, which is created if necessary. `None` if there is no
    /// place for it.
    fn exists(&self, facts: &LabelFacts<'_>, place: Place) -> Option<Arc<RequestSeries>> {
        let make = || self.new_series(facts, self.scheme.label_set(facts));
        self.requests.get_or_insert(self.scheme.key(facts), place, make)
    }

    /// Creates the error series of a route with the value 0. A rate sees only increases, so it
    /// would not see the first error of a series that starts at 1.
    ///
    /// Their errors may never happen. So such series have places of their own, and leave the limit
    /// to others.
    fn create_error_series(&self, facts: LabelFacts<'_>) {
        // Any client can send these methods to many routes.
        if facts.is_easily_sent() {
            return;
        }
        let failed = facts.failed();
        self.exists(&failed, Place::Foreseen);
        if self.scheme.names.errors.is_some() {
            self.error_exists(&failed, Place::Foreseen);
            let panicked = LabelFacts { error_type: Some(Outcome::Panicked.as_str()), ..failed };
            self.error_exists(&panicked, Place::Foreseen);
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
        // Any client can disconnect from any route. The first other failure of each route and
        // method has a place of its own.
        let cancelled = [Outcome::CancelledBeforeResponse, Outcome::CancelledInBody].map(Outcome::as_str);
        let place = match facts.error_type {
            Some(error_type) if !cancelled.contains(&error_type) => {
                Place::First(self.scheme.error_key(facts).without_result())
            }
            _ => Place::Any,
        };
        self.error_exists(facts, place).unwrap_or_else(|| {
            let name = self.scheme.names.errors.map_or("", |(name, _)| name);
            self.errors.overflow(name, || Self::new_error_series(self.scheme.error_overflow()))
        })
    }

    fn error_exists(&self, facts: &LabelFacts<'_>, place: Place) -> Option<Arc<ErrorSeries>> {
        let make = || Self::new_error_series(self.scheme.error_label_set(facts));
        self.errors.get_or_insert(self.scheme.error_key(facts), place, make)
    }

    /// Removes idle series, so that label sets without a series can get one.
    pub(super) fn remove_idle(&self, now: Instant) {
        self.requests.remove_idle(now);
        self.errors.remove_idle(now);
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
        send(observer, "GET", route, status);
    }

    fn send(observer: &Observer, method: &str, route: &str, status: u16) {
        let mut observation = observer.start(&RequestHead::new(method, "/", &()));
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
            answer(&observer, &format!("/route/{n}"), 404);
        }
        let text = observer.metrics_text();
        // Half as many series as the limit are created in advance.
        assert_eq!(count(&text, "http_requests_total{"), 2_000 + 1_000 + 1);
        assert_eq!(count(&text, "http_request_errors_total{"), 1_000);
        let overflow = r#"http_requests_total{method="overflow",endpoint="overflow",status="overflow"} 500"#;
        assert!(text.contains(overflow));
        assert!(text.contains("obs_series_overflow_total 500"));
    }

    /// Failures, other statuses and easily sent methods cannot take the places of what code serves.
    #[test]
    fn each_served_route_and_method_has_its_own_series() {
        let observer = observer(Metrics::new().series_limit(40));
        let paths: Vec<_> = (0..100).map(|n| format!("/route/{n}")).collect();
        for path in &paths {
            for (method, status) in
                [("DELETE", 405), ("BREW", 405), ("HEAD", 200), ("OPTIONS", 204), ("GET", 401), ("GET", 404)]
            {
                send(&observer, method, path, status);
            }
        }
        for path in &paths {
            for (method, status) in [("GET", 200), ("POST", 201), ("GET", 500)] {
                send(&observer, method, path, status);
            }
        }
        let text = observer.metrics_text();
        for path in &paths {
            for (method, status) in [("GET", 200), ("POST", 201)] {
                let line = format!(
                    r#"http_requests_total{{method="{method}",endpoint="{path}",status="{status}"}} 1"#
                );
                assert!(text.lines().any(|found| found == line), "{line}");
            }
            let errors =
                format!(r#"http_request_errors_total{{method="GET",endpoint="{path}",error_type="500"}} 1"#);
            assert!(text.lines().any(|found| found == errors), "{errors}");
        }
        assert!(!text.contains("DELETE"), "one label value for all methods that are not served");
        // GET 200 and POST 201 per route, the limit, half of it in advance, and the overflow.
        assert_eq!(count(&text, "http_requests_total{"), 200 + 40 + 20 + 1);
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
        // Series that are created in advance have places of their own, and cause no warning.
        for route in ["/a", "/b", "/c", "/d"] {
            answer(&observer, route, 404);
        }
        let text = observer.metrics_text();
        assert_eq!(count(&text, "http_requests_total{"), 1 + 4 + 2);
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
    fn a_request_without_a_status_is_excluded_by_its_label() {
        let observer = observer(Metrics::new().exclude_status([499]));
        answer(&observer, "/a", 200);
        drop(observer.start(&RequestHead::new("GET", "/", &()).route(Some("/a"))));
        observer.start(&RequestHead::new("GET", "/", &()).route(Some("/a"))).finish(Outcome::ServiceError);
        let text = observer.metrics_text();
        assert!(
            !text.contains("499") && text.contains("http_requests_in_flight{method=\"GET\"} 0"),
            "{text}"
        );
        assert!(text.contains(r#"http_requests_total{method="GET",endpoint="/a",status="500"} 1"#), "{text}");
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
        answer(&observer, "/a", 404);
        answer(&observer, "/b", 404);
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
