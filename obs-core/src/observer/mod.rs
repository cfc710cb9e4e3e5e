//! The observer: policy and sinks behind one `Arc`.

mod calls;
pub(crate) mod drain;
#[cfg(feature = "logs")]
mod logs;
#[cfg(feature = "metrics")]
mod metrics;
pub(crate) mod report;
#[cfg(feature = "tokio")]
pub(crate) mod serve;
#[cfg(feature = "tokio")]
pub mod shutdown;
mod stopping;
#[cfg(feature = "tokio")]
pub(crate) mod write_timeout;

use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

#[cfg(feature = "metrics")]
use crate::outputs::metrics::{MetricSink, scrape::Scrapes};
#[cfg(not(feature = "metrics"))]
use crate::outputs::no_metrics::InFlightSink as MetricSink;
#[cfg(feature = "otel")]
use crate::outputs::otel::tracing::Tracing;
use crate::{
    base::panic::catch,
    endpoints::{Endpoints, health::Health},
    extension::{
        report::OutputReport,
        setup::{Parts, ReadCounts, SharedValues, ShutdownStep, StartHook},
        sink::Sinks,
    },
    http::{answer::EndpointFuture, head::RequestHead},
    observer::{drain::Drain, report::ShutdownReport},
    record::{finished::Record, hook::Hook, policy::Policy, service::Service, start::Start},
    redact::{Redactor, diagnostics},
    work::{handle::Work, scope},
};

/// An observer of the requests of one service.
///
/// A clone only copies an `Arc`, so it is cheap. A process can have any number of observers, each
/// with its own metrics and outputs. The panic hook is installed once for all of them.
///
/// ```
/// use obs_core::Observer;
///
/// let observer = Observer::builder("shop").build()?; // reads OTEL_SERVICE_NAME and OBS_*
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Observer(Arc<Inner>);

/// A reference that does not keep the observer alive. Code that lives as long as the process, such
/// as a subscriber of `tracing`, holds it instead of an [`Observer`].
///
/// ```
/// let observer = obs_core::Observer::builder("shop").no_environment().build()?;
/// let weak = observer.downgrade();
/// assert!(weak.upgrade().is_some());
/// drop(observer);
/// assert!(weak.upgrade().is_none());
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone)]
pub struct WeakObserver(Weak<Inner>);

impl fmt::Debug for WeakObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakObserver").finish_non_exhaustive()
    }
}

impl WeakObserver {
    /// Returns the observer; `None` if it is gone.
    #[must_use]
    pub fn upgrade(&self) -> Option<Observer> {
        self.0.upgrade().map(Observer)
    }
}

/// A guard that counts one tunnel.
#[derive(Debug)]
pub(crate) struct Tunnel(Observer);

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.0.0.tunnels.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The times of a server.
pub(crate) struct Times {
    pub(crate) drain: Drain,
    /// True if the delay of the drain is not the default.
    #[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "only a server asks for it"))]
    pub(crate) delay_is_set: bool,
    /// The time for which a client may accept no data of a response.
    pub(crate) stall: Duration,
}

/// The policy, and the outputs above it. The alignment separates it from its reference count, which
/// all cores write to: a processor fetches two cache lines at once.
#[repr(align(128))]
struct Inner {
    policy: Arc<Policy>,
    times: Times,
    stopping: stopping::Stopping,
    #[cfg(feature = "otel")]
    tracing: Option<Arc<Tracing>>,
    endpoints: Endpoints,
    start_hook: Option<Hook<StartHook>>,
    health: Arc<Health>,
    metrics: Arc<MetricSink>,
    #[cfg(feature = "metrics")]
    scrapes: Arc<Scrapes>,
    sinks: Sinks,
    shutdown_steps: Vec<(String, ShutdownStep)>,
    reports: Vec<(String, ReadCounts)>,
    shared: SharedValues,
    tunnels: AtomicU64,
}

/// Returns a value that a built-in extension shares.
fn built_in<T: Send + Sync + 'static>(shared: &SharedValues) -> Arc<T> {
    shared.get().unwrap_or_else(|| unreachable!("a built-in extension shares it"))
}

