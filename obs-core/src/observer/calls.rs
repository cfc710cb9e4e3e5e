//! The start of a call that an observed client makes, and the interface through which work reports
//! to the outputs.

use std::{any::Any, borrow::Cow, sync::Arc};

use super::{Inner, Observer};
#[cfg(feature = "metrics")]
use crate::outputs::metrics::MetricSink;
#[cfg(feature = "otel")]
use crate::record::span::WorkSpan;
use crate::{
    record::{
        finished::Record,
        pool_state::{PoolState, PoolWaits},
        start::Start,
        work_outputs::WorkOutputs,
    },
    work::{
        call::{guard::CallGuard, head::CallHead, observation::CallObservation},
        handle::Work,
    },
};

impl Observer {
    /// For clients: starts the observation of a call.
    ///
    /// If work of this observer is current, the call belongs to it: it has the same trace and
    /// request id, and an entry in the event of this work. Otherwise it begins a trace.
    ///
    /// ```
    /// use obs_core::{Observer, adapter::CallHead};
    ///
    /// let observer = Observer::builder("shop").no_environment().build()?;
    /// let mut call = observer.start_call(&CallHead::http("GET", "https", "api.example.com"));
    /// call.responded(204, &());
    /// call.finish();
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    pub fn start_call(&self, head: &CallHead<'_>) -> CallObservation {
        enable_calls(&*self.0.metrics);
        let around = self.current().innermost().cloned();
        CallObservation::observed(self.work_outputs(), self.policy(), around, head)
    }

    /// Shows a pool of connections to a database in the metrics `db_client_connection_count`,
    /// `_max` and `_pending_requests`. Another pool of the same name is replaced. The returned
    /// value counts the waits for a connection.
    ///
    /// `read` is called at each scrape, and must not block. If it returns `None`, the pool is
    /// closed: it is removed, and `read` is dropped.
    ///
    /// ```
    /// use obs_core::{Observer, adapter::PoolState};
    ///
    /// let observer = Observer::builder("shop").no_environment().build()?;
    /// observer.connection_pool("orders", || {
    ///     Some(PoolState { idle: 3, used: 1, max: Some(10), pending: None })
    /// });
    /// let line = r#"db_client_connection_count{pool="orders",state="idle"} 3"#;
    /// assert!(observer.metrics_text().contains(line));
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    pub fn connection_pool(
        &self,
        name: impl Into<String>,
        read: impl Fn() -> Option<PoolState> + Send + 'static,
    ) -> PoolWaits {
        #[cfg(feature = "metrics")]
        return self.0.metrics.pools().add(name.into(), Box::new(read));
        #[cfg(not(feature = "metrics"))]
        {
            let _ = (name.into(), read);
            PoolWaits::default()
        }
    }

    fn work_outputs(&self) -> Arc<dyn WorkOutputs> {
        Arc::<Inner>::clone(&self.0)
    }
}

impl Work {
    /// Starts a call to a dependency. The call ends when the returned guard is dropped.
    ///
    /// The record and the event of the request contain the number, duration and errors of the calls
    /// to each dependency. Clients that are observed, such as those of the crate `obs-client`,
    /// record their calls themselves.
    pub fn call(&self, dependency: impl Into<Cow<'static, str>>) -> CallGuard {
        if let Some(outputs) = self.innermost().and_then(|around| around.policy.outputs()) {
            outputs.enable_calls(enable_calls);
        }
        CallGuard::start(self.innermost().cloned(), dependency.into())
    }

    /// Starts the observation of a call in this work, for a client that does not have the observer.
    /// `None` outside of work, and after the end of the observer.
    ///
    /// A client that has the observer uses [`Observer::start_call`](crate::Observer::start_call),
    /// which also works outside of work.
    ///
    /// ```
    /// use obs_core::{adapter::CallHead, current};
    ///
    /// let head = CallHead::http("GET", "https", "api.example.com").path("/items/7");
    /// assert!(current().start_call(&head).is_none()); // there is no work
    /// ```
    #[must_use]
    pub fn start_call(&self, head: &CallHead<'_>) -> Option<CallObservation> {
        let around = self.innermost()?;
        let outputs = around.policy.outputs()?;
        outputs.enable_calls(enable_calls);
        Some(CallObservation::observed(outputs, &around.policy, Some(Arc::clone(around)), head))
    }
}

/// Enables the metrics of calls in the metrics of an observer. Only the methods that start calls
/// refer to it.
fn enable_calls(metrics: &dyn Any) {
    #[cfg(feature = "metrics")]
    if let Some(metrics) = metrics.downcast_ref::<MetricSink>() {
        metrics.enable_calls();
    }
    #[cfg(not(feature = "metrics"))]
    let _ = metrics;
}

impl WorkOutputs for Inner {
    fn enable_calls(&self, enable: fn(&dyn Any)) {
        enable(&*self.metrics);
    }

    fn on_start(&self, start: &Start) {
        self.sinks.on_start(start);
    }

    fn on_finish(&self, record: &Record) {
        self.sinks.on_finish(record);
    }

    fn is_draining(&self) -> bool {
        self.health.is_draining()
    }

    #[cfg(feature = "otel")]
    fn start_inner_span(&self, start: &mut Start, parent: Option<&WorkSpan>) -> Option<WorkSpan> {
        self.tracing.as_ref()?.start_inner(start, parent)
    }
}
