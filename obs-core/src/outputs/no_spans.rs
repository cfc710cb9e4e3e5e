//! The extension `spans` of a service that is built without the feature `otel`. It only warns if
//! the environment enables spans.

use crate::{
    base::{build_error::BuildError, environment::Environment},
    extension::{installation::Extension, setup::Setup},
};

/// An extension that installs nothing. It warns if the environment enables spans.
pub(crate) struct NoSpans;

impl Extension for NoSpans {
    fn name(&self) -> &str {
        "spans"
    }

    fn configure(&mut self, environment: &Environment) -> Result<(), BuildError> {
        let names = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
        let off =
            environment.get("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
                || environment.get("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
        if let Some(name) = names.iter().find(|name| environment.get(name).is_some()).filter(|_| !off) {
            environment.warn(format!(
                "`{name}` is set, but this service is built without the feature `otel`, so no spans are exported"
            ));
        }
        Ok(())
    }

    fn install(self: Box<Self>, _: &mut Setup<'_>) -> Result<(), BuildError> {
        Ok(())
    }
}
