//! Settings of metrics.

use std::{borrow::Cow, time::Duration};

#[cfg(feature = "prometheus")]
use prometheus::Registry;

use super::custom_labels::{self, CustomSource};
#[cfg(feature = "prometheus")]
use super::registered::SetRegistry;
use crate::{
    base::{
        build_error::BuildError,
        settings::{settings, test_value},
    },
    record::route,
};

/// The scheme of names, labels and buckets for the HTTP metrics.
///
/// ```
/// use obs_core::{MetricNaming, Metrics, Observer};
///
/// let metrics = Metrics::new().naming(MetricNaming::OpenTelemetry);
/// let observer = Observer::builder("shop").no_environment().metrics(metrics).build()?;
/// observer.route("GET", "/items/{id}");
/// assert!(observer.metrics_text().contains("http_server_request_duration_seconds_count{"));
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricNaming {
    /// `http_requests_total` and similar names, which common dashboards and middlewares use.
    #[default]
    Prometheus,
    /// `http.server.request.duration` and similar names from OpenTelemetry's semantic conventions,
    /// in the notation of Prometheus.
    OpenTelemetry,
}

/// A label of the HTTP metrics: its source and its name.
///
/// ```
/// use obs_core::{MetricLabel, Metrics};
///
/// let metrics = Metrics::new().labels([
///     MetricLabel::method(),
///     MetricLabel::route().named("path"),
///     MetricLabel::status_class(), // "2xx" instead of "200", "201", …
/// ]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricLabel {
    pub(crate) source: LabelSource,
    pub(crate) name: Option<Cow<'static, str>>,
    /// The source of a label of the application's own.
    pub(super) custom: Option<CustomSource>,
    /// The limit of values, if it was set.
    pub(super) limit: Option<usize>,
}

/// The source of a label's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LabelSource {
    Method,
    Route,
    Status,
    StatusClass,
    ErrorType,
    GrpcStatus,
    Scheme,
    ProtocolVersion,
    /// A label of the application's own, with its place among those.
    Custom(usize),
}

impl MetricLabel {
    const fn new(source: LabelSource) -> Self {
        Self { source, name: None, custom: None, limit: None }
    }

    fn of_custom(custom: CustomSource) -> Self {
        Self { custom: Some(custom), ..Self::new(LabelSource::Custom(0)) }
    }

    /// The method, or `_OTHER` if it is not one of `known_methods`.
    #[must_use]
    pub const fn method() -> Self {
        Self::new(LabelSource::Method)
    }

    /// The route, or `unmatched` if no route matched. In OpenTelemetry's naming the label is absent
    /// in that case.
    #[must_use]
    pub const fn route() -> Self {
        Self::new(LabelSource::Route)
    }

    /// The status code. If none was sent, it is `499` for a cancelled request, `504` after the
    /// deadline of a gRPC caller, and `500` for another failure. In OpenTelemetry's naming it is
    /// absent in that case.
    #[must_use]
    pub const fn status() -> Self {
        Self::new(LabelSource::Status)
    }

    /// The class of the status code, such as `2xx`.
    #[must_use]
    pub const fn status_class() -> Self {
        Self::new(LabelSource::StatusClass)
    }

    /// [The kind of failure](crate::output::Record::error_type). Absent if the request did not
    /// fail.
    #[must_use]
    pub const fn error_type() -> Self {
        Self::new(LabelSource::ErrorType)
    }

    /// The status of a gRPC call, such as `OK` or `NOT_FOUND`. Absent for other requests, and if
    /// none was sent.
    #[must_use]
    pub const fn grpc_status() -> Self {
        Self::new(LabelSource::GrpcStatus)
    }

    /// The scheme: `http`, `https`, or `_OTHER`.
    #[must_use]
    pub const fn scheme() -> Self {
        Self::new(LabelSource::Scheme)
    }

    /// The HTTP version, such as `1.1` or `2`.
    #[must_use]
    pub const fn protocol_version() -> Self {
        Self::new(LabelSource::ProtocolVersion)
    }

    /// The value of a field that the application sets with [`Work::set`](crate::Work::set). Absent
    /// if the request has no such field, or if its value is a list.
    ///
    /// The first 100 values become label values, or as many as [`limit`](Self::limit) allows. All
    /// further values are counted as `overflow`. A value longer than 128 bytes is cut.
    ///
    /// The name of the label is the name of the field. Each character that is not an ASCII letter
    /// or digit becomes `_`.
    ///
    /// ```
    /// use obs_core::{MetricLabel, Metrics, Observer, Outcome, adapter::RequestHead};
    ///
    /// let metrics = Metrics::new().label(MetricLabel::from_field("tenant").limit(20));
    /// let observer = Observer::builder("shop").no_environment().metrics(metrics).build()?;
    /// let observation = observer.start(&RequestHead::new("GET", "/", &()));
    /// observation.work().set("tenant", "blue"); // in a handler: `current().set(..)`
    /// observation.finish(Outcome::Completed);
    /// assert!(observer.metrics_text().contains(r#"tenant="blue""#));
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    #[must_use]
    pub fn from_field(field: impl Into<Cow<'static, str>>) -> Self {
        Self::of_custom(CustomSource::Field(field.into()))
    }

