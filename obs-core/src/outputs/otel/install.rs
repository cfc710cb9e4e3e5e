//! Installation of spans into an observer.

use std::sync::Arc;

use super::{settings::Otel, sink::SpanSink};
use crate::{
    base::build_error::BuildError,
    extension::{installation::Extension, setup::Setup},
};

impl Extension for Otel {
    fn name(&self) -> &str {
        "spans"
    }

    fn install(self: Box<Self>, setup: &mut Setup<'_>) -> Result<(), BuildError> {
        let tracing = Arc::new(self.build(setup.service, setup.internal, setup.environment)?);
        setup.share(Arc::clone(&tracing));
        setup.sink(SpanSink::new(Arc::clone(&tracing)));
        if tracing.exports() {
            setup.report(move || tracing.counts());
        }
        Ok(())
    }
}
