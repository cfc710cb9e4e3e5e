//! Installs the events into an observer.

use std::sync::Arc;

use super::{EventPipeline, settings::Events};
use crate::{
    base::build_error::BuildError,
    extension::{installation::Extension, setup::Setup},
};

impl Extension for Events {
    fn name(&self) -> &str {
        "events"
    }

    fn install(self: Box<Self>, setup: &mut Setup<'_>) -> Result<(), BuildError> {
        let Self { outputs, keep, .. } = *self;
        let pipeline =
            EventPipeline::start(outputs, keep, setup.service, setup.internal).map_err(|error| {
                BuildError::new(
                    "events",
                    error.to_string(),
                    "outputs that can be opened, and a thread for each",
                )
            })?;
        if let Some(pipeline) = pipeline.map(Arc::new) {
            setup.sink(Arc::clone(&pipeline));
            setup.report(move || pipeline.counts());
        }
        Ok(())
    }
}