    /// The first value of a request header, if it is one of `values`; `other` if it is not. Absent
    /// if the request has no such header.
    ///
    /// Clients send headers, so only the listed values become label values. Events contain the
    /// header, too, as with [`Events::headers`](crate::Events::headers).
    ///
    /// ```
    /// use obs_core::{MetricLabel, Metrics};
    ///
    /// let region = MetricLabel::from_header("x-region", ["eu", "us"]).named("region");
    /// let metrics = Metrics::new().label(region);
    /// ```
    #[must_use]
    pub fn from_header(header: &str, values: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        Self::of_custom(CustomSource::Header(header.to_ascii_lowercase().into(), values))
    }

    /// Limits the number of values of a label [from a field](Self::from_field). Further values are
    /// counted as `overflow`.
    #[must_use]
    pub const fn limit(mut self, values: usize) -> Self {
        self.limit = Some(values);
        self
    }

    /// Changes the name of the label.
    #[must_use]
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }
}

settings! {
    /// Settings of metrics, for [`ObserverBuilder::metrics`](crate::ObserverBuilder::metrics).
    ///
    /// ```
    /// use obs_core::{Metrics, Observer, prometheus};
    ///
    /// let registry = prometheus::Registry::new();
    /// let metrics = Metrics::new()
    ///     .registry(registry.clone()) // its other metrics appear on `/metrics`
    ///     .duration_buckets([0.01, 0.1, 1.0, 10.0])
    ///     .exclude_routes(["/internal/*"])
    ///     .series_limit(10_000);
    /// let observer = Observer::builder("shop").no_environment().metrics(metrics).build()?;
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    #[derive(Clone, Debug)]
    #[must_use = "it does nothing until an observer is built with it"]
    pub struct Metrics {}

    pub(crate) naming: MetricNaming = MetricNaming::Prometheus, "`Prometheus`" {
        /// Sets the scheme of names, labels and buckets.
        fn naming(mut self, naming: MetricNaming) { self.naming = naming }
        variable "OBS_METRICS_NAMING": "`prometheus` or `opentelemetry`" => MetricNaming::parse;
    }

    pub(crate) duration: Option<Vec<f64>> = None, "those of the naming" {
        /// Sets the upper bounds of the duration buckets in seconds. The histogram of the time to
        /// the response's head has the same bounds.
        fn duration_buckets(mut self, seconds: impl IntoIterator<Item = f64>) {
            self.duration = Some(seconds.into_iter().collect());
        }
        valid "ascending bounds above 0 and below 1e15, without `+Inf`";
        check Self::check_duration;
    }

    pub(crate) stream: Vec<f64> = vec![1.0, 5.0, 30.0, 60.0, 300.0, 1_800.0, 7_200.0],
        "1, 5, 30, 60, 300, 1,800, 7,200" {
        /// Sets the upper bounds of the buckets for the duration of streams, in seconds.
        fn stream_buckets(mut self, seconds: impl IntoIterator<Item = f64>) {
            self.stream = seconds.into_iter().collect();
        }
        valid "ascending bounds above 0 and below 1e15, without `+Inf`" if |bounds| are_bounds(bounds);
    }

    pub(crate) size: Vec<f64> = vec![100.0, 1e3, 1e4, 1e5, 1e6, 1e7], "powers of ten from 100 to 10,000,000" {
        /// Sets the upper bounds of the size buckets in bytes.
        fn size_buckets(mut self, bytes: impl IntoIterator<Item = f64>) {
            self.size = bytes.into_iter().collect();
        }
        valid "ascending bounds above 0 and below 1e15, without `+Inf`" if |bounds| are_bounds(bounds);
    }

    pub(crate) labels: Option<Vec<MetricLabel>> = None,
        "method, route, status and gRPC status; in OpenTelemetry's naming those of its conventions" {
        /// Sets the labels of the HTTP metrics, in their order.
        fn labels(mut self, labels: impl IntoIterator<Item = MetricLabel>) {
            self.labels = Some(labels.into_iter().collect());
        }
        valid "label names such as `endpoint`, each used once";
        check Self::check_labels;
    }

    pub(crate) added_labels: Vec<MetricLabel> = Vec::new(), "none" {
        /// Adds a label to those of [`labels`](Self::labels), or to the default ones.
        fn label(mut self, label: MetricLabel) { self.added_labels.push(label) }
        valid "a name that no other label has; labels of the application's own have at most 100,000 \
               combinations of values";
        check custom_labels::check;
    }

    pub(crate) response_head: bool = false, "`false`" {
        /// Adds a histogram of the time to the response's head.
        fn response_head(mut self, measure: bool) { self.response_head = measure }
    }

    pub(crate) excluded: Vec<String> = Vec::new(), "none" {
        /// Excludes routes from the HTTP metrics. A trailing `*` matches any suffix. Their requests
        /// still count as in flight.
        fn exclude_routes(mut self, routes: impl IntoIterator<Item = impl Into<String>>) {
            self.excluded = routes.into_iter().map(Into::into).collect();
        }
        valid each "routes such as `/internal/{id}` or `/internal/*`, and no regular expressions"
            if |route| route::is_pattern(route);
    }

    pub(crate) excluded_statuses: Vec<u16> = Vec::new(), "none" {
        /// Excludes responses with these statuses from the HTTP metrics. A request without a
        /// response has the status that metrics count: `499` if it was cancelled, `504` after a
        /// gRPC deadline, otherwise `500`.
        fn exclude_status(mut self, statuses: impl IntoIterator<Item = u16>) {
            self.excluded_statuses = statuses.into_iter().collect();
        }
        valid each "statuses between 100 and 599" if |status| (100..=599).contains(status);
    }

    pub(crate) series_limit: usize = 2_000, "2,000" {
        /// Limits the label sets that clients can add to each metric. Further ones are counted in
        /// one overflow series.
        ///
        /// Two kinds of series do not count towards this limit:
        ///
        /// * the first success of each route and method, up to eight times the limit;
        /// * the series that are created in advance, up to half the limit.
        fn series_limit(mut self, limit: usize) { self.series_limit = limit }
        valid "between 1 and 1,000,000" if |limit| (1..=1_000_000).contains(limit);
    }

    pub(crate) exemplars: bool = true, "`true`" {
        /// Shows a recent request's trace with each bucket, in the OpenMetrics format.
        fn exemplars(mut self, keep: bool) { self.exemplars = keep }
    }

    pub(crate) created: bool = false, "`false`" {
        /// Shows the time at which a counter or histogram began to count (`_created`), in the
        /// OpenMetrics format.
        ///
        /// A Prometheus without the feature `created-timestamp-zero-ingestion` stores each of these
        /// times as a series of its own, which doubles the series of a counter.
        fn created(mut self, show: bool) { self.created = show }
    }

    pub(crate) page_timeout: Duration = Duration::from_secs(60), "60 s" {
        /// Sets the longest time for which a long page of `/metrics` may be sent. A page that takes
        /// longer ends early, with an invalid line.
        fn page_timeout(mut self, timeout: Duration) { self.page_timeout = timeout }
        valid "more than 0" if |timeout| !timeout.is_zero();
    }

    #[cfg(feature = "prometheus")]
    pub(crate) registry: Option<SetRegistry> = None, "a new one" {
        /// Sets the registry in which the observer registers its metrics. `/metrics` also shows the
        /// other metrics of the registry. See [`Observer::registry`](crate::Observer::registry).
        fn registry(mut self, registry: Registry) { self.registry = Some(SetRegistry::new(registry)) }
        valid "a registry that no other observer uses and that contains no metric with one of our names";
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::defaults()
    }
}

