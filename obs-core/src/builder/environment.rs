//! What the environment sets.

use std::time::Duration;

use super::{BuildError, ObserverBuilder, error::error};
use crate::{EventOutput, MetricNaming};

impl ObserverBuilder {
    /// Takes over what is set: wrong `OBS_*` values are errors.
    pub(super) fn read_environment(
        &mut self,
        get: impl Fn(&str) -> Option<String>,
    ) -> Result<(), BuildError> {
        let set = |name: &str| get(name).filter(|value| !value.trim().is_empty());
        if let Some(name) = set("OTEL_SERVICE_NAME") {
            self.service = name;
        }
        match set("OBS_EVENTS").as_deref() {
            None => {}
            Some("stdout") => self.events = EventOutput::stdout(),
            Some("off") => self.events = EventOutput::off(),
            Some(value) => return Err(error("OBS_EVENTS", value, "`stdout` or `off`")),
        }
        match set("OBS_METRICS_NAMING").as_deref() {
            None => {}
            Some("prometheus") => self.metrics.naming = MetricNaming::Prometheus,
            Some("opentelemetry") => self.metrics.naming = MetricNaming::OpenTelemetry,
            Some(value) => {
                return Err(error("OBS_METRICS_NAMING", value, "`prometheus` or `opentelemetry`"));
            }
        }
        for (setting, target) in
            [("OBS_DRAIN_DELAY", &mut self.drain.delay), ("OBS_DRAIN_TIMEOUT", &mut self.drain.timeout)]
        {
            if let Some(value) = set(setting) {
                *target = duration(&value)
                    .ok_or_else(|| error(setting, &value, "a duration such as `20s` or `500ms`"))?;
            }
        }
        Ok(())
    }
}

/// `20s`, `500ms`, or whole seconds without a unit.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Some(millis) = text.strip_suffix("ms") {
        return millis.trim().parse().ok().map(Duration::from_millis);
    }
    let seconds = text.strip_suffix('s').unwrap_or(text);
    seconds.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_wins_and_wrong_values_are_errors() {
        let environment = |pairs: &'static [(&str, &str)]| {
            move |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        };
        let mut settings = ObserverBuilder::new("test".to_owned());
        let good = environment(&[
            ("OTEL_SERVICE_NAME", "canary"),
            ("OBS_DRAIN_DELAY", "250ms"),
            ("OBS_DRAIN_TIMEOUT", "7"),
            ("OBS_EVENTS", ""),
        ]);
        settings.read_environment(good).expect("all right");
        assert_eq!(settings.service, "canary");
        assert_eq!(settings.drain.delay, Duration::from_millis(250));
        assert_eq!(settings.drain.timeout, Duration::from_secs(7));

        let wrong =
            ObserverBuilder::new("test".to_owned()).read_environment(environment(&[("OBS_EVENTS", "kafka")]));
        let message = wrong.expect_err("refused").to_string();
        assert_eq!(message, "`OBS_EVENTS` is \"kafka\", but should be `stdout` or `off`");
        let wrong = ObserverBuilder::new("test".to_owned())
            .read_environment(environment(&[("OBS_DRAIN_DELAY", "soon")]));
        assert!(wrong.expect_err("refused").to_string().contains("OBS_DRAIN_DELAY"));
    }
}
