//! The environment of the builder: variables that set several settings, or only a part of a
//! setting. Each extension reads its own variables.

use super::ObserverBuilder;
use crate::{
    base::{build_error::BuildError, environment::Environment, parse, text::percent_decoded},
    http::method::KnownMethods,
    trace::propagation::Propagators,
};

impl ObserverBuilder {
    /// Reads the variables that are set.
    pub(super) fn read_environment(&mut self, environment: &Environment) -> Result<(), BuildError> {
        if let Some(list) = environment.get("OTEL_RESOURCE_ATTRIBUTES") {
            self.read_resource(&list, environment);
        }
        if let Some(list) = environment.get("OTEL_PROPAGATORS") {
            self.read_propagators(&list, environment);
        }
        if let Some(list) = environment.get("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS") {
            self.read_methods(&list, environment);
        }
        // After the resource: `OTEL_SERVICE_NAME` wins over its `service.name`.
        self.read_variables(environment)?;
        self.redaction.read_variables(environment)
    }

    /// Reads the attributes that identify the service.
    fn read_resource(&mut self, list: &str, environment: &Environment) {
        for pair in parse::list(list).filter(|pair| !pair.contains('=')) {
            let expected = "pairs such as `service.version=1.2`, separated by commas";
            environment.ignored("OTEL_RESOURCE_ATTRIBUTES", pair, expected);
        }
        for (name, value) in resource_attributes(list) {
            match name {
                "service.name" => self.service = value,
                "service.version" => self.service_version = Some(value),
                "service.instance.id" => self.service_instance = Some(value),
                "deployment.environment.name" | "deployment.environment" => {
                    self.deployment_environment = Some(value);
                }
                _ => {}
            }
        }
    }

    /// Reads the registered methods, which replace the known ones (semantic conventions for HTTP,
    /// `http.request.method`).
    fn read_methods(&mut self, list: &str, environment: &Environment) {
        let (known, unknown): (Vec<_>, Vec<_>) =
            parse::list(list).partition(|name| KnownMethods::new([*name]).is_ok());
        self.known_methods = Some(known.into_iter().map(str::to_owned).collect());
        for name in unknown {
            environment.warn(format!(
                "`OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS` has \"{name}\", which is not a registered method; it is ignored"
            ));
        }
    }

    /// Reads the formats. An unknown format is ignored with a warning.
    fn read_propagators(&mut self, list: &str, environment: &Environment) {
        let (propagators, unknown) = Propagators::from_list(list);
        if unknown.is_empty() || !propagators.is_empty() {
            self.propagators = propagators;
        }
        for name in unknown {
            environment.warn(format!(
                "`OTEL_PROPAGATORS` has \"{name}\", which is not `tracecontext`, `baggage`, `b3`, `b3multi` or `jaeger`; it is ignored"
            ));
        }
    }
}

