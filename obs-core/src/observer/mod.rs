//! The observer: policy and sinks behind one `Arc`.

#[cfg(feature = "tokio")]
pub mod shutdown;

use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus::Registry;

#[cfg(feature = "otel")]
use crate::outputs::otel::tracing::Tracing;
use crate::{
    base::{diagnostics, panic::catch},
    builder::ObserverBuilder,
    endpoints::{self, EndpointFuture, Endpoints, health::Health, scrape::Scrapes},
    http::{forwarded::network::TrustedProxies, head::RequestHead, method::KnownMethods, wanted},
    outputs::{
        events::EventPipeline,
        metrics::{Counter, MetricSink},
        sink::Sinks,
    },
    record::{
        finished::{RequestRecord, RequestStart},
        identity::IdentityPolicy,
        request_id::IdPolicy,
        route::{Excluded, Route, RouteTable},
        service::Service,
    },
    redact::Redactor,
    request::{current, handle::RequestHandle, observation::Observation},
    trace::propagation::Propagators,
};

/// What happens after a panic in a handler has been recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PanicPolicy {
    /// The client gets a 500 as `application/problem+json` with the request id; over gRPC, status 13.
    #[default]
    Answer,
    /// The panic goes on, as it would without us: the connection or the stream is aborted.
    Resume,
}

/// How a service leaves: see [`ObserverBuilder::drain_delay`] and [`ObserverBuilder::drain_timeout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drain {
    /// How long to serve on after readiness has been taken back, so that load balancers notice. 5 s by default.
    pub delay: Duration,
    /// How long running requests may then still take. 20 s by default.
    pub timeout: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { delay: Duration::from_secs(5), timeout: Duration::from_secs(20) }
    }
}

/// The response header that tells a caller the request's place in its trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TraceHeader {
    /// None.
    #[default]
    Off,
    /// `traceresponse`, a draft of W3C: for other services.
    TraceResponse,
    /// `server-timing: traceparent;desc="…"`: what browsers let a page read.
    ServerTiming,
}

/// Whether a request comes from outside, so that its trace is not to be continued.
pub(crate) type PublicEndpoint = Box<dyn Fn(&RequestHead<'_>) -> bool + Send + Sync>;

/// What a shutdown found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Everything that was buffered, in the line's buffer and in the user's own sinks, has reached its output in time.
    pub flushed: bool,
    /// Requests that had not ended.
    pub in_flight: u64,
    /// Events that were handed to their outputs since the start, one for each output.
    pub written: u64,
    /// Events that were lost since the start, one for each output: see `obs_events_dropped_total`.
    pub dropped: u64,
    /// Spans that the collector has taken since the start; 0 if the application's own provider exports them, or none are made.
    pub spans_exported: u64,
    /// Spans that were lost since the start: see `obs_spans_dropped_total`.
    pub spans_dropped: u64,
}

/// Observes the requests of one service.
///
/// Cloning it clones one `Arc`. There are no globals but the panic hook: any number of observers live in one
/// process, each with its own metrics and outputs.
///
/// ```
/// use obs_core::Observer;
///
/// let observer = Observer::builder("shop").build()?; // reads OTEL_SERVICE_NAME and OBS_*
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Observer(Arc<Inner>);

/// An observer that may be gone.
pub(crate) struct WeakObserver(Weak<Inner>);

impl WeakObserver {
    pub(crate) fn upgrade(&self) -> Option<Observer> {
        self.0.upgrade().map(Observer)
    }

    pub(crate) fn is(&self, observer: &Observer) -> bool {
        std::ptr::eq(self.0.as_ptr(), Arc::as_ptr(&observer.0))
    }
}

/// Counts one tunnel.
#[derive(Debug)]
pub(crate) struct Tunnel(Observer);

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.0.0.tunnels.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Apart from its count of references, which all cores write to: two lines of a cache are fetched at once.
#[repr(align(128))]
pub(crate) struct Inner {
    pub(crate) service: Arc<Service>,
    pub(crate) redactor: Redactor,
    pub(crate) identities: Arc<IdentityPolicy>,
    /// The headers that events tell, in lower case.
    pub(crate) headers: Vec<Arc<str>>,
    /// Those, the ones that carry a request id, and what the core itself asks for.
    pub(crate) wanted_headers: wanted::Names,
    pub(crate) events: Option<Arc<EventPipeline>>,
    pub(crate) ids: IdPolicy,
    pub(crate) panic_policy: PanicPolicy,
    pub(crate) drain: Drain,
    pub(crate) public_endpoint: Option<PublicEndpoint>,
    pub(crate) trace_header: TraceHeader,
    pub(crate) known_methods: KnownMethods,
    pub(crate) propagators: Propagators,
    #[cfg(feature = "otel")]
    pub(crate) tracing: Option<Arc<Tracing>>,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) endpoints: Endpoints,
    pub(crate) health: Health,
    pub(crate) routes: RouteTable,
    pub(crate) metrics: Arc<MetricSink>,
    pub(crate) scrapes: Scrapes,
    pub(crate) sinks: Sinks,
    pub(crate) tunnels: AtomicU64,
    pub(crate) late_writes: Arc<Counter>,
    pub(crate) late_write_warned: AtomicBool,
}

