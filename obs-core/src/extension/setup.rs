//! The parts that extensions install.

use std::{any::Any, fmt, sync::Arc, time::Duration};

use crate::{
    base::{build_error::BuildError, counter::Counter, diagnostics, environment::Environment},
    extension::{
        installation::Extension,
        internal_metrics::{InternalLabel, InternalMetrics},
        report::OutputCounts,
        sink::RecordSink,
    },
    http::{answer::EndpointFuture, head::RequestHead},
    record::service::Service,
    redact::Redactor,
};

#[cfg(feature = "tokio")]
use crate::extension::check::Check;

/// Answers requests for an endpoint.
pub(crate) type Respond = Box<dyn Fn(&RequestHead<'_>) -> EndpointFuture + Send + Sync>;

/// A step of the shutdown: it gets the time that is left, and returns whether it was done in time.
pub(crate) type ShutdownStep = Box<dyn Fn(Duration) -> bool + Send + Sync>;

/// Reads the counts of an output.
pub(crate) type ReadCounts = Box<dyn Fn() -> OutputCounts + Send + Sync>;

/// The object with which an [`Extension`](crate::output::Extension) installs its parts.
///
/// [`Extension`](crate::output::Extension) has an example.
pub struct Setup<'a> {
    pub(crate) service: &'a Service,
    pub(crate) redactor: &'a Redactor,
    pub(crate) internal: &'a Arc<InternalMetrics>,
    pub(crate) environment: &'a Environment,
    pub(crate) parts: Parts,
    /// The name of the extension that is being installed.
    pub(crate) name: String,
}

/// All parts that were installed.
#[derive(Default)]
pub(crate) struct Parts {
    /// The names of all extensions.
    names: Vec<String>,
    pub(crate) sinks: Vec<Box<dyn RecordSink>>,
    /// The number of built-in sinks, which come first.
    pub(crate) own_sinks: usize,
    pub(crate) endpoints: Vec<(String, Respond)>,
    #[cfg(feature = "tokio")]
    pub(crate) checks: Vec<Check>,
    pub(crate) shutdown_steps: Vec<(String, ShutdownStep)>,
    pub(crate) reports: Vec<(String, ReadCounts)>,
    pub(crate) shared: SharedValues,
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
    pub(crate) fn install(&mut self, mut extension: Box<dyn Extension>) -> Result<(), BuildError> {
        extension.name().clone_into(&mut self.name);
        if self.parts.names.contains(&self.name) {
            return Err(BuildError::new("extension", &*self.name, "a name that no other extension has"));
        }
        self.parts.names.push(self.name.clone());
        if self.environment.is_read() {
            extension.configure(self.environment)?;
        }
        extension.install(self)
    }

    /// The observed service.
    #[must_use]
    pub const fn service(&self) -> &Service {
        self.service
    }

    /// The observer's redactor, for texts that reach an output in another way than through a
    /// record.
    #[must_use]
    pub const fn redactor(&self) -> &Redactor {
        self.redactor
    }

    /// Adds a sink of records.
    pub fn sink(&mut self, sink: impl RecordSink) {
        self.parts.sinks.push(Box::new(sink));
    }

    /// Adds a counter about the extension itself to `/metrics`. It exists with value 0 from the
    /// start.
    ///
    /// # Errors
    /// If the name does not begin with `obs_` and end with `_total`, or if another extension has
    /// it.
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
    /// If the name does not begin with `obs_`, if it ends with `_total`, or if another extension
    /// has it.
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

    /// Adds an endpoint at an exact path, such as `/debug/queue`. If the application has a route of
    /// its own at that path, that route wins, and a warning is logged once.
    ///
    /// `respond` is called on the thread of the request, for all methods. If it panics, the answer
    /// is a 500.
    pub fn endpoint(
        &mut self,
        path: impl Into<String>,
        respond: impl Fn(&RequestHead<'_>) -> EndpointFuture + Send + Sync + 'static,
    ) {
        self.parts.endpoints.push((path.into(), Box::new(respond)));
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
        self.parts.checks.push(Check::new(name.into(), timeout, check));
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
        self.parts.reports.push((self.name.clone(), Box::new(read)));
    }

    /// Shares a value with the application, which gets it by its type:
    /// [`Observer::shared`](crate::Observer::shared). The first value of a type wins.
    pub fn share<T: Send + Sync + 'static>(&mut self, value: Arc<T>) {
        self.parts.shared.0.push(value);
    }

    /// Logs a warning, for an invalid setting from outside that is ignored.
    pub fn warn(&self, message: &str) {
        diagnostics::warn(format_args!("{}: {message}", self.name));
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

fn owned(labels: &[(&'static str, &str)]) -> Vec<InternalLabel> {
    labels.iter().map(|(name, value)| (*name, (*value).to_owned().into())).collect()
}

impl fmt::Debug for Setup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("extension", &self.name).finish_non_exhaustive()
    }
}