/// Starts a thread in a scope. All of them run the same closure type, as in
/// [`spawn`](crate::base::thread::spawn).
fn spawn_scoped<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    run: Box<dyn FnOnce() -> bool + Send + 'scope>,
) -> thread::ScopedJoinHandle<'scope, bool> {
    scope.spawn(run)
}

impl Observer {
    /// Creates an observer from the parts that the extensions have installed. `sinks` are those of
    /// `parts`.
    pub(crate) fn new(policy: Policy, times: Times, sinks: Sinks, parts: Parts) -> Self {
        let Parts { endpoints, start_hook, shutdown_steps, reports, shared, .. } = parts;
        let with_outputs = |inner: &Weak<Inner>| Policy { outputs: Some(Weak::clone(inner) as _), ..policy };
        Self(Arc::new_cyclic(|inner| Inner {
            policy: Arc::new(with_outputs(inner)),
            times,
            stopping: stopping::Stopping::default(),
            #[cfg(feature = "otel")]
            tracing: shared.get(),
            endpoints: Endpoints::new(endpoints),
            start_hook,
            health: built_in(&shared),
            metrics: built_in(&shared),
            #[cfg(feature = "metrics")]
            scrapes: built_in(&shared),
            sinks,
            shutdown_steps,
            reports,
            shared,
            tunnels: AtomicU64::new(0),
        }))
    }

    pub(crate) fn policy(&self) -> &Arc<Policy> {
        &self.0.policy
    }

    /// Returns this observer's handle of the current work, even if the innermost layer belongs to
    /// another observer. Outside of work the handle does nothing.
    #[must_use]
    pub fn current(&self) -> Work {
        scope::try_current().and_then(|work| work.of_policy(self.policy())).unwrap_or_default()
    }

    /// The observed service.
    #[must_use]
    pub fn service(&self) -> &Arc<Service> {
        &self.0.policy.service
    }

    /// The redactor that masks secrets in all outputs. Use it for other texts, such as the
    /// program's own log.
    #[must_use]
    pub fn redactor(&self) -> &Redactor {
        &self.0.policy.redactor
    }

    #[cfg(feature = "otel")]
    pub(crate) fn tracing(&self) -> Option<&Arc<Tracing>> {
        self.0.tracing.as_ref()
    }

    /// Returns a reference that does not keep the observer alive.
    #[must_use]
    pub fn downgrade(&self) -> WeakObserver {
        WeakObserver(Arc::downgrade(&self.0))
    }

    /// The name of the request id header, in lower case.
    #[must_use]
    pub fn request_id_header(&self) -> &str {
        self.0.policy.ids.response_header()
    }

    /// The names of the headers that an adapter sets in each request before it calls the service,
    /// in lower case. Their value is the request id. They replace existing headers.
    ///
    /// There are none unless
    /// [`request_id_in_request`](crate::ObserverBuilder::request_id_in_request) is set.
    #[must_use]
    pub fn id_headers_of_requests(&self) -> &[String] {
        self.0.policy.ids.request_headers()
    }

    /// The answer to a request for an endpoint; `None` if there is no endpoint at its path.
    ///
    /// Adapters use [`Observation::answer`](crate::adapter::Observation::answer) instead.
    #[must_use]
    pub fn endpoint(&self, head: &RequestHead<'_>) -> Option<EndpointFuture> {
        let endpoint = self.0.endpoints.find(head.path)?;
        Some(self.0.endpoints.answer(endpoint, head))
    }

