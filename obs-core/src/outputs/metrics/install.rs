//! Installation of metrics into an observer.

use std::sync::Arc;

use super::{MetricSink, settings::Metrics};
use crate::{
    base::build_error::BuildError,
    extension::{installation::Extension, setup::Setup},
};

impl Extension for Metrics {
    fn name(&self) -> &str {
        "metrics"
    }

    fn install(self: Box<Self>, setup: &mut Setup<'_>) -> Result<(), BuildError> {
        let metrics = Arc::new(MetricSink::new(&self, Arc::clone(setup.internal)));
        setup.share(Arc::clone(&metrics));
        setup.sink(metrics);
        Ok(())
    }
}
