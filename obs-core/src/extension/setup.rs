//! The parts that extensions install.

use std::{any::Any, fmt, sync::Arc, time::Duration};

use crate::{
    base::{build_error::BuildError, counter::Counter, environment::Environment},
    extension::{
        installation::Extension,
        internal_metrics::{InternalLabel, InternalMetrics},
        report::OutputCounts,
        sink::{RecordSink, sink_errors},
    },
    http::{
        answer::{Answer, EndpointFuture},
        head::RequestHead,
        method::Method,
    },
    record::{endpoint::Endpoint, hook::Hook, identity::IdentityPolicy, route::Exclusions, service::Service},
    redact::{Redactor, diagnostics},
    work::handle::Work,
};

#[cfg(feature = "tokio")]
use crate::extension::check::{Check, HealthCheck};

/// Answers requests for an endpoint.
pub(crate) type Respond = Box<dyn Fn(&RequestHead<'_>) -> EndpointFuture + Send + Sync>;

/// A function that is called at the start of each request.
pub(crate) type StartHook = dyn Fn(&RequestHead<'_>, &Work) + Send + Sync;

/// A step of the shutdown: it gets the time that is left, and returns whether it was done in time.
pub(crate) type ShutdownStep = Box<dyn Fn(Duration) -> bool + Send + Sync>;

/// Reads the counts of an output. `None` for an output that nobody uses.
pub(crate) type ReadCounts = Box<dyn Fn() -> Option<OutputCounts> + Send + Sync>;

/// A step of the installation that runs when all parts are installed.
type LateStep = Box<dyn FnOnce(&mut Setup<'_>) -> Result<(), BuildError>>;

/// An endpoint and the function that answers it.
pub(crate) struct InstalledEndpoint {
    pub(crate) endpoint: Endpoint,
    pub(crate) path: String,
    pub(crate) respond: Respond,
}

/// The object with which an [`Extension`](crate::output::Extension) installs its parts.
///
/// [`Extension`](crate::output::Extension) has an example.
pub struct Setup<'a> {
    pub(crate) service: &'a Service,
    pub(crate) redactor: &'a Redactor,
    pub(crate) internal: &'a Arc<InternalMetrics>,
    pub(crate) environment: &'a Environment,
    /// The paths of the built-in endpoints; none if they are switched off.
    pub(crate) paths: &'a [(Endpoint, String)],
    pub(crate) parts: Parts,
    /// The name of the extension that is being installed.
    pub(crate) name: String,
}

/// All parts that were installed.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) sinks: Vec<Box<dyn RecordSink>>,
    /// The number of built-in sinks, which come first.
    pub(crate) own_sinks: usize,
    /// The built-in ones come first.
    pub(crate) endpoints: Vec<InstalledEndpoint>,
    /// Each with the name of its extension.
    late_steps: Vec<(String, LateStep)>,
    /// The function of the application that is called at each start.
    pub(crate) start_hook: Option<Hook<StartHook>>,
    /// The routes that events and metrics exclude.
    pub(crate) exclusions: Exclusions,
    /// The form in which records identify clients and users.
    pub(crate) identities: IdentityPolicy,
    /// The headers that records contain, in lower case.
    pub(crate) recorded_headers: Vec<Arc<str>>,
    #[cfg(feature = "tokio")]
    pub(crate) checks: Vec<Box<dyn HealthCheck>>,
    pub(crate) shutdown_steps: Vec<(String, ShutdownStep)>,
    pub(crate) reports: Vec<(String, ReadCounts)>,
    pub(crate) shared: SharedValues,
    /// True if each request has a span of `tracing`.
    #[cfg(feature = "logs")]
    pub(crate) tracing_span: bool,
}

/// Values that extensions share with the application, one for each type.
#[derive(Default)]
pub(crate) struct SharedValues(Vec<Arc<dyn Any + Send + Sync>>);

impl SharedValues {
    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.iter().find_map(|value| Arc::clone(value).downcast().ok())
    }
}

