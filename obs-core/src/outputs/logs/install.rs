//! Installation of logs into an observer.

use std::{sync::Arc, time::Duration};

#[cfg(feature = "otlp")]
use super::exceptions::ExceptionRecords;
use super::{LogPipeline, collected::CollectedLines, settings::Logs};
use crate::{
    base::{build_error::BuildError, environment::Environment},
    extension::{installation::Extension, setup::Setup},
};

/// The time for which the drop of the last observer waits for remaining lines.
const DROP_FLUSH: Duration = Duration::from_secs(1);

impl Extension for Logs {
    fn name(&self) -> &str {
        "logs"
    }

    fn configure(&mut self, environment: &Environment) -> Result<(), BuildError> {
        self.read_environment(environment)
    }

    fn check(&self, environment: &Environment) -> Result<(), BuildError> {
        self.check_settings(environment)
    }

    fn install(self: Box<Self>, setup: &mut Setup<'_>) -> Result<(), BuildError> {
        setup.parts.tracing_span = self.tracing_span;
        #[cfg(feature = "otlp")]
        let exceptions = self.exceptions;
        let pipeline = Arc::new(LogPipeline::start(*self, setup)?);
        #[cfg(feature = "otlp")]
        if exceptions.is_in_logs() {
            setup.sink(ExceptionRecords(Arc::clone(&pipeline)));
            // The spans read it.
            setup.share(Arc::new(exceptions));
        }
        pipeline.summaries.set(&pipeline);
        let (flushed, reported) = (Arc::clone(&pipeline), Arc::clone(&pipeline));
        if pipeline.collection.is_some() {
            setup.sink(CollectedLines(Arc::clone(&pipeline)));
        }
        if pipeline.has_outputs() {
            setup.on_shutdown(move |deadline| flushed.flush(deadline));
            setup.report_if_used(move || reported.counts());
        }
        setup.share(Arc::new(FlushAtEnd(Arc::clone(&pipeline))));
        setup.share(pipeline);
        Ok(())
    }
}

/// Flushes the lines when the last observer is dropped. The subscriber of the process keeps the
/// pipeline, so the pipeline itself is never dropped.
struct FlushAtEnd(Arc<LogPipeline>);

impl Drop for FlushAtEnd {
    fn drop(&mut self) {
        self.0.flush(DROP_FLUSH);
    }
}
