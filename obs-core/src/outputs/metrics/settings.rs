//! What can be set about metrics.

use std::borrow::Cow;

use prometheus::Registry;

/// Whose names, labels and buckets the HTTP metrics have.
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
    /// `http_requests_total` and its like, which dashboards and the common middlewares have.
    #[default]
    Prometheus,
    /// `http.server.request.duration` and its like, from OpenTelemetry's semantic conventions, as Prometheus writes them.
    OpenTelemetry,
}

/// One label of the HTTP metrics: what it tells, and its name.
///
/// ```
/// use obs_core::{MetricLabel, Metrics};
///
/// let metrics = Metrics::new().labels([
///     MetricLabel::method(),
///     MetricLabel::endpoint().named("path"),
///     MetricLabel::status_class(), // "2xx" instead of "200", "201", …
/// ]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricLabel {
    pub(crate) source: Source,
    pub(crate) name: Option<Cow<'static, str>>,
}

/// What a label tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Method,
    Endpoint,
    Status,
    StatusClass,
    ErrorType,
    GrpcStatus,
    Scheme,
    ProtocolVersion,
}

impl MetricLabel {
    const fn new(source: Source) -> Self {
        Self { source, name: None }
    }

    /// The method, folded to the known ones and `_OTHER`.
    #[must_use]
    pub const fn method() -> Self {
        Self::new(Source::Method)
    }

    /// The route's template. What matched none is `unmatched`; in OpenTelemetry's naming the label is absent then.
    #[must_use]
    pub const fn endpoint() -> Self {
        Self::new(Source::Endpoint)
    }

    /// The status code. In OpenTelemetry's naming it is absent if none was sent; else it is then `499` for a request that
    /// was cancelled and `500` for one that failed.
    #[must_use]
    pub const fn status() -> Self {
        Self::new(Source::Status)
    }

    /// The first digit of the status code: `2xx`.
    #[must_use]
    pub const fn status_class() -> Self {
        Self::new(Source::StatusClass)
    }

    /// [The kind of failure](crate::output::Record::error_type); absent if it did not fail.
    #[must_use]
    pub const fn error_type() -> Self {
        Self::new(Source::ErrorType)
    }

    /// The status of a gRPC call (`OK`, `NOT_FOUND`); absent for all other requests, and if none was sent.
    #[must_use]
    pub const fn grpc_status() -> Self {
        Self::new(Source::GrpcStatus)
    }

    /// `http` or `https`, `_OTHER` for anything else.
    #[must_use]
    pub const fn scheme() -> Self {
        Self::new(Source::Scheme)
    }

    /// The version of HTTP: `1.1`, `2`.
    #[must_use]
    pub const fn protocol_version() -> Self {
        Self::new(Source::ProtocolVersion)
    }

    /// The same under another name.
    #[must_use]
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }
}

/// Settings of the metrics, for [`ObserverBuilder::metrics`](crate::ObserverBuilder::metrics).
///
/// ```
/// use obs_core::{Metrics, Observer, prometheus};
///
/// let registry = prometheus::Registry::new();
/// let metrics = Metrics::new()
///     .registry(registry.clone())                    // ours in yours, yours in our `/metrics`
///     .duration_buckets([0.01, 0.1, 1.0, 10.0])
///     .exclude_routes(["/internal/*"])
///     .series_limit(10_000);
/// let observer = Observer::builder("shop").no_environment().metrics(metrics).build()?;
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "it does nothing until an observer is built with it"]
pub struct Metrics {
    pub(crate) naming: MetricNaming,
    pub(crate) labels: Option<Vec<MetricLabel>>,
    pub(crate) duration: Option<Vec<f64>>,
    pub(crate) stream: Vec<f64>,
    pub(crate) size: Vec<f64>,
    pub(crate) response_head: bool,
    pub(crate) excluded: Vec<String>,
    pub(crate) series_limit: usize,
    pub(crate) exemplars: bool,
    pub(crate) created: bool,
    pub(crate) registry: Option<Registry>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            naming: MetricNaming::default(),
            labels: None,
            duration: None,
            stream: vec![1.0, 5.0, 30.0, 60.0, 300.0, 1_800.0, 7_200.0],
            size: vec![100.0, 1e3, 1e4, 1e5, 1e6, 1e7],
            response_head: false,
            excluded: Vec::new(),
            series_limit: 2_000,
            exemplars: true,
            created: true,
            registry: None,
        }
    }
}

impl Metrics {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whose names, labels and buckets to use: those of Prometheus by default.
    pub const fn naming(mut self, naming: MetricNaming) -> Self {
        self.naming = naming;
        self
    }

    /// The labels of the HTTP metrics, in their order. By default method, endpoint, status and the status of gRPC, and in OpenTelemetry's
    /// naming what its conventions ask for.
    pub fn labels(mut self, labels: impl IntoIterator<Item = MetricLabel>) -> Self {
        self.labels = Some(labels.into_iter().collect());
        self
    }

    /// Upper bounds of the duration's buckets in seconds, ascending. They also serve the time to the head.
    pub fn duration_buckets(mut self, seconds: impl IntoIterator<Item = f64>) -> Self {
        self.duration = Some(seconds.into_iter().collect());
        self
    }

    /// Upper bounds of the buckets of the streams' duration in seconds, ascending.
    pub fn stream_buckets(mut self, seconds: impl IntoIterator<Item = f64>) -> Self {
        self.stream = seconds.into_iter().collect();
        self
    }

    /// Upper bounds of the sizes' buckets in bytes, ascending.
    pub fn size_buckets(mut self, bytes: impl IntoIterator<Item = f64>) -> Self {
        self.size = bytes.into_iter().collect();
        self
    }

    /// Whether there is a histogram of the time to the response's head, too. Off by default.
    pub const fn response_head(mut self, measure: bool) -> Self {
        self.response_head = measure;
        self
    }

    /// Routes whose requests are not counted: templates, or what they begin with and a `*`. They are still in flight.
    pub fn exclude_routes<R: Into<String>>(mut self, routes: impl IntoIterator<Item = R>) -> Self {
        self.excluded = routes.into_iter().map(Into::into).collect();
        self
    }

    /// How many label sets a family has at most; what comes after them is counted in one overflow series. 2,000 by default.
    pub const fn series_limit(mut self, limit: usize) -> Self {
        self.series_limit = limit;
        self
    }

    /// Whether OpenMetrics shows a request to look at beside each bucket. On by default.
    pub const fn exemplars(mut self, keep: bool) -> Self {
        self.exemplars = keep;
        self
    }

    /// Whether OpenMetrics says since when a counter or histogram counts (`_created`). On by default.
    pub const fn created(mut self, show: bool) -> Self {
        self.created = show;
        self
    }

    /// The registry that our metrics are put into, and whose other metrics `/metrics` shows: a new one by default, see
    /// [`Observer::registry`](crate::Observer::registry).
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = Some(registry);
        self
    }
}
