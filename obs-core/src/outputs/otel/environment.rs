//! The `OTEL_*` variables about spans, in addition to those of every
//! [export](crate::outputs::otlp::environment).

use std::time::Duration;

use super::{sampling::BuiltInSampler, settings::Otel};
use crate::outputs::otlp::{environment::SignalVariables, resource, signal::TRACES};

/// Applies the environment to the settings. Returns `None` if no spans are made.
pub(crate) fn apply(
    otel: Option<Otel>,
    get: &dyn Fn(&str) -> Option<String>,
    warnings: &mut Vec<String>,
) -> Option<Otel> {
    let mut variables = SignalVariables::new(get, warnings, &TRACES);
    if variables.disabled() {
        return None;
    }
    if otel.as_ref().is_some_and(|otel| otel.provider.is_some()) {
        // The application configures its own provider.
        return otel;
    }
    let exporter = variables.exporter();
    if exporter == Some(false) {
        return None;
    }
    let collector = variables.url();
    if otel.is_none() && collector.is_none() && exporter.is_none() {
        return None;
    }
    let mut otel = otel.unwrap_or_default();
    let mut export = otel.take_export();
    variables.export(&mut export, collector);
    otel.set_export(export);
    spans(&mut variables, &mut otel);
    Some(otel)
}

/// Applies the variables about spans, their limits and their queue.
fn spans(variables: &mut SignalVariables<'_>, otel: &mut Otel) {
    if let Some(sampler) = sampler(variables) {
        *otel = std::mem::take(otel).built_in(sampler);
    }
    let limits = &mut otel.span_limits;
    // The default for all limits that are not set below.
    if let Some(number) = variables.number("OTEL_ATTRIBUTE_COUNT_LIMIT", "a whole number", |_| true) {
        limits.max_attributes_per_span = number;
        limits.max_attributes_per_event = number;
        limits.max_attributes_per_link = number;
    }
    for name in ["OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT"] {
        if let Some((name, value)) = variables.read(name) {
            variables.warn(&name, value, "unset: the length of values is not limited");
        }
    }
    for (name, limit) in [
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", &mut limits.max_attributes_per_span),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", &mut limits.max_events_per_span),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", &mut limits.max_links_per_span),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", &mut limits.max_attributes_per_event),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", &mut limits.max_attributes_per_link),
    ] {
        if let Some(number) = variables.number(name, "a whole number", |_| true) {
            *limit = number;
        }
    }
    let limits = &mut otel.limits;
    let positive = |number: &usize| *number > 0;
    if let Some(spans) = variables.number("OTEL_BSP_MAX_QUEUE_SIZE", "a whole number above 0", positive) {
        limits.spans = spans;
    }
    if let Some(batch) =
        variables.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "a whole number above 0", positive)
    {
        limits.batch = batch;
    }
    limits.batch = limits.batch.min(limits.spans);
    if let Some(millis) = variables.number("OTEL_BSP_SCHEDULE_DELAY", "milliseconds", |_: &u64| true) {
        limits.delay = Duration::from_millis(millis);
    }
    if let Some(millis) =
        variables.number("OTEL_BSP_EXPORT_TIMEOUT", "milliseconds above 0", |millis: &u64| *millis > 0)
        && otel.timeout.is_none()
    {
        otel.timeout = Some(Duration::from_millis(millis));
    }
}

fn sampler(variables: &mut SignalVariables<'_>) -> Option<BuiltInSampler> {
    let (name, value) = variables.read("OTEL_TRACES_SAMPLER")?;
    Some(match value.to_ascii_lowercase().as_str() {
        "always_on" => BuiltInSampler::always(true),
        "always_off" => BuiltInSampler::always(false),
        "traceidratio" => BuiltInSampler::share(rate(variables)),
        "parentbased_always_on" => BuiltInSampler::always(true).parent_based(),
        "parentbased_always_off" => BuiltInSampler::always(false).parent_based(),
        "parentbased_traceidratio" => BuiltInSampler::share(rate(variables)).parent_based(),
        _ => {
            let expected =
                "`always_on`, `always_off` or `traceidratio`, each also with the prefix `parentbased_`";
            variables.warn(&name, value, expected);
            return None;
        }
    })
}