/// Parses `key=value` pairs with commas between them. Values are percent-encoded as in baggage
/// (OpenTelemetry's specification, "Resource SDK"). An invalid pair is ignored, because it comes
/// from outside.
fn resource_attributes(list: &str) -> impl Iterator<Item = (&str, String)> {
    let pairs = list.split(',').filter_map(|pair| pair.split_once('='));
    let pairs = pairs.map(|(name, value)| (name.trim(), percent_decoded(value.trim()).into_owned()));
    pairs.filter(|(_, value)| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    #[cfg(feature = "metrics")]
    use crate::outputs::metrics::settings::{MetricNaming, Metrics};
    use crate::{extension::installation::Extension as _, outputs::events::settings::Events};

    fn read(pairs: &'static [(&str, &str)]) -> (ObserverBuilder, Environment, Result<(), BuildError>) {
        let mut settings = ObserverBuilder::new("test".to_owned());
        let environment = Environment::of_pairs(pairs);
        let result = settings.prepare(&environment).map(drop);
        (settings, environment, result)
    }

    #[test]
    fn variables_take_precedence_and_invalid_values_are_errors() {
        // A build without the feature `files` has no third output.
        #[cfg(not(feature = "files"))]
        let outputs = "stdout";
        #[cfg(feature = "files")]
        let outputs = concat!("stdout,file:", env!("CARGO_MANIFEST_DIR"), "/shop.jsonl");
        let pairs = Box::leak(Box::new([
            ("OTEL_SERVICE_NAME", "canary"),
            ("OBS_DRAIN_DELAY", "250ms"),
            ("OBS_DRAIN_TIMEOUT", "7"),
            ("OBS_SHUTDOWN_TIMEOUT", "20s"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other, service.version=1.2%20beta,broken"),
            ("OBS_EVENTS", outputs),
            ("OBS_EVENTS_SAMPLE_RATE", "0.25"),
            #[cfg(feature = "hash")]
            ("OBS_HASH_KEY", "sixteen secret bytes"),
            ("OBS_METRICS_NAMING", "opentelemetry"),
            ("OBS_TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
            ("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "GET,PROPFIND,BREW"),
            ("OTEL_PROPAGATORS", "b3,xray"),
        ]));
        let (settings, environment, result) = read(pairs);
        result.expect("all right");
        assert_eq!(settings.service, "canary");
        assert_eq!(settings.trusted_proxies, ["10.0.0.0/8", "::1"]);
        assert_eq!(settings.known_methods.as_deref(), Some(&["GET".to_owned(), "PROPFIND".to_owned()][..]));
        assert_eq!(
            settings.propagators.iter().collect::<Vec<_>>(),
            [crate::trace::propagation::Propagator::B3]
        );
        let warnings = environment.warnings();
        let warned = |text: &str| warnings.iter().filter(|warning| warning.contains(text)).count();
        assert_eq!((warned("BREW"), warned("xray"), warned("\"broken\""), warnings.len()), (1, 1, 1, 3));
        assert_eq!(settings.service_version.as_deref(), Some("1.2 beta"));
        let mut events = Events::new();
        events.configure(&environment).expect("all right");
        let outputs = if cfg!(feature = "files") { 2 } else { 1 };
        assert_eq!(events.outputs.as_ref().map(Vec::len), Some(outputs));
        assert!((events.sample_rate - 0.25).abs() < f64::EPSILON);
        #[cfg(feature = "hash")]
        assert_eq!(events.hash_key.as_deref(), Some(&b"sixteen secret bytes"[..]));
        #[cfg(feature = "metrics")]
        {
            let mut metrics = Metrics::new();
            metrics.configure(&environment).expect("all right");
            assert_eq!(metrics.naming, MetricNaming::OpenTelemetry);
        }
        assert_eq!(settings.drain_delay, Some(Duration::from_millis(250)));
        assert_eq!(settings.drain_timeout, Some(Duration::from_secs(7)));
        assert_eq!(settings.shutdown_timeout, Duration::from_secs(20));
    }

    /// The table has every variable that is read, and no other.
    #[cfg(feature = "otel")]
    #[test]
    fn every_variable_is_in_the_table() {
        use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

        use crate::outputs::{destination::file::EventFile, events::output::EventOutput};

        let read = Rc::new(RefCell::new(BTreeSet::new()));
        let seen = Rc::clone(&read);
        let environment = Environment::of(move |name| {
            // The variables for all signals have the same name without `TRACES_` or `LOGS_`. The
            // endpoints are an exception, because their meaning differs.
            let name = match name {
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" | "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT" => name.to_owned(),
                _ => name.replace("_OTLP_TRACES_", "_OTLP_").replace("_OTLP_LOGS_", "_OTLP_"),
            };
            // A sampler by ratio makes its argument be read, and an endpoint makes all variables of
            // spans be read.
            let value = match &*name {
                "OTEL_TRACES_SAMPLER" => Some("traceidratio"),
                "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("http://collector:4318"),
                _ => None,
            };
            seen.borrow_mut().insert(name);
            value.map(Into::into)
        });
        let events = Events::new()
            .output(EventOutput::stdout())
            .output(EventOutput::file(EventFile::new("events.jsonl")));
        let mut settings = ObserverBuilder::new("test".to_owned()).events(events);
        settings.prepare(&environment).map(drop).expect("all right");
        assert_eq!(environment.warnings(), [""; 0]);
        let variables = crate::observer::Observer::settings().flat_map(|setting| setting.variables);
        let table: BTreeSet<_> = variables.map(|variable| variable.name.to_owned()).collect();
        assert_eq!(*read.borrow(), table);
    }

    #[test]
    fn a_share_is_a_number_in_any_form() {
        const NAME: &str = "OBS_EVENTS_SAMPLE_RATE";
        for pairs in [&[(NAME, "1e-3")], &[(NAME, ".5")], &[(NAME, "1.")], &[(NAME, "+25E-2")]] {
            let expected: f64 = pairs[0].1.parse().expect("a number");
            let mut events = Events::new();
            events.configure(&Environment::of_pairs(pairs)).expect("valid");
            assert!((events.sample_rate - expected).abs() < f64::EPSILON, "{pairs:?}");
        }
        for pairs in
            [&[(NAME, "1.5")], &[(NAME, "-0.5")], &[(NAME, "NaN")], &[(NAME, "inf")], &[(NAME, "1e")]]
        {
            let message = read(pairs).2.expect_err("invalid").to_string();
            let expected = format!("`{NAME}` is {:?}, but should be a number between 0 and 1", pairs[0].1);
            assert_eq!(message, expected);
        }
    }

    #[test]
    fn an_invalid_value_is_an_error_that_names_its_variable() {
        type Pairs = &'static [(&'static str, &'static str)];
        let key = if cfg!(feature = "hash") {
            "`OBS_HASH_KEY` is \"7 bytes\", but should be at least 16"
        } else {
            "`OBS_HASH_KEY` is \"a key\", but should be unset"
        };
        let file = if cfg!(feature = "files") {
            "`OBS_EVENTS` is \"/no/such/folder/events\", but should be the path of a file in a folder"
        } else {
            "`OBS_EVENTS` is \"file:/no/such/folder/events\", but should be `off`, or outputs \
             separated by commas: `stdout`, and `file:` with a path (feature `files`)"
        };
        let cases: &[(Pairs, &str)] = &[
            (&[("OBS_EVENTS", "kafka")], "`OBS_EVENTS` is \"kafka\", but should be `off`, or outputs"),
            (
                &[("OBS_EVENTS", "stdout, off")],
                "`OBS_EVENTS` is \"stdout, off\", but should be `off`, or outputs",
            ),
            (
                &[("OBS_EVENTS", "stdout,stdout")],
                "`OBS_EVENTS` is \"stdout\", but should be a different name for each output",
            ),
            (&[("OBS_EVENTS", "file:/no/such/folder/events")], file),
            (&[("OBS_EVENTS_SAMPLE_RATE", "7")], "`OBS_EVENTS_SAMPLE_RATE` is \"7\", but should be a number"),
            (&[("OBS_DRAIN_DELAY", "soon")], "`OBS_DRAIN_DELAY` is \"soon\", but should be a duration"),
            (&[("OBS_DRAIN_TIMEOUT", "-1s")], "`OBS_DRAIN_TIMEOUT` is \"-1s\""),
            (
                &[("OBS_SHUTDOWN_TIMEOUT", "0")],
                "`OBS_SHUTDOWN_TIMEOUT` is \"0ns\", but should be more than zero",
            ),
            (
                &[("OBS_DRAIN_DELAY", "21s")],
                "`OBS_DRAIN_DELAY` is \"21s\", but should be at most `shutdown_timeout` without",
            ),
            (
                &[("OBS_DRAIN_TIMEOUT", "16s")],
                "`OBS_DRAIN_TIMEOUT` is \"16s\", but should be at most `shutdown_timeout` without its reserve and",
            ),
            (
                &[("OBS_DRAIN_TIMEOUT", "5s"), ("OBS_SHUTDOWN_TIMEOUT", "5s")],
                "`OBS_DRAIN_TIMEOUT` is \"5s\", but should be at most `shutdown_timeout` without its reserve and",
            ),
            #[cfg(feature = "metrics")]
            (
                &[("OBS_METRICS_NAMING", "own")],
                "`OBS_METRICS_NAMING` is \"own\", but should be `prometheus` or",
            ),
            (
                &[("OBS_TRUSTED_PROXIES", "::1, all")],
                "`OBS_TRUSTED_PROXIES` is \"all\", but should be addresses",
            ),
            (&[("OBS_HASH_KEY", "hunter2")], key),
        ];
        for (pairs, expected) in cases {
            let message = read(pairs).2.expect_err("invalid").to_string();
            assert!(message.starts_with(expected), "{message}");
        }
    }
}