impl Observer {
    /// Begins to build an observer for the service of this name.
    pub fn builder(service: impl Into<String>) -> ObserverBuilder {
        ObserverBuilder::new(service.into())
    }

    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// Starts to observe a request.
    pub fn start(&self, head: &RequestHead<'_>) -> Observation {
        Observation::start(self, head)
    }

    /// This observer's handle of the request that runs on this thread, also where another observer's layer
    /// lies further within. Outside a request, a handle that does nothing.
    #[must_use]
    pub fn current(&self) -> RequestHandle {
        current::peek().and_then(|handle| handle.of(self)).unwrap_or_default()
    }

    /// The service that is observed.
    #[must_use]
    pub fn service(&self) -> &Arc<Service> {
        &self.0.service
    }

    /// What masks secrets in everything that leaves: for texts that go another way, such as a program's own log.
    #[must_use]
    pub fn redactor(&self) -> &Redactor {
        &self.0.redactor
    }

    pub(crate) fn identities(&self) -> &IdentityPolicy {
        &self.0.identities
    }

    pub(crate) fn told_headers(&self) -> &[Arc<str>] {
        &self.0.headers
    }

    pub(crate) fn wanted_headers(&self) -> wanted::Names {
        self.0.wanted_headers
    }

    pub(crate) fn intern_route(&self, template: &str) -> Option<Route> {
        self.0.routes.intern(template)
    }

    /// The route of a template that a client has named, and nobody has confirmed.
    pub(crate) fn guess_route(&self, template: &str) -> Option<Route> {
        self.0.routes.guess(template)
    }

    pub(crate) fn known_methods(&self) -> KnownMethods {
        self.0.known_methods
    }

    pub(crate) fn propagators(&self) -> Propagators {
        self.0.propagators
    }

    #[cfg(feature = "otel")]
    pub(crate) fn tracing(&self) -> Option<&Arc<Tracing>> {
        self.0.tracing.as_ref()
    }

    pub(crate) fn trusted_proxies(&self) -> &TrustedProxies {
        &self.0.trusted_proxies
    }

    pub(crate) fn downgrade(&self) -> WeakObserver {
        WeakObserver(Arc::downgrade(&self.0))
    }

    /// The header that carries the request id, in lower case.
    #[must_use]
    pub fn request_id_header(&self) -> &str {
        self.0.ids.response_header()
    }

    /// The answer to a request for one of the endpoints; `None` if there is none at `path`.
    ///
    /// Adapters use [`Observation::answer`].
    #[must_use]
    pub fn endpoint(&self, head: &RequestHead<'_>) -> Option<EndpointFuture> {
        let endpoint = self.0.endpoints.find(head.path)?;
        Some(endpoints::answer(self, endpoint, head))
    }

    /// The registry that our metrics are in. What is registered there appears in `/metrics`, and whoever gathers it finds ours.
    ///
    /// ```
    /// use obs_core::{Observer, prometheus::IntCounter};
    ///
    /// let observer = Observer::builder("shop").no_environment().build()?;
    /// let orders = IntCounter::new("shop_orders_total", "Orders that were placed.").unwrap();
    /// observer.registry().register(Box::new(orders.clone())).unwrap();
    /// orders.inc();
    /// assert!(observer.metrics_text().contains("shop_orders_total 1"));
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    #[must_use]
    pub fn registry(&self) -> &Registry {
        self.0.scrapes.registry()
    }

    /// Makes the metrics of a route exist at 0, before its first request: rates then see that one, too. In OpenTelemetry's naming they
    /// are those of HTTP/1.1 without TLS.
    ///
    /// ```
    /// let observer = obs_core::Observer::builder("shop").no_environment().build()?;
    /// observer.route("GET", "/items/{id}").route("POST", "/orders");
    /// let line = r#"http_requests_total{method="POST",endpoint="/orders",status="200"} 0"#;
    /// assert!(observer.metrics_text().contains(line));
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    pub fn route(&self, method: &str, template: &str) -> &Self {
        let method = self.known_methods().parse(&method.to_ascii_uppercase());
        if let Some(route) = self.intern_route(template) {
            self.0.metrics.declare(method, &route);
        }
        self
    }