/// Returns the ratio of a ratio sampler: 1 if it is not set.
fn rate(variables: &mut SignalVariables<'_>) -> f64 {
    let valid = |rate: &f64| (0.0..=1.0).contains(rate);
    variables.number("OTEL_TRACES_SAMPLER_ARG", "a number between 0 and 1", valid).unwrap_or(1.0)
}

/// Adds the attributes of `OTEL_RESOURCE_ATTRIBUTES` that do not name the service.
pub(crate) fn resource(otel: &mut Option<Otel>, list: &str) {
    if let Some(otel) = otel {
        otel.resource.extend(resource::parse_list(list));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)], otel: Option<Otel>) -> (Option<Otel>, Vec<String>) {
        let get = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        let mut warnings = Vec::new();
        let otel = apply(otel, &get, &mut warnings);
        (otel, warnings)
    }

    fn read_without_warnings(pairs: &[(&str, &str)]) -> Option<Otel> {
        let (otel, warnings) = read(pairs, None);
        assert!(warnings.is_empty(), "{warnings:?}");
        otel
    }

    #[test]
    fn variables_enable_and_disable_spans() {
        const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        assert!(read_without_warnings(&[]).is_none());
        assert!(read_without_warnings(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]).is_none());
        assert!(read_without_warnings(&[ENDPOINT]).is_some());
        assert!(read_without_warnings(&[("OTEL_TRACES_EXPORTER", "otlp")]).is_some());
        assert!(read_without_warnings(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]).is_none());
        assert!(read_without_warnings(&[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")]).is_none());
        let (otel, warnings) = read(&[ENDPOINT, ("OTEL_SDK_DISABLED", "1")], None);
        assert!(otel.is_some() && warnings[0].contains("OTEL_SDK_DISABLED"), "{warnings:?}");
        assert!(read(&[("OTEL_SDK_DISABLED", "true")], Some(Otel::new())).0.is_none());
        assert!(read(&[("OTEL_TRACES_EXPORTER", "none")], Some(Otel::new())).0.is_none());
        let (otel, warnings) = read(&[("OTEL_TRACES_EXPORTER", "console")], None);
        assert!(otel.is_none());
        assert_eq!(
            warnings,
            ["`OTEL_TRACES_EXPORTER` is \"console\", but should be `otlp` or `none`; it is ignored"]
        );
    }

    #[test]
    fn every_other_variable_is_read() {
        let otel = read_without_warnings(&[
            ("OTEL_TRACES_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x-tenant=shop"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "64"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
            ("OTEL_BSP_SCHEDULE_DELAY", "250"),
        ]);
        let otel = otel.expect("on");
        assert_eq!(otel.headers, [("api-key".into(), "a b".into()), ("x-tenant".into(), "shop".into())]);
        assert_eq!(otel.timeout, Some(Duration::from_millis(2500)));
        assert!(otel.gzip);
        let sampler = format!("{:?}", otel.sampler);
        assert!(sampler.contains("BuiltIn(") && sampler.contains("Probability("), "{sampler}");
        assert_eq!(otel.span_limits.max_attributes_per_span, 64);
        assert_eq!((otel.limits.spans, otel.limits.batch), (100, 100));
        assert_eq!(otel.limits.delay, Duration::from_millis(250));
    }

    #[test]
    fn invalid_values_cause_a_warning_without_secrets() {
        let wrong = [
            ("OTEL_EXPORTER_OTLP_HEADERS", "secret token"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/no/such/file.pem"),
            ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "100"),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
            ("OTEL_SPAN_EVENT_COUNT_LIMIT", "-1"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
            ("OTEL_BSP_SCHEDULE_DELAY", "soon"),
        ];
        let (otel, warnings) = read(&wrong, Some(Otel::new()));
        assert!(otel.is_some());
        for (name, _) in wrong {
            assert_eq!(
                warnings.iter().filter(|warning| warning.contains(name)).count(),
                1,
                "{name}: {warnings:?}"
            );
        }
        let (_, of_url) = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "user:hunter2@collector:4318")], None);
        let all = [warnings.concat(), of_url.concat()].concat();
        assert!(!all.contains("secret token") && !all.contains("hunter2"), "{all}");
    }

    #[test]
    fn other_resource_attributes_are_added_to_the_resource() {
        let mut otel = Some(Otel::new());
        resource(&mut otel, "service.name=shop,k8s.pod.name=shop%2D1,broken");
        assert_eq!(otel.expect("on").resource, [("k8s.pod.name".to_owned(), "shop-1".to_owned())]);
    }
}
