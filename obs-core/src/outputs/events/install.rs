//! Installation of events into an observer.

use std::sync::Arc;

use super::{EventPipeline, keep::Keep, settings::Events};
use crate::{
    base::{build_error::BuildError, environment::Environment},
    extension::{installation::Extension, setup::Setup},
};

impl Extension for Events {
    fn name(&self) -> &str {
        "events"
    }

    fn configure(&mut self, environment: &Environment) -> Result<(), BuildError> {
        self.read_environment(environment)
    }

    fn check(&self, environment: &Environment) -> Result<(), BuildError> {
        self.check_settings(environment)
    }

    fn install(self: Box<Self>, setup: &mut Setup<'_>) -> Result<(), BuildError> {
        setup.parts.identities = self.identities();
        let Self { outputs, rules, sample_rate, excluded, excluded_statuses, headers, .. } = *self;
        setup.parts.exclusions.events = excluded;
        setup.parts.exclusions.statuses_of_events = excluded_statuses;
        headers.iter().for_each(|name| setup.record_header(name));
        let keep = Arc::new(Keep::new(rules, sample_rate));
        // The logs read it.
        setup.share(Arc::clone(&keep));
        let pipeline = EventPipeline::start(outputs, keep, setup).map_err(|error| {
            let setting = setup.environment.name_of(&["OBS_EVENTS"], &["events"]);
            BuildError::failed(setting, error)
        })?;
        if let Some(pipeline) = pipeline.map(Arc::new) {
            setup.sink(Arc::clone(&pipeline));
            setup.report(move || pipeline.counts());
        }
        Ok(())
    }
}
