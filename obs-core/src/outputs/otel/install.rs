//! Installation of spans into an observer.

use std::sync::Arc;

use super::{environment, settings::Otel, sink::SpanSink};
use crate::{
    base::{build_error::BuildError, environment::Environment},
    extension::{installation::Extension, setup::Setup},
    outputs::exception::ExceptionSignal,
};

/// The spans of an observer: their settings, or `None` if it has no spans. The environment can
/// switch them on and off.
pub(crate) struct SpanExport(pub(crate) Option<Otel>);

impl Extension for SpanExport {
    fn name(&self) -> &str {
        "spans"
    }

    fn configure(&mut self, environment: &Environment) -> Result<(), BuildError> {
        let mut warnings = Vec::new();
        self.0 = environment::apply(self.0.take(), &|name| environment.get(name), &mut warnings);
        warnings.into_iter().for_each(|warning| environment.warn(warning));
        if let Some(list) = environment.get("OTEL_RESOURCE_ATTRIBUTES") {
            environment::resource(&mut self.0, &list);
        }
        self.0.iter_mut().try_for_each(|otel| otel.read_variables(environment))
    }

    fn check(&self, environment: &Environment) -> Result<(), BuildError> {
        self.0.iter().try_for_each(|otel| otel.check_values(environment))
    }

    fn install(self: Box<Self>, setup: &mut Setup<'_>) -> Result<(), BuildError> {
        let Some(otel) = self.0 else { return Ok(()) };
        let mut tracing = otel.build(setup.service, setup.internal, setup.environment, setup.redactor)?;
        // The logs share it if they contain the exceptions.
        let signal = setup.parts.shared.get::<ExceptionSignal>();
        tracing.set_exceptions(signal.is_none_or(|signal| signal.is_in_spans()));
        let tracing = Arc::new(tracing);
        setup.share(Arc::clone(&tracing));
        setup.sink(SpanSink::new(Arc::clone(&tracing)));
        if tracing.exports() {
            setup.report(move || tracing.counts());
        }
        Ok(())
    }
}
