//! What the environment sets.

use std::time::Duration;

use super::ObserverBuilder;
use crate::base::build_error::{BuildError, error};
#[cfg(feature = "otel")]
use crate::outputs::otel;
use crate::{
    base::text::{fraction, percent_decoded},
    http::method::KnownMethods,
    outputs::{
        events::{file::EventFile, output::EventOutput},
        metrics::settings::MetricNaming,
    },
    trace::propagation::Propagators,
};

impl ObserverBuilder {
    /// Takes over what is set: wrong `OBS_*` values are errors.
    pub(super) fn read_environment(
        &mut self,
        get: impl Fn(&str) -> Option<String>,
    ) -> Result<(), BuildError> {
        let set = |name: &str| get(name).filter(|value| !value.trim().is_empty());
        for (name, value) in set("OTEL_RESOURCE_ATTRIBUTES").iter().flat_map(|list| resource_attributes(list))
        {
            match name {
                "service.name" => self.service.name = value.into(),
                "service.version" => self.service.version = Some(value),
                "service.instance.id" => self.service.instance = value,
                "deployment.environment.name" | "deployment.environment" => {
                    self.service.environment = Some(value);
                }
                _ => {}
            }
        }
        if let Some(name) = set("OTEL_SERVICE_NAME") {
            self.service.name = name.into();
        }
        if let Some(list) = set("OTEL_PROPAGATORS") {
            self.read_propagators(&list);
        }
        if let Some(list) = set("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS") {
            self.read_methods(&list);
        }
        self.read_otel(&get);
        if let Some(list) = set("OBS_TRUSTED_PROXIES") {
            let networks = list.split(',').map(str::trim).filter(|network| !network.is_empty());
            self.trusted_proxies = networks.map(str::to_owned).collect();
        }
        if let Some(outputs) = set("OBS_EVENTS") {
            self.events.outputs = Some(event_outputs(&outputs)?);
        }
        if let Some(rate) = set("OBS_EVENTS_SAMPLE_RATE") {
            self.events.keep.rate = fraction(rate.trim())
                .ok_or_else(|| error("OBS_EVENTS_SAMPLE_RATE", &rate, "a number between 0 and 1"))?;
        }
        if let Some(key) = set("OBS_HASH_KEY") {
            self.events.hash_key = Some(key.into_bytes());
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

impl ObserverBuilder {
    /// Those that are registered replace the ones that are known otherwise (semantic conventions for HTTP, `http.request.method`).
    fn read_methods(&mut self, list: &str) {
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        let (known, unknown): (Vec<_>, Vec<_>) = names.partition(|name| KnownMethods::new([*name]).is_ok());
        self.known_methods = Some(known.into_iter().map(str::to_owned).collect());
        for name in unknown {
            self.warnings.push(format!(
                "`OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS` has \"{name}\", but should have methods that are registered; it is ignored"
            ));
        }
    }

    /// What is not a format that we know is named once and ignored.
    fn read_propagators(&mut self, list: &str) {
        let (propagators, unknown) = Propagators::from_list(list);
        if unknown.is_empty() || !propagators.is_empty() {
            self.propagators = propagators;
        }
        for name in unknown {
            self.warnings.push(format!(
                "`OTEL_PROPAGATORS` has \"{name}\", but should have `tracecontext`, `baggage`, `b3`, `b3multi` or `jaeger`; it is ignored"
            ));
        }
    }

    #[cfg(feature = "otel")]
    fn read_otel(&mut self, get: &dyn Fn(&str) -> Option<String>) {
        self.otel = otel::environment::apply(self.otel.take(), get, &mut self.warnings);
        if let Some(list) = get("OTEL_RESOURCE_ATTRIBUTES") {
            otel::environment::resource(&mut self.otel, &list);
        }
    }

    /// Whoever sets it wants spans, and this build makes none.
    #[cfg(not(feature = "otel"))]
    fn read_otel(&mut self, get: &dyn Fn(&str) -> Option<String>) {
        let names = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
        let off = get("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || get("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
        let set = |name: &&str| get(name).is_some_and(|value| !value.trim().is_empty());
        if let Some(name) = names.iter().find(|name| set(name)).filter(|_| !off) {
            self.warnings.push(format!(
                "`{name}` is set, but this service is built without the feature `otel`, so no spans are exported"
            ));
        }
    }
}

/// `stdout`, `off`, `file:/var/log/shop/events.jsonl`, or several with commas between them.
fn event_outputs(list: &str) -> Result<Vec<EventOutput>, BuildError> {
    let expected = "`stdout`, `off`, or `file:` and a path; several with commas between them";
    let names = list.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "off");
    let output = |name: &str| match name.strip_prefix("file:") {
        Some(path) if !path.is_empty() => Ok(EventOutput::file(EventFile::new(path))),
        None if name == "stdout" => Ok(EventOutput::stdout()),
        _ => Err(error("OBS_EVENTS", list, expected)),
    };
    names.map(output).collect()
}

/// `key=value` with commas between them, values percent-encoded as in baggage (OpenTelemetry's specification, "Resource SDK"). What
/// is not so is left out: it comes from outside.
fn resource_attributes(list: &str) -> impl Iterator<Item = (&str, String)> {
    let pairs = list.split(',').filter_map(|pair| pair.split_once('='));
    let pairs = pairs.map(|(name, value)| (name.trim(), percent_decoded(value.trim()).into_owned()));
    pairs.filter(|(_, value)| !value.is_empty())
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
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other, service.version=1.2%20beta,broken"),
            ("OBS_EVENTS", "off, stdout,file:/var/log/shop.jsonl"),
            ("OBS_EVENTS_SAMPLE_RATE", "0.25"),
            ("OBS_HASH_KEY", "sixteen secret bytes"),
            ("OBS_METRICS_NAMING", "opentelemetry"),
            ("OBS_TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
            ("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "GET,PROPFIND,BREW"),
            ("OTEL_PROPAGATORS", "b3,xray"),
        ]);
        settings.read_environment(good).expect("all right");
        assert_eq!(&*settings.service.name, "canary");
        assert_eq!(settings.trusted_proxies, ["10.0.0.0/8", "::1"]);
        assert_eq!(settings.known_methods.as_deref(), Some(&["GET".to_owned(), "PROPFIND".to_owned()][..]));
        assert_eq!(
            settings.propagators.iter().collect::<Vec<_>>(),
            [crate::trace::propagation::Propagator::B3]
        );
        let warned = |text: &str| settings.warnings.iter().filter(|warning| warning.contains(text)).count();
        assert_eq!((warned("BREW"), warned("xray"), settings.warnings.len()), (1, 1, 2));
        assert_eq!(settings.service.version.as_deref(), Some("1.2 beta"));
        assert_eq!(settings.events.outputs.as_ref().map(Vec::len), Some(2));
        assert!((settings.events.keep.rate - 0.25).abs() < f64::EPSILON);
        assert_eq!(settings.events.hash_key.as_deref(), Some(&b"sixteen secret bytes"[..]));
        assert_eq!(settings.metrics.naming, MetricNaming::OpenTelemetry);
        assert_eq!(settings.drain.delay, Duration::from_millis(250));
        assert_eq!(settings.drain.timeout, Duration::from_secs(7));

        let wrong =
            ObserverBuilder::new("test".to_owned()).read_environment(environment(&[("OBS_EVENTS", "kafka")]));
        let message = wrong.expect_err("refused").to_string();
        assert!(
            message.starts_with("`OBS_EVENTS` is \"kafka\", but should be `stdout`, `off`, or `file:`"),
            "{message}"
        );
        let wrong = ObserverBuilder::new("test".to_owned())
            .read_environment(environment(&[("OBS_DRAIN_DELAY", "soon")]));
        assert!(wrong.expect_err("refused").to_string().contains("OBS_DRAIN_DELAY"));
    }
}
