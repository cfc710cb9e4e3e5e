//! The logs of an observer (feature `logs`).

use std::sync::Arc;

use super::Observer;
use crate::outputs::logs::{LogPipeline, levels::LogLevels};

impl Observer {
    /// The levels at which log lines are written. They can change while the service runs.
    ///
    /// ```
    /// # let observer = obs_core::Observer::builder("shop").no_environment().build()?;
    /// observer.log_levels().set("info,hyper=debug")?;
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    #[must_use]
    pub fn log_levels(&self) -> Arc<LogLevels> {
        Arc::clone(self.log_pipeline().levels())
    }

    /// The pipeline that passes log lines to the outputs. Code that creates log lines without
    /// `tracing` or `log` writes to it.
    #[must_use]
    pub fn log_pipeline(&self) -> Arc<LogPipeline> {
        match self.shared() {
            Some(pipeline) => pipeline,
            None => unreachable!("each observer has logs"),
        }
    }
}