impl Setup<'_> {
    /// Installs an extension.
    pub(crate) fn install(&mut self, extension: Box<dyn Extension>) -> Result<(), BuildError> {
        extension.name().clone_into(&mut self.name);
        extension.install(self)
    }

    /// Runs the late steps, the last one first. So the step of the metrics runs at the end, when
    /// all internal metrics exist.
    pub(crate) fn run_late_steps(&mut self) -> Result<(), BuildError> {
        while let Some((name, step)) = self.parts.late_steps.pop() {
            self.name = name;
            step(self)?;
        }
        Ok(())
    }

    /// The observed service.
    #[must_use]
    pub const fn service(&self) -> &Service {
        self.service
    }

    /// The observer's redactor. Use it for other texts than those of a record, which are already
    /// masked.
    #[must_use]
    pub const fn redactor(&self) -> &Redactor {
        self.redactor
    }

    /// Adds a sink of records.
    pub fn sink(&mut self, sink: impl RecordSink) {
        self.boxed_sink(Box::new(sink));
    }

    pub(crate) fn boxed_sink(&mut self, sink: Box<dyn RecordSink>) {
        // The counter must exist before the late step of the metrics.
        sink_errors(self.internal, sink.name());
        self.parts.sinks.push(sink);
    }

    /// Records a request header, as [`Events::headers`](crate::Events::headers) does. Sinks find it
    /// in [`RequestStart::headers`](crate::output::RequestStart::headers), and events contain it.
    ///
    /// ```
    /// use obs_core::{BuildError, Observer, output::{Extension, Setup}};
    ///
    /// struct Tenants;
    /// impl Extension for Tenants {
    ///     fn name(&self) -> &str { "tenants" }
    ///     fn install(self: Box<Self>, setup: &mut Setup<'_>) -> Result<(), BuildError> {
    ///         setup.record_header("x-tenant");
    ///         // … and a sink that reads it
    ///         Ok(())
    ///     }
    /// }
    /// let observer = Observer::builder("shop").no_environment().extension(Tenants).build()?;
    /// # Ok::<(), BuildError>(())
    /// ```
    pub fn record_header(&mut self, name: &str) {
        let name = Arc::from(name.to_ascii_lowercase());
        if !self.parts.recorded_headers.contains(&name) {
            self.parts.recorded_headers.push(name);
        }
    }

    /// Adds a counter about the extension itself to `/metrics`. It exists with value 0 from the
    /// start.
    ///
    /// # Errors
    /// Returns an error if the name does not begin with `obs_`, if it does not end with `_total`,
    /// or if another extension has a metric of this name.
    pub fn counter(
        &mut self,
        family: &'static str,
        help: &'static str,
        labels: &[(&'static str, &str)],
    ) -> Result<Arc<Counter>, BuildError> {
        self.check_family(family, family.ends_with("_total"), "obs_…_total", labels)?;
        Ok(self.internal.counter(family, help, &owned(labels)))
    }

    /// Adds a gauge about the extension itself to `/metrics`. It is read at each scrape.
    ///
    /// # Errors
    /// Returns an error if the name does not begin with `obs_`, if it ends with `_total`, or if
    /// another extension has a metric of this name.
    pub fn gauge(
        &mut self,
        family: &'static str,
        help: &'static str,
        labels: &[(&'static str, &str)],
        read: impl Fn() -> u64 + Send + 'static,
    ) -> Result<(), BuildError> {
        self.check_family(family, !family.ends_with("_total"), "obs_… without _total", labels)?;
        self.internal.gauge(family, help, &owned(labels), read);
        Ok(())
    }

    /// Adds an endpoint at an exact path, such as `/debug/queue`. If the application has a route
    /// with exactly this text, that route wins, and a warning is logged once. If a route with
    /// parameters matches the path, it wins for methods other than `GET` and `HEAD`.
    ///
    /// `respond` is called on the thread of the request, for all methods. If it panics, the answer
    /// is a 500.
    pub fn endpoint(
        &mut self,
        path: impl Into<String>,
        respond: impl Fn(&RequestHead<'_>) -> EndpointFuture + Send + Sync + 'static,
    ) {
        self.boxed_endpoint(path.into(), Box::new(respond));
    }

    fn boxed_endpoint(&mut self, path: String, respond: Respond) {
        let extensions = self.parts.endpoints.len().saturating_sub(self.own_endpoints());
        let endpoint = Endpoint::Extension(extensions);
        self.parts.endpoints.push(InstalledEndpoint { endpoint, path, respond });
    }

    /// Adds a read-only [endpoint](Self::endpoint). It answers methods other than `GET` and `HEAD`
    /// with 405.
    ///
    /// ```
    /// use obs_core::{
    ///     BuildError, Observer,
    ///     adapter::{Answer, RequestHead},
    ///     output::{Extension, Setup},
    /// };
    ///
    /// struct Version;
    /// impl Extension for Version {
    ///     fn name(&self) -> &str { "version" }
    ///     fn install(self: Box<Self>, setup: &mut Setup<'_>) -> Result<(), BuildError> {
    ///         setup.page("/version", |_| Answer::new(200, "text/plain", "1.2").into());
    ///         Ok(())
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), BuildError> {
    /// let observer = Observer::builder("shop").no_environment().extension(Version).build()?;
    /// let posted = observer.endpoint(&RequestHead::new("POST", "/version", &())).unwrap();
    /// assert_eq!(posted.await.status(), 405);
    /// # Ok(()) }
    /// ```
    pub fn page(
        &mut self,
        path: impl Into<String>,
        respond: impl Fn(&RequestHead<'_>) -> EndpointFuture + Send + Sync + 'static,
    ) {
        self.boxed_endpoint(path.into(), read_only(Box::new(respond)));
    }

    /// Adds the page of a built-in endpoint at its path in the builder's settings.
    pub(crate) fn own_page(&mut self, endpoint: Endpoint, respond: Respond) {
        let Some((_, path)) = self.paths.iter().find(|(own, _)| *own == endpoint) else { return };
        let (path, respond) = (path.clone(), read_only(respond));
        self.parts.endpoints.insert(self.own_endpoints(), InstalledEndpoint { endpoint, path, respond });
    }

    fn own_endpoints(&self) -> usize {
        let own = |installed: &&InstalledEndpoint| !matches!(installed.endpoint, Endpoint::Extension(_));
        self.parts.endpoints.iter().take_while(own).count()
    }

    /// Runs `step` after all extensions have installed their parts. It is for a part that depends
    /// on the parts of other extensions. The step of the last extension runs first.
    ///
    /// ```
    /// use obs_core::{BuildError, Observer, output::{Extension, Setup}};
    ///
    /// struct Pages;
    /// impl Extension for Pages {
    ///     fn name(&self) -> &str { "pages" }
    ///     fn install(self: Box<Self>, setup: &mut Setup<'_>) -> Result<(), BuildError> {
    ///         setup.when_all_are_installed(|setup| {
    ///             setup.counter("obs_pages_total", "Pages that were shown.", &[])?;
    ///             Ok(())
    ///         });
    ///         Ok(())
    ///     }
    /// }
    /// let observer = Observer::builder("shop").no_environment().extension(Pages).build()?;
    /// assert!(observer.metrics_text().contains("obs_pages_total 0"));
    /// # Ok::<(), BuildError>(())
    /// ```
    pub fn when_all_are_installed(
        &mut self,
        step: impl FnOnce(&mut Setup<'_>) -> Result<(), BuildError> + 'static,
    ) {
        self.parts.late_steps.push((self.name.clone(), Box::new(step)));
    }

    /// Adds a health check, which `/readyz` and `/health` run: see
    /// [`ObserverBuilder::check_within`](crate::ObserverBuilder::check_within).
    #[cfg(feature = "tokio")]
    pub fn check<F, E>(
        &mut self,
        timeout: Duration,
        name: impl Into<String>,
        check: impl Fn() -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        self.parts.checks.push(Box::new(Check::new(name.into(), timeout, check)));
    }

    /// Adds a step to the shutdown. It receives the time that is left, and returns true if it was
    /// done in time.
    ///
    /// All steps run at the same time, each on a separate thread, while the sinks are flushed.
    pub fn on_shutdown(&mut self, step: impl Fn(Duration) -> bool + Send + Sync + 'static) {
        self.parts.shutdown_steps.push((self.name.clone(), Box::new(step)));
    }

    /// Adds the extension's row to the report of a shutdown.
    pub fn report(&mut self, read: impl Fn() -> OutputCounts + Send + Sync + 'static) {
        self.parts.reports.push((self.name.clone(), Box::new(move || Some(read()))));
    }

    /// Adds the extension's row, which is absent as long as all its counts are 0.
    #[cfg(feature = "logs")]
    pub(crate) fn report_if_used(&mut self, read: impl Fn() -> OutputCounts + Send + Sync + 'static) {
        let read = move || Some(read()).filter(|counts| *counts != OutputCounts::default());
        self.parts.reports.push((self.name.clone(), Box::new(read)));
    }

    /// Shares a value with the application, which gets it by its type:
    /// [`Observer::shared`](crate::Observer::shared). The first value of a type wins.
    pub fn share<T: Send + Sync + 'static>(&mut self, value: Arc<T>) {
        self.parts.shared.0.push(value);
    }

    /// Logs a warning, such as the message that an invalid value of a variable is ignored.
    pub fn warn(&self, message: &str) {
        diagnostics::warn(format_args!("{}: {}", self.name, self.redactor.text(message)));
    }

    fn check_family(
        &self,
        family: &'static str,
        valid_end: bool,
        expected: &'static str,
        labels: &[(&'static str, &str)],
    ) -> Result<(), BuildError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let valid = |name: &str| !name.is_empty() && name.bytes().all(allowed);
        if !family.starts_with("obs_") || !valid_end || !valid(family) {
            return Err(BuildError::new("extension", format!("{}: {family}", self.name), expected));
        }
        if labels.is_empty() && self.internal.has(family) {
            let expected = "a metric that no other extension has";
            return Err(BuildError::new("extension", format!("{}: {family}", self.name), expected));
        }
        match labels.iter().find(|(label, _)| !valid(label) || *label == "le") {
            Some((label, _)) => Err(BuildError::new(
                "extension",
                format!("{}: {label}", self.name),
                "a label such as `reason`",
            )),
            None => Ok(()),
        }
    }
}

/// Answers methods other than `GET` and `HEAD` with 405.
fn read_only(respond: Respond) -> Respond {
    Box::new(move |head| match Method::parse(head.method) {
        Method::Get | Method::Head => respond(head),
        _ => {
            let answer = Answer::new(405, "text/plain; charset=utf-8", "only GET and HEAD are allowed\n");
            answer.header("allow", "GET, HEAD").into()
        }
    })
}

fn owned(labels: &[(&'static str, &str)]) -> Vec<InternalLabel> {
    labels.iter().map(|(name, value)| (*name, (*value).to_owned().into())).collect()
}

impl fmt::Debug for Setup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("extension", &self.name).finish_non_exhaustive()
    }
}