    /// The metrics in Prometheus' text format, as `/metrics` shows them. It is made on this thread.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        String::from_utf8_lossy(&self.0.scrapes.text()).into_owned()
    }

    pub(crate) fn scrapes(&self) -> &Scrapes {
        &self.0.scrapes
    }

    /// From which outputs requests of this route are left out.
    pub(crate) fn excludes(&self, route: Option<&Route>) -> Excluded {
        self.0.routes.excludes(route)
    }

    /// Requests that have started and not ended.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.0.metrics.in_flight()
    }

    /// Ends the start that [`starting`](ObserverBuilder::starting) began: the service is ready if its checks pass.
    pub fn started(&self) {
        self.0.health.started();
    }

    /// Takes readiness back: `/readyz` and `/health` answer 503 from now on, everything else as before.
    pub fn start_draining(&self) {
        self.0.health.start_draining();
    }

    /// Whether [`start_draining`](Self::start_draining) was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.health.is_draining()
    }

    /// How the service leaves.
    #[must_use]
    pub fn drain(&self) -> Drain {
        self.0.drain
    }

    /// Flushes what is buffered, waiting no longer than `deadline`.
    ///
    /// It blocks the thread, so on an async runtime it belongs into `spawn_blocking`. Requests that end later
    /// are still recorded.
    pub fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        self.start_draining();
        let flushed = self.flush(deadline);
        self.report(flushed)
    }

    pub(crate) fn report(&self, flushed: bool) -> ShutdownReport {
        let events = self.0.events.as_ref();
        let (written, dropped) = events.map_or((0, 0), |events| events.written_and_dropped());
        #[cfg(feature = "otel")]
        let (spans_exported, spans_dropped) =
            self.tracing().map_or((0, 0), |tracing| tracing.exported_and_dropped());
        #[cfg(not(feature = "otel"))]
        let (spans_exported, spans_dropped) = (0, 0);
        ShutdownReport {
            flushed,
            in_flight: self.in_flight(),
            written,
            dropped,
            spans_exported,
            spans_dropped,
        }
    }

    pub(crate) fn flush(&self, deadline: Duration) -> bool {
        self.0.sinks.flush(deadline)
    }

    /// Upgraded connections whose body the framework still holds, as actix does while they last.
    #[must_use]
    pub fn tunnels(&self) -> u64 {
        self.0.tunnels.load(Ordering::Relaxed)
    }

    /// One more of them, until the guard is dropped.
    pub(crate) fn tunnel(&self) -> Tunnel {
        self.0.tunnels.fetch_add(1, Ordering::Relaxed);
        Tunnel(self.clone())
    }

    pub(crate) fn ids(&self) -> &IdPolicy {
        &self.0.ids
    }

    /// A policy that panics trusts nobody.
    pub(crate) fn trusts_trace(&self, head: &RequestHead<'_>) -> bool {
        let is_public = |policy: &PublicEndpoint| catch(|| policy(head)).unwrap_or(true);
        !self.0.public_endpoint.as_ref().is_some_and(is_public)
    }

    pub(crate) fn trace_header(&self) -> TraceHeader {
        self.0.trace_header
    }

    pub(crate) fn panic_policy(&self) -> PanicPolicy {
        self.0.panic_policy
    }

    pub(crate) fn endpoints(&self) -> &Endpoints {
        &self.0.endpoints
    }

    pub(crate) fn health(&self) -> &Health {
        &self.0.health
    }

    pub(crate) fn on_start(&self, request: &RequestStart) {
        self.0.sinks.on_start(request);
    }

    pub(crate) fn on_finish(&self, record: &RequestRecord) {
        self.0.sinks.on_finish(record);
    }

    /// Somebody wrote to a request that has ended: counted, and said once.
    pub(crate) fn late_write(&self, request: &RequestStart) {
        self.0.late_writes.add(1);
        if !self.0.late_write_warned.swap(true, Ordering::Relaxed) {
            diagnostics::warn(format_args!(
                "something was written to request {} ({}) after it had ended, and is lost; \
                 further ones are only counted in `obs_late_writes_total`",
                request.id,
                request.path()
            ));
        }
    }
}

// Handlers may catch panics of their own around a handle or an observer: everything shared behind them is
// atomic or behind a mutex whose poison is ignored.
impl UnwindSafe for Observer {}
impl RefUnwindSafe for Observer {}
impl UnwindSafe for WeakObserver {}
impl RefUnwindSafe for WeakObserver {}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").field("service", &self.0.service.name).finish_non_exhaustive()
    }
}
