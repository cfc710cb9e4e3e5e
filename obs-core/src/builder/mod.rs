//! Settings of an observer, from code and from the environment.

pub(crate) mod build;
pub(crate) mod environment;
pub(crate) mod validation;

use std::{fmt, time::Duration};

#[cfg(feature = "tokio")]
use std::future::Future;

#[cfg(feature = "tokio")]
use crate::endpoints::health::check::Check;
#[cfg(feature = "otel")]
use crate::outputs::otel::settings::Otel;
use crate::{
    http::head::RequestHead,
    observer::{Observer, drain::Drain},
    outputs::{events::settings::Events, metrics::settings::Metrics, sink::RecordSink},
    record::{
        endpoint::Endpoint,
        policy::{PanicPolicy, PublicEndpoint, TraceHeader},
        service::Service,
    },
    redact::settings::Redaction,
    trace::propagation::{Propagator, Propagators},
};

/// How long a health check may take, unless it has a timeout of its own.
#[cfg(feature = "tokio")]
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// Builds an [`Observer`](crate::Observer).
///
/// The environment is read by [`build`](Self::build) and wins over the code, because it is what an operator
/// can change: `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` (who the service is), `OBS_EVENTS` (`stdout`, `off`, `file:` and a
/// path, or several with commas between them), `OBS_EVENTS_SAMPLE_RATE`, `OBS_HASH_KEY`, `OBS_METRICS_NAMING` (`prometheus` or
/// `opentelemetry`), `OBS_DRAIN_DELAY` and `OBS_DRAIN_TIMEOUT` (as `20s` or `500ms`).
///
/// ```
/// use std::time::Duration;
/// use obs_core::{Events, Observer};
///
/// let observer = Observer::builder("shop")
///     .request_id_headers(["x-request-id", "x-correlation-id"])
///     .trust_inbound(false)
///     .events(Events::off())
///     .drain_delay(Duration::from_secs(2))
///     .drain_timeout(Duration::from_secs(10))
///     .build()?;
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[must_use = "`build` makes the observer"]
pub struct ObserverBuilder {
    service: Service,
    environment: bool,
    request_id_headers: Vec<String>,
    trust_inbound: bool,
    generator: Option<Box<dyn Fn() -> String + Send + Sync>>,
    public_endpoint: Option<PublicEndpoint>,
    trace_header: TraceHeader,
    known_methods: Option<Vec<String>>,
    propagators: Propagators,
    trusted_proxies: Vec<String>,
    #[cfg(feature = "otel")]
    otel: Option<Otel>,
    /// What of the environment was ignored, and why.
    warnings: Vec<String>,
    panic_policy: PanicPolicy,
    panic_hook: bool,
    endpoints: Option<[(Endpoint, String); 4]>,
    starting: bool,
    #[cfg(feature = "tokio")]
    checks: Vec<Check>,
    drain: Drain,
    metrics: Metrics,
    events: Events,
    redaction: Redaction,
    sinks: Vec<Box<dyn RecordSink>>,
    /// Told of a finished request when all others were.
    told_last: Option<Box<dyn RecordSink>>,
}

impl Observer {
    /// Begins to build an observer for the service of this name.
    pub fn builder(service: impl Into<String>) -> ObserverBuilder {
        ObserverBuilder::new(service.into())
    }
}

impl ObserverBuilder {
    pub(crate) fn new(service: String) -> Self {
        Self {
            service: Service::new(service),
            environment: true,
            request_id_headers: vec!["x-request-id".to_owned()],
            trust_inbound: true,
            generator: None,
            public_endpoint: None,
            trace_header: TraceHeader::default(),
            known_methods: None,
            propagators: Propagators::default(),
            trusted_proxies: Vec::new(),
            #[cfg(feature = "otel")]
            otel: None,
            warnings: Vec::new(),
            panic_policy: PanicPolicy::default(),
            panic_hook: true,
            endpoints: Some(Endpoint::ALL.map(|e| (e, e.default_path().to_owned()))),
            starting: false,
            #[cfg(feature = "tokio")]
            checks: Vec::new(),
            drain: Drain::default(),
            metrics: Metrics::default(),
            events: Events::default(),
            redaction: Redaction::new(),
            sinks: Vec::new(),
            told_last: None,
        }
    }

