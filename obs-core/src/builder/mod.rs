//! Settings of an observer, from code and from the environment.

pub(crate) mod build;
pub(crate) mod environment;
pub(crate) mod table;
pub(crate) mod validation;

use std::{fmt, time::Duration};

#[cfg(feature = "tokio")]
use std::future::Future;

#[cfg(feature = "tokio")]
use crate::extension::check::Check;
use crate::extension::{installation::Extension, sink::RecordSink};
#[cfg(feature = "otel")]
use crate::outputs::otel::settings::Otel;
use crate::{
    base::{parse, settings::settings},
    http::{forwarded::network::Network, head::RequestHead},
    observer::Observer,
    outputs::{events::settings::Events, metrics::settings::Metrics},
    record::{
        endpoint::Endpoint,
        policy::{PanicPolicy, PublicEndpoint, TraceHeader},
    },
    redact::settings::Redaction,
    trace::propagation::{Propagator, Propagators},
};

/// The timeout of a health check without one of its own.
#[cfg(feature = "tokio")]
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

type Generator = Box<dyn Fn() -> String + Send + Sync>;

settings! {
    /// Builds an [`Observer`](crate::Observer).
    ///
    /// The environment is read by [`build`](Self::build) and wins over the code, because it is what
    /// an operator can change. [`Observer::settings`](crate::Observer::settings) lists every
    /// setting with its variable.
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
        /// Sees a finished record after all other sinks.
        told_last: Option<Box<dyn RecordSink>>,
    }

    service: String = String::new(), "the argument of `Observer::builder`" {
        variable "OTEL_RESOURCE_ATTRIBUTES":
            "`key=value` with commas between them, percent-encoded; `service.name`";
        variable "OTEL_SERVICE_NAME": "the name of the service" => |name| Some(name.to_owned());
        check Self::check_service;
    }

    service_version: Option<String> = None, "none" {
        /// Sets the version of the service: `.service_version(env!("CARGO_PKG_VERSION"))`.
        fn service_version(mut self, version: impl Into<String>) {
            self.service_version = Some(version.into());
        }
        variable "OTEL_RESOURCE_ATTRIBUTES": "`service.version`";
    }

    service_instance: Option<String> = None, "a new UUID for each observer" {
        /// Sets the id of this instance of the service.
        fn service_instance(mut self, instance: impl Into<String>) {
            self.service_instance = Some(instance.into());
        }
        variable "OTEL_RESOURCE_ATTRIBUTES": "`service.instance.id`";
    }

    deployment_environment: Option<String> = None, "none" {
        /// Sets the environment of the deployment, such as `production` or `staging`.
        fn deployment_environment(mut self, environment: impl Into<String>) {
            self.deployment_environment = Some(environment.into());
        }
        variable "OTEL_RESOURCE_ATTRIBUTES": "`deployment.environment.name`";
    }

    request_id_headers: Vec<String> = vec!["x-request-id".to_owned()], "`x-request-id`" {
        /// Sets the headers that carry the request id. The first is written to responses; all are
        /// read from requests, in this order.
        fn request_id_headers(mut self, names: impl IntoIterator<Item = impl Into<String>>) {
            self.request_id_headers = names.into_iter().map(|name| name.into().to_ascii_lowercase()).collect();
        }
        valid each "a header name such as `x-request-id`" if |name| is_header_name(name);
        check Self::check_request_id_headers;
    }

    trust_inbound: bool = true, "`true`" {
        /// Keeps a valid request id of the caller. If `false`, every request gets a new one.
        fn trust_inbound(mut self, trust: bool) { self.trust_inbound = trust }
    }

    generator: Option<Generator> = None, "UUID version 7" {
        /// Sets the function that makes request ids. A UUID replaces an invalid
        /// [`RequestId`](crate::RequestId), and that of a function that panics.
        fn request_id_generator(mut self, generator: impl Fn() -> String + Send + Sync + 'static) {
            self.generator = Some(Box::new(generator));
        }
    }

    public_endpoint: Option<PublicEndpoint> = None, "no request does" {
        /// Selects the requests that come from outside. Their trace is not continued but kept as a
        /// [link](crate::trace::TraceContext::link), and their baggage is dropped.
        ///
        /// ```
        /// # use obs_core::Observer;
        /// let observer = Observer::builder("shop")
        ///     .public_endpoint(|head| head.peer.is_none_or(|peer| !peer.ip().is_loopback()))
        ///     .build()?;
        /// # Ok::<(), obs_core::BuildError>(())
        /// ```
        fn public_endpoint(
            mut self, is_public: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static,
        ) {
            self.public_endpoint = Some(Box::new(is_public));
        }
    }

    trace_header: TraceHeader = TraceHeader::Off, "`Off`" {
        /// Sets the response header that gives the request's place in its trace to the caller.
        fn trace_header(mut self, header: TraceHeader) { self.trace_header = header }
    }

    known_methods: Option<Vec<String>> = None, "those of RFC 9110, `PATCH` and `QUERY`" {
        /// Sets the methods that are recorded by their names. All others are recorded as `_OTHER`.
        ///
        /// ```
        /// # use obs_core::Observer;
        /// let methods = ["GET", "HEAD", "PUT", "DELETE", "PROPFIND", "MKCOL"]; // a WebDAV server
        /// let observer = Observer::builder("files").no_environment().known_methods(methods).build()?;
        /// # Ok::<(), obs_core::BuildError>(())
        /// ```
        fn known_methods(mut self, methods: impl IntoIterator<Item = impl Into<String>>) {
            self.known_methods = Some(methods.into_iter().map(Into::into).collect());
        }
        variable "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS":
            "methods that are registered, with commas between them";
        valid "a method that is registered, such as `PROPFIND`";
        check Self::check_known_methods;
    }

    propagators: Propagators = Propagators::default(), "those of W3C: `TraceContext` and `Baggage`" {
        /// Sets the formats in which traces are read from callers and passed on to callees. The
        /// first format that a request has is read, and all are written.
        ///
        /// ```
        /// use obs_core::{Observer, trace::Propagator};
        /// let formats = [Propagator::TraceContext, Propagator::Baggage, Propagator::B3];
        /// let observer = Observer::builder("shop").no_environment().propagators(formats).build()?;
        /// # Ok::<(), obs_core::BuildError>(())
        /// ```
        fn propagators(mut self, propagators: impl IntoIterator<Item = Propagator>) {
            self.propagators = Propagators::new(propagators);
        }
        variable "OTEL_PROPAGATORS":
            "`tracecontext`, `baggage`, `b3`, `b3multi`, `jaeger`, with commas between them; or `none`";
    }

    trusted_proxies: Vec<String> = Vec::new(), "none" {
        /// Sets the proxies in front of the service, as addresses or networks. Their `Forwarded`
        /// (RFC 7239), or else `X-Forwarded-For`, `-Proto`, `-Host` and `-Port`, is believed.
        ///
        /// Both are ignored for a request in which they name different clients: a proxy has
        /// forwarded what the client wrote.
        ///
        /// ```
        /// # use obs_core::Observer;
        /// let observer = Observer::builder("shop").trusted_proxies(["10.0.0.0/8", "fd00::/8", "127.0.0.1"]).build()?;
        /// # Ok::<(), obs_core::BuildError>(())
        /// ```
        fn trusted_proxies(mut self, networks: impl IntoIterator<Item = impl Into<String>>) {
            self.trusted_proxies = networks.into_iter().map(Into::into).collect();
        }
        variable "OBS_TRUSTED_PROXIES": "addresses and networks with commas between them" => parse::texts;
        valid each "addresses or networks such as `10.0.0.0/8`"
            if |network| Network::parse(network.trim()).is_some();
    }

    panic_policy: PanicPolicy = PanicPolicy::Answer, "`Answer`" {
        /// Sets what follows a panic after it has been recorded.
        fn panic_policy(mut self, policy: PanicPolicy) { self.panic_policy = policy }
    }

    panic_hook: bool = true, "`true`" {
        /// Installs the panic hook of the process, which notes a panic's location and backtrace.
        ///
        /// It is installed once per process and always calls the previous hook. If `false`, panics
        /// are still caught and recorded, without their location.
        fn panic_hook(mut self, install: bool) { self.panic_hook = install }
    }

    endpoints: Option<[(Endpoint, String); 4]> =
        Some(Endpoint::ALL.map(|endpoint| (endpoint, endpoint.default_path().to_owned()))),
        "`/metrics`, `/health`, `/livez`, `/readyz`" {
        /// Sets the path of an endpoint.
        fn endpoint_path(mut self, endpoint: Endpoint, path: impl Into<String>) {
            if let Some(place) = self.endpoints.iter_mut().flatten().find(|(e, _)| *e == endpoint) {
                place.1 = path.into();
            }
        }
        /// Removes all endpoints.
        fn without_endpoints(mut self) { self.endpoints = None }
        valid "plain paths, each used once";
    }

    #[cfg(feature = "tokio")]
    checks: Vec<Check> = Vec::new(), "none; a timeout of 1 s" {
        /// Adds a check of something that the service needs. `/readyz` and `/health` run it,
        /// `/livez` never does.
        ///
        /// All checks run at the same time, each as a task on the runtime that serves the probe.
        /// One that takes longer than a second counts as failed, goes on, and is not started a
        /// second time; a result is good for a second, and however many probes ask meanwhile, the
        /// check runs once. A check that panics has failed. The answer says which check fails and
        /// since when; the error itself goes to our diagnostics, once per change.
        ///
        /// ```
        /// # use obs_core::Observer;
        /// # async fn ping() -> Result<(), std::io::Error> { Ok(()) }
        /// let observer = Observer::builder("shop").check("db", || async { ping().await }).build()?;
        /// # Ok::<(), obs_core::BuildError>(())
        /// ```
        fn check<F, E>(mut self, name: impl Into<String>, check: impl Fn() -> F + Send + Sync + 'static)
        where [F: Future<Output = Result<(), E>> + Send + 'static, E: fmt::Display] {
            self.checks.push(Check::new(name.into(), CHECK_TIMEOUT, check));
        }
        /// Adds a [check](Self::check) with a timeout of its own.
        fn check_within<F, E>(
            mut self, timeout: Duration, name: impl Into<String>,
            check: impl Fn() -> F + Send + Sync + 'static,
        )
        where [F: Future<Output = Result<(), E>> + Send + 'static, E: fmt::Display] {
            self.checks.push(Check::new(name.into(), timeout, check));
        }
        valid "a name that no other check has";
    }

    starting: bool = false, "ready at once" {
        /// Makes the service not ready until [`Observer::started`](crate::Observer::started) is
        /// called, for a service that listens before it can serve.
        fn starting(mut self) { self.starting = true }
    }

    drain_delay: Duration = Duration::from_secs(5), "5 s" {
        /// Sets the time for which the service serves on at its shutdown after it is no longer
        /// ready, so that load balancers notice.
        fn drain_delay(mut self, delay: Duration) { self.drain_delay = delay }
        variable "OBS_DRAIN_DELAY": "a duration such as `20s`, `500ms`, or whole seconds as `20`" => parse::duration;
    }

    drain_timeout: Duration = Duration::from_secs(20), "20 s" {
        /// Limits the time that running requests have after that, before they are aborted.
        fn drain_timeout(mut self, timeout: Duration) { self.drain_timeout = timeout }
        variable "OBS_DRAIN_TIMEOUT": "a duration such as `20s`, `500ms`, or whole seconds as `20`" => parse::duration;
    }

    metrics: Metrics = Metrics::default(), "see `Metrics`" {
        /// Sets the names, labels and buckets of the metrics, and their registry.
        fn metrics(mut self, metrics: Metrics) { self.metrics = metrics }
    }

    events: Events = Events::default(), "see `Events`" {
        /// Sets which events there are, what they contain, and their outputs: an [`Events`], or
        /// just an [`EventOutput`](crate::EventOutput).
        fn events(mut self, events: impl Into<Events>) { self.events = events.into() }
    }

    redaction: Redaction = Redaction::new(), "see `Redaction`" {
        /// Sets what counts as a secret and is masked.
        fn redaction(mut self, redaction: Redaction) { self.redaction = redaction }
    }

    #[cfg(feature = "otel")]
    otel: Option<Otel> = None, "off, unless the environment names a collector; see `Otel`" {
        /// Makes spans with OpenTelemetry: with an [`Otel`], or with the application's own
        /// `TracerProvider`.
        ///
        /// Without this line spans are made if the environment has `OTEL_EXPORTER_OTLP_ENDPOINT`.
        fn otel(mut self, otel: impl Into<Otel>) { self.otel = Some(otel.into()) }
        /// Makes spans and exports them over OTLP to the endpoint of the environment, else to
        /// `http://localhost:4318`.
        ///
        /// ```
        /// # use obs_core::Observer;
        /// let observer = Observer::builder("shop").otlp().build()?;
        /// # Ok::<(), obs_core::BuildError>(())
        /// ```
        fn otlp(mut self) { self.otel = Some(Otel::new()) }
        variable "OTEL_SDK_DISABLED": "`true`: no spans";
        variable "OTEL_TRACES_EXPORTER": "`otlp`: spans are exported; `none`: they are not";
    }

    sinks: Vec<Box<dyn RecordSink>> = Vec::new(), "none" {
        /// Adds a sink, which reads every finished record.
        fn sink(mut self, sink: impl RecordSink) { self.sinks.push(Box::new(sink)) }
        valid "a sink whose name no other one has";
    }

    extensions: Vec<Box<dyn Extension>> = Vec::new(), "none" {
        /// Adds a subsystem that [installs itself](Extension).
        fn extension(mut self, extension: impl Extension) { self.extensions.push(Box::new(extension)) }
        valid "an extension whose name, endpoints and metrics no other one has";
    }

    environment: bool = true, "the environment is read" {
        /// Ignores the environment, for tests. Standard output counts as no terminal.
        fn no_environment(mut self) { self.environment = false }
    }
}

impl Observer {
    /// Begins to build an observer for the service of this name.
    pub fn builder(service: impl Into<String>) -> ObserverBuilder {
        ObserverBuilder::new(service.into())
    }
}

impl ObserverBuilder {
    pub(crate) fn new(service: String) -> Self {
        Self { service, ..Self::defaults(None) }
    }

    #[cfg(feature = "testing")]
    pub(crate) fn told_last(mut self, sink: impl RecordSink) -> Self {
        self.told_last = Some(Box::new(sink));
        self
    }
}

/// A field name is a token (RFC 9110 §5.6.2).
fn is_header_name(name: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.len() <= 256 && name.bytes().all(token)
}

impl fmt::Debug for ObserverBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserverBuilder").field("service", &self.service).finish_non_exhaustive()
    }
}