    /// The number of requests that have started and not ended.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.0.metrics.in_flight()
    }

    /// Ends the phase that [`starting`](crate::ObserverBuilder::starting) began. The service is now
    /// ready if its checks pass.
    pub fn started(&self) {
        self.0.health.started();
    }

    /// Starts to drain: `/readyz` and `/health` answer 503 from now on. Nothing else changes.
    pub fn start_draining(&self) {
        self.0.health.start_draining();
    }

    /// Returns true after [`start_draining`](Self::start_draining).
    #[must_use]
    #[inline]
    pub fn is_draining(&self) -> bool {
        self.0.health.is_draining()
    }

    /// The time after which a server closes a connection whose client accepts no data: see
    /// [`stall_timeout`](crate::ObserverBuilder::stall_timeout).
    #[must_use]
    pub fn stall_timeout(&self) -> Duration {
        self.0.times.stall
    }

    /// The times of a graceful shutdown.
    #[must_use]
    pub fn drain(&self) -> Drain {
        self.0.times.drain
    }

    /// Starts to drain, flushes all buffered data and runs the shutdown steps of extensions, for at
    /// most `deadline`.
    ///
    /// It blocks the thread, so call it in `spawn_blocking` on an async runtime. Requests that end
    /// later are still recorded.
    ///
    /// Entries that an output has not delivered in time count as lost in the report.
    pub fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        self.start_draining();
        let (steps, flushed) = thread::scope(|scope| {
            let steps = spawn_scoped(scope, Box::new(|| self.run_shutdown_steps(deadline)));
            let flushed = self.flush(deadline);
            (steps.join().unwrap_or(false), flushed)
        });
        self.report(steps && flushed)
    }

    /// Runs the steps of all extensions at the same time. A step that panics counts as not done.
    fn run_shutdown_steps(&self, deadline: Duration) -> bool {
        let done = |(name, step): &(String, ShutdownStep)| {
            let done = catch(|| step(deadline));
            if done.is_err() {
                diagnostics::warn(format_args!("the shutdown step of `{name}` panicked"));
            }
            done.unwrap_or(false)
        };
        thread::scope(|scope| {
            let running: Vec<_> = self
                .0
                .shutdown_steps
                .iter()
                .map(|step| spawn_scoped(scope, Box::new(move || done(step))))
                .collect();
            running.into_iter().fold(true, |all, step| all & step.join().unwrap_or(false))
        })
    }

    /// Returns the value of this type that an [extension](crate::output::Extension) shares with
    /// [`Setup::share`](crate::output::Setup::share).
    #[must_use]
    pub fn shared<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.shared.get()
    }

    pub(crate) fn report(&self, flushed: bool) -> ShutdownReport {
        let row =
            |(name, read): &(String, ReadCounts)| Some(OutputReport { name: name.clone(), counts: read()? });
        let outputs = self.0.reports.iter().filter_map(row).collect();
        ShutdownReport { flushed, in_flight: self.in_flight(), outputs }
    }

    pub(crate) fn flush(&self, deadline: Duration) -> bool {
        self.0.sinks.flush(deadline)
    }

    /// The number of upgraded connections whose response body the framework has not dropped.
    /// actix-web keeps the body as long as the connection lasts.
    #[must_use]
    pub fn tunnels(&self) -> u64 {
        self.0.tunnels.load(Ordering::Relaxed)
    }

    /// Counts one more tunnel, until the guard is dropped.
    pub(crate) fn tunnel(&self) -> Tunnel {
        self.0.tunnels.fetch_add(1, Ordering::Relaxed);
        Tunnel(self.clone())
    }

    pub(crate) fn endpoints(&self) -> &Endpoints {
        &self.0.endpoints
    }

    #[inline]
    pub(crate) fn start_hook(&self) -> Option<&Hook<StartHook>> {
        self.0.start_hook.as_ref()
    }

    #[inline]
    pub(crate) fn on_start(&self, start: &Start) {
        self.0.sinks.on_start(start);
    }

    #[inline]
    pub(crate) fn on_finish(&self, record: &Record) {
        self.0.sinks.on_finish(record);
    }

    /// Calls the sinks with the record of a process that is about to abort.
    pub(crate) fn on_abort(&self, record: Record, limit: Duration) {
        self.0.sinks.on_abort(record, limit);
    }
}

impl Work {
    /// Returns the handle of `observer` for the same request: this handle, or that of an outer
    /// layer. `None` if neither belongs to `observer`.
    #[must_use]
    pub fn of(&self, observer: &Observer) -> Option<Self> {
        self.of_policy(observer.policy())
    }
}

// Handlers may catch panics around an observer. All shared state behind it is atomic, or behind a
// mutex whose poisoning is ignored.
impl UnwindSafe for Observer {}
impl RefUnwindSafe for Observer {}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").field("service", &self.0.policy.service.name).finish_non_exhaustive()
    }
}