impl Metrics {
    /// Returns the default settings.
    pub fn new() -> Self {
        Self::default()
    }

    fn check_labels(&self, setting: &'static str, _: &'static str) -> Result<(), BuildError> {
        let names = self.label_names();
        for (n, name) in names.iter().enumerate() {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
            let valid = !name.is_empty()
                && name.bytes().all(allowed)
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && !name.starts_with("__")
                && name != "le";
            if !valid {
                return Err(BuildError::new(setting, name.clone(), "a label name such as `endpoint`"));
            }
            if names.iter().take(n).any(|other| other == name) {
                return Err(BuildError::new(setting, name.clone(), "a different name for each label"));
            }
        }
        Ok(())
    }

    fn check_duration(&self, setting: &'static str, expected: &'static str) -> Result<(), BuildError> {
        let Some(bounds) = &self.duration else { return Ok(()) };
        test_value(setting, expected, bounds, |bounds| are_bounds(bounds))
    }
}

impl MetricNaming {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "prometheus" => Some(Self::Prometheus),
            "opentelemetry" => Some(Self::OpenTelemetry),
            _ => None,
        }
    }
}

/// Returns true for valid bounds of buckets.
#[inline(never)]
fn are_bounds(bounds: &[f64]) -> bool {
    let ascending = bounds.iter().zip(bounds.iter().skip(1)).all(|(a, b)| a < b);
    !bounds.is_empty() && ascending && bounds.iter().all(|bound| (1e-9..1e15).contains(bound))
}
