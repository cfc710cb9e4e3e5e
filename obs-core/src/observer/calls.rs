//! The start of a call that an observed client makes, and the interface through which work reports
//! to the outputs.

use std::sync::Arc;

use super::{Inner, Observer};
#[cfg(feature = "otel")]
use crate::record::span::WorkSpan;
use crate::{
    record::{finished::Record, start::Start, work_outputs::WorkOutputs},
    work::call::{head::CallHead, observation::CallObservation},
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
        let around = self.current().innermost().cloned();
        CallObservation::observed(self.work_outputs(), self.policy(), around, head)
    }

    fn work_outputs(&self) -> Arc<dyn WorkOutputs> {
        Arc::<Inner>::clone(&self.0)
    }
}

impl WorkOutputs for Inner {
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