    /// Reads nothing from the environment: for tests.
    pub const fn no_environment(mut self) -> Self {
        self.environment = false;
        self
    }

    /// The headers that carry the request id. The first is written to responses; all are read from requests,
    /// in this order. `x-request-id` by default.
    pub fn request_id_headers<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.request_id_headers = names.into_iter().map(Into::into).collect();
        self
    }

    /// Whether a valid request id from the caller is kept. On by default; off, every request gets a new one.
    pub const fn trust_inbound(mut self, trust: bool) -> Self {
        self.trust_inbound = trust;
        self
    }

    /// Makes request ids. A UUID version 7 takes the place of one that is not a valid
    /// [`RequestId`](crate::RequestId), or if the generator panics.
    pub fn request_id_generator(mut self, generator: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.generator = Some(Box::new(generator));
        self
    }

    /// Which requests come from outside: their trace is not continued but kept as a
    /// [link](crate::trace::TraceContext::link), and their baggage is left behind. By default every valid trace is continued.
    ///
    /// ```
    /// # use obs_core::Observer;
    /// let observer = Observer::builder("shop")
    ///     .public_endpoint(|head| head.peer.is_none_or(|peer| !peer.ip().is_loopback()))
    ///     .build()?;
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    pub fn public_endpoint(
        mut self,
        is_public: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.public_endpoint = Some(Box::new(is_public));
        self
    }

    /// Which response header tells the caller the request's place in its trace. None by default.
    pub const fn trace_header(mut self, header: TraceHeader) -> Self {
        self.trace_header = header;
        self
    }

    /// The methods that are told by their names, of those that are registered with IANA; all others are `_OTHER`. By default those of RFC
    /// 9110, `PATCH` and `QUERY`.
    ///
    /// ```
    /// # use obs_core::Observer;
    /// let methods = ["GET", "HEAD", "PUT", "DELETE", "PROPFIND", "MKCOL"]; // a WebDAV server
    /// let observer = Observer::builder("files").no_environment().known_methods(methods).build()?;
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    pub fn known_methods<M: Into<String>>(mut self, methods: impl IntoIterator<Item = M>) -> Self {
        self.known_methods = Some(methods.into_iter().map(Into::into).collect());
        self
    }

    /// The formats in which traces are read from callers and passed on to what is called. Of several, the first that a request has is
    /// read, and all are written. By default those of W3C: [`TraceContext`](Propagator::TraceContext) and
    /// [`Baggage`](Propagator::Baggage).
    ///
    /// ```
    /// use obs_core::{Observer, trace::Propagator};
    /// let formats = [Propagator::TraceContext, Propagator::Baggage, Propagator::B3];
    /// let observer = Observer::builder("shop").no_environment().propagators(formats).build()?;
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    pub fn propagators(mut self, propagators: impl IntoIterator<Item = Propagator>) -> Self {
        self.propagators = Propagators::new(propagators);
        self
    }

    /// The proxies in front of the service, as addresses or networks: what they say of the client, in `Forwarded` (RFC 7239) or else
    /// `X-Forwarded-For`, `-Proto`, `-Host` and `-Port`, is believed. By default nobody is. A request that has both and in which they name
    /// different clients tells nothing: a proxy has let through what the client wrote.
    ///
    /// ```
    /// # use obs_core::Observer;
    /// let observer = Observer::builder("shop").trusted_proxies(["10.0.0.0/8", "fd00::/8", "127.0.0.1"]).build()?;
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    pub fn trusted_proxies<N: Into<String>>(mut self, networks: impl IntoIterator<Item = N>) -> Self {
        self.trusted_proxies = networks.into_iter().map(Into::into).collect();
        self
    }

    /// What happens after a panic has been recorded: the client gets an answer by default.
    pub const fn panic_policy(mut self, policy: PanicPolicy) -> Self {
        self.panic_policy = policy;
        self
    }

    /// Whether the process gets the panic hook that notes a panic's location and backtrace. On by default; it
    /// is installed once per process and always calls the hook that was there before. Off, panics are still
    /// caught and recorded, without their location.
    pub const fn panic_hook(mut self, install: bool) -> Self {
        self.panic_hook = install;
        self
    }

    /// Puts an endpoint at another path.
    pub fn endpoint_path(mut self, endpoint: Endpoint, path: impl Into<String>) -> Self {
        if let Some(place) = self.endpoints.iter_mut().flatten().find(|(e, _)| *e == endpoint) {
            place.1 = path.into();
        }
        self
    }

    /// Answers no endpoint.
    pub fn without_endpoints(mut self) -> Self {
        self.endpoints = None;
        self
    }

    /// Adds a check of something that the service needs: `/readyz` and `/health` ask it, `/livez` never does.
    ///
    /// All checks run at the same time, each as a task on the runtime that serves the probe. One that takes longer than a second
    /// counts as failed, goes on, and is not started a second time; a result is good for a second, and however many probes ask
    /// meanwhile, the check runs once. A check that panics has failed. The answer says which check fails and since when; the
    /// error itself goes to our diagnostics, once per change.
    ///
    /// ```
    /// # use obs_core::Observer;
    /// # async fn ping() -> Result<(), std::io::Error> { Ok(()) }
    /// let observer = Observer::builder("shop").check("db", || async { ping().await }).build()?;
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    #[cfg(feature = "tokio")]
    pub fn check<F, E>(self, name: impl Into<String>, check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        self.check_within(CHECK_TIMEOUT, name, check)
    }

    /// As [`check`](Self::check), with a timeout of its own.
    #[cfg(feature = "tokio")]
    pub fn check_within<F, E>(
        mut self,
        timeout: Duration,
        name: impl Into<String>,
        check: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        self.checks.push(Check::new(name.into(), timeout, check));
        self
    }

    /// The service is not ready until [`Observer::started`](crate::Observer::started) is called: for one that listens before it can serve.
    pub const fn starting(mut self) -> Self {
        self.starting = true;
        self
    }

    /// How long the service serves on at its shutdown when it is no longer ready, so that load balancers
    /// notice. 5 s by default.
    pub const fn drain_delay(mut self, delay: Duration) -> Self {
        self.drain.delay = delay;
        self
    }

    /// How long running requests may take after that, before they are aborted. 20 s by default.
    pub const fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain.timeout = timeout;
        self
    }

    /// How the metrics are called, which labels and buckets they have, and where they are registered.
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Which events there are, what they tell, and where they go: an [`Events`], or just an [`EventOutput`](crate::EventOutput). By default all of
    /// them go to standard output.
    pub fn events(mut self, events: impl Into<Events>) -> Self {
        self.events = events.into();
        self
    }

    /// What counts as a secret, which is masked before anything leaves.
    pub fn redaction(mut self, redaction: Redaction) -> Self {
        self.redaction = redaction;
        self
    }

    /// The version of the service: `.service_version(env!("CARGO_PKG_VERSION"))`.
    pub fn service_version(mut self, version: impl Into<String>) -> Self {
        self.service.version = Some(version.into());
        self
    }

    /// Which instance of the service this is: a new UUID for each observer by default.
    pub fn service_instance(mut self, instance: impl Into<String>) -> Self {
        self.service.instance = instance.into();
        self
    }

    /// Where it is deployed: `production`, `staging`.
    pub fn deployment_environment(mut self, environment: impl Into<String>) -> Self {
        self.service.environment = Some(environment.into());
        self
    }

    #[cfg(feature = "testing")]
    pub(crate) fn told_last(mut self, sink: impl RecordSink) -> Self {
        self.told_last = Some(Box::new(sink));
        self
    }

    /// Makes spans with OpenTelemetry, as these settings say: an [`Otel`], or a `TracerProvider` of the application's own.
    ///
    /// Without this line they are made if the environment has `OTEL_EXPORTER_OTLP_ENDPOINT`.
    #[cfg(feature = "otel")]
    pub fn otel(mut self, otel: impl Into<Otel>) -> Self {
        self.otel = Some(otel.into());
        self
    }

    /// Makes spans with OpenTelemetry and exports them over OTLP to where the environment says, else to `http://localhost:4318`.
    ///
    /// ```
    /// # use obs_core::Observer;
    /// let observer = Observer::builder("shop").otlp().build()?;
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    #[cfg(feature = "otel")]
    pub fn otlp(self) -> Self {
        self.otel(Otel::new())
    }

    /// Adds an output of the user's own.
    pub fn sink(mut self, sink: impl RecordSink) -> Self {
        self.sinks.push(Box::new(sink));
        self
    }
}

impl fmt::Debug for ObserverBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserverBuilder").field("service", &self.service.name).finish_non_exhaustive()
    }
}
