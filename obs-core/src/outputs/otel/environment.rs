//! What `OTEL_*` variables say of spans and their export (OpenTelemetry's "Environment Variable Specification" and "OTLP Exporter
//! Configuration"). What is wrong or not supported is named in a warning and ignored: operators set these from outside.

use std::{fmt::Display, str::FromStr, time::Duration};

use opentelemetry_sdk::trace::Sampler;

use super::{
    http::Tls,
    sampling::PlainSampler,
    settings::{self, DEFAULT_ENDPOINT, Otel, pairs},
    url::{below, beside_grpc, has_path, is_url, shown},
};

/// Reads variables and notes what is wrong with them.
struct Reader<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
    warnings: &'a mut Vec<String>,
}

/// The settings with what the environment says; `None` if no spans are to be made.
pub(crate) fn apply(
    otel: Option<Otel>,
    get: &dyn Fn(&str) -> Option<String>,
    warnings: &mut Vec<String>,
) -> Option<Otel> {
    let mut reader = Reader { get, warnings };
    if reader.disabled() {
        return None;
    }
    if otel.as_ref().is_some_and(|otel| otel.provider.is_some()) {
        // The application has set its own up.
        return otel;
    }
    let exporter = reader.exporter();
    if exporter == Some(false) {
        return None;
    }
    let endpoint = reader.signal("OTEL_EXPORTER_OTLP_ENDPOINT");
    if otel.is_none() && endpoint.is_none() && exporter.is_none() {
        return None;
    }
    let mut otel = otel.unwrap_or_default();
    reader.target(&mut otel, endpoint);
    reader.spans(&mut otel);
    Some(otel)
}

impl Reader<'_> {
    /// The variable's name and its value, unless it is empty, which is as if it were not set.
    fn read(&self, name: &str) -> Option<(String, String)> {
        let value = (self.get)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| (name.to_owned(), value.to_owned()))
    }

    /// A setting of the exporter: that of the spans wins over that of all signals.
    fn signal(&self, name: &str) -> Option<(String, String)> {
        let (before, after) = name.split_once("OTLP").unwrap_or((name, ""));
        self.read(&format!("{before}OTLP_TRACES{after}")).or_else(|| self.read(name))
    }

    fn warn(&mut self, name: &str, value: impl Display, expected: &str) {
        self.warnings.push(format!("`{name}` is \"{value}\", but should be {expected}; it is ignored"));
    }

    /// A boolean, which is false unless it is true (specification, "Boolean value").
    fn disabled(&mut self) -> bool {
        let Some((name, value)) = self.read("OTEL_SDK_DISABLED") else { return false };
        let value = value.to_ascii_lowercase();
        if !matches!(value.as_str(), "true" | "false") {
            self.warn(&name, &value, "`true` or `false`");
        }
        value == "true"
    }

    /// Whether spans are exported, if anything says so.
    fn exporter(&mut self) -> Option<bool> {
        let (name, value) = self.read("OTEL_TRACES_EXPORTER")?;
        let value = value.to_ascii_lowercase();
        let names: Vec<_> = value.split(',').map(str::trim).collect();
        if names.iter().any(|name| !matches!(*name, "otlp" | "none")) {
            self.warn(&name, &value, "`otlp` or `none`");
        }
        if names.contains(&"otlp") { Some(true) } else { names.contains(&"none").then_some(false) }
    }

    /// Where spans go and how.
    fn target(&mut self, otel: &mut Otel, endpoint: Option<(String, String)>) {
        let grpc = self.protocol();
        let (url, moved) = match &endpoint {
            Some((_, url)) if grpc.is_some() => beside_grpc(url),
            Some((_, url)) => (url.clone(), false),
            None => (String::new(), false),
        };
        if let Some(name) = grpc {
            let port =
                if moved { ", which is used in place of gRPC's 4317" } else { ", where gRPC has 4317" };
            self.warnings.push(format!(
                "`{name}` is \"grpc\", but spans are exported with `http/protobuf`: collectors take it at port 4318{port}"
            ));
        }
        match endpoint {
            Some((name, _)) if is_url(&url) => {
                // An endpoint of gRPC has no path, also where it is that of spans alone.
                let exact = name.contains("TRACES") && (!moved || has_path(&url));
                otel.traces_endpoint = Some(if exact { url } else { below(&url) });
            }
            Some((name, url)) => {
                self.warn(&name, shown(&url), &format!("a URL such as `{DEFAULT_ENDPOINT}`"))
            }
            None => {}
        }
        if let Some((name, list)) = self.signal("OTEL_EXPORTER_OTLP_HEADERS") {
            for pair in pairs(&list) {
                let valid = pair.filter(|(name, value)| {
                    ureq::http::HeaderName::try_from(name).is_ok()
                        && ureq::http::HeaderValue::try_from(value).is_ok()
                });
                match valid {
                    Some((header, value)) => {
                        otel.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(&header));
                        otel.headers.push((header, value));
                    }
                    // They are mostly secrets.
                    None => self.warn(&name, "…", "`name=value`, several with commas between them"),
                }
            }
        }
        if let Some(millis) =
            self.signal_number("OTEL_EXPORTER_OTLP_TIMEOUT", "milliseconds above 0", |millis: &u64| {
                *millis > 0
            })
        {
            otel.timeout = Some(Duration::from_millis(millis));
        }
        if let Some((name, value)) = self.signal("OTEL_EXPORTER_OTLP_COMPRESSION") {
            match value.to_ascii_lowercase().as_str() {
                "gzip" => otel.gzip = true,
                "none" => otel.gzip = false,
                _ => self.warn(&name, value, "`gzip` or `none`"),
            }
        }
        self.certificates(otel);
    }

    fn certificates(&mut self, otel: &mut Otel) {
        if let Some((name, path)) = self.signal("OTEL_EXPORTER_OTLP_CERTIFICATE") {
            if std::fs::read(&path).ok().and_then(|pem| Tls::certificates(&pem)).is_some() {
                otel.ca_file = Some(path.into());
            } else {
                self.warn(&name, path, "a file with certificates in PEM");
            }
        }
        let certificate = self.signal("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE");
        let key = self.signal("OTEL_EXPORTER_OTLP_CLIENT_KEY");
        let Some((name, _)) = certificate.as_ref().or(key.as_ref()) else { return };
        let read = |file: &Option<(String, String)>| std::fs::read(&file.as_ref()?.1).ok();
        let identity =
            read(&certificate).zip(read(&key)).and_then(|(chain, key)| Tls::identity(&chain, &key));
        if identity.is_some() {
            otel.client_certificate = certificate.map(|(_, path)| path.into());
            otel.client_key = key.map(|(_, path)| path.into());
        } else {
            let expected =
                "a file with certificates, and `OTEL_EXPORTER_OTLP_CLIENT_KEY` one with their key, in PEM";
            let paths = certificate.iter().chain(&key).map(|(_, path)| path.as_str());
            let (name, paths) = (name.clone(), paths.collect::<Vec<_>>().join(", "));
            self.warn(&name, paths, expected);
        }
    }

    /// The variable that asks for gRPC, which we do not speak.
    fn protocol(&mut self) -> Option<String> {
        let (name, value) = self.signal("OTEL_EXPORTER_OTLP_PROTOCOL")?;
        match value.to_ascii_lowercase().as_str() {
            "http/protobuf" => None,
            "grpc" => Some(name),
            _ => {
                self.warn(&name, value, "`http/protobuf`, which is used");
                None
            }
        }
    }

    /// How spans are made, and how they wait.
    fn spans(&mut self, otel: &mut Otel) {
        if let Some(sampler) = self.sampler() {
            *otel = std::mem::take(otel).plain(sampler);
        }
        let limits = &mut otel.span_limits;
        // For all that has no limit of its own.
        if let Some(number) = self.number("OTEL_ATTRIBUTE_COUNT_LIMIT", "a whole number", |_| true) {
            limits.max_attributes_per_span = number;
            limits.max_attributes_per_event = number;
            limits.max_attributes_per_link = number;
        }
        for name in ["OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT"] {
            if let Some((name, value)) = self.read(name) {
                self.warn(&name, value, "left out: the length of values is not limited");
            }
        }
        for (name, limit) in [
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", &mut limits.max_attributes_per_span),
            ("OTEL_SPAN_EVENT_COUNT_LIMIT", &mut limits.max_events_per_span),
            ("OTEL_SPAN_LINK_COUNT_LIMIT", &mut limits.max_links_per_span),
            ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", &mut limits.max_attributes_per_event),
            ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", &mut limits.max_attributes_per_link),
        ] {
            if let Some(number) = self.number(name, "a whole number", |_| true) {
                *limit = number;
            }
        }
        let limits = &mut otel.limits;
        let positive = |number: &usize| *number > 0;
        if let Some(spans) = self.number("OTEL_BSP_MAX_QUEUE_SIZE", "a whole number above 0", positive) {
            limits.spans = spans;
        }
        if let Some(batch) = self.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "a whole number above 0", positive)
        {
            limits.batch = batch;
        }
        limits.batch = limits.batch.min(limits.spans);
        if let Some(millis) = self.number("OTEL_BSP_SCHEDULE_DELAY", "milliseconds", |_: &u64| true) {
            limits.delay = Duration::from_millis(millis);
        }
        if let Some(millis) =
            self.number("OTEL_BSP_EXPORT_TIMEOUT", "milliseconds above 0", |millis: &u64| *millis > 0)
            && otel.timeout.is_none()
        {
            otel.timeout = Some(Duration::from_millis(millis));
        }
    }

    fn sampler(&mut self) -> Option<PlainSampler> {
        let (name, value) = self.read("OTEL_TRACES_SAMPLER")?;
        Some(match value.to_ascii_lowercase().as_str() {
            "always_on" => PlainSampler::always(Sampler::AlwaysOn),
            "always_off" => PlainSampler::always(Sampler::AlwaysOff),
            "traceidratio" => PlainSampler::always(Sampler::TraceIdRatioBased(self.rate())),
            "parentbased_always_on" => PlainSampler::parent_based(Sampler::AlwaysOn),
            "parentbased_always_off" => PlainSampler::parent_based(Sampler::AlwaysOff),
            "parentbased_traceidratio" => PlainSampler::parent_based(Sampler::TraceIdRatioBased(self.rate())),
            _ => {
                let expected =
                    "`always_on`, `always_off` or `traceidratio`, or one of them behind `parentbased_`";
                self.warn(&name, value, expected);
                return None;
            }
        })
    }

    /// The share that a ratio's argument says: all, if it says nothing.
    fn rate(&mut self) -> f64 {
        let valid = |rate: &f64| (0.0..=1.0).contains(rate);
        self.number("OTEL_TRACES_SAMPLER_ARG", "a number between 0 and 1", valid).unwrap_or(1.0)
    }

    fn signal_number<N: FromStr>(
        &mut self,
        name: &str,
        expected: &str,
        valid: impl Fn(&N) -> bool,
    ) -> Option<N> {
        let (name, _) = self.signal(name)?;
        self.number(&name, expected, valid)
    }

    fn number<N: FromStr>(&mut self, name: &str, expected: &str, valid: impl Fn(&N) -> bool) -> Option<N> {
        let (name, value) = self.read(name)?;
        let number = value.parse().ok().filter(valid);
        if number.is_none() {
            self.warn(&name, value, expected);
        }
        number
    }
}

/// What `OTEL_RESOURCE_ATTRIBUTES` says beside who the service is.
pub(crate) fn resource(otel: &mut Option<Otel>, list: &str) {
    const SERVICE: [&str; 5] = [
        "service.name",
        "service.version",
        "service.instance.id",
        "deployment.environment.name",
        "deployment.environment",
    ];
    let Some(otel) = otel else { return };
    let others = settings::pairs(list).flatten().filter(|(name, _)| !SERVICE.contains(&name.as_str()));
    for (name, value) in others {
        *otel = std::mem::take(otel).resource_attribute(name, value);
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

    fn quiet(pairs: &[(&str, &str)]) -> Option<Otel> {
        let (otel, warnings) = read(pairs, None);
        assert!(warnings.is_empty(), "{warnings:?}");
        otel
    }

    #[test]
    fn what_switches_it_on_and_off() {
        const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        assert!(quiet(&[]).is_none());
        assert!(quiet(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]).is_none());
        assert!(quiet(&[ENDPOINT]).is_some());
        assert!(quiet(&[("OTEL_TRACES_EXPORTER", "otlp")]).is_some());
        assert!(quiet(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]).is_none());
        assert!(quiet(&[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")]).is_none());
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
    fn endpoints() {
        let url = |pairs: &[(&str, &str)]| quiet(pairs).expect("on").traces_endpoint;
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otlp.example.com/tenant/");
        assert_eq!(url(&[base]).as_deref(), Some("https://otlp.example.com/tenant/v1/traces"));
        let exact = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:4318/in");
        assert_eq!(url(&[base, exact]).as_deref(), Some("http://traces:4318/in"));
        let (otel, warnings) = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318")], None);
        assert_eq!(otel.expect("on").traces_endpoint, None);
        assert!(
            warnings[0].contains("collector:4318") && warnings[0].contains("http://localhost:4318"),
            "{warnings:?}"
        );
    }

    #[test]
    fn grpc_becomes_http_with_a_hint() {
        let (otel, warnings) = read(
            &[
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317"),
            ],
            None,
        );
        assert_eq!(otel.expect("on").traces_endpoint.as_deref(), Some("http://collector:4318/v1/traces"));
        let expected = "`OTEL_EXPORTER_OTLP_PROTOCOL` is \"grpc\", but spans are exported with `http/protobuf`: \
                        collectors take it at port 4318, which is used in place of gRPC's 4317";
        assert_eq!(warnings, [expected]);
        for (name, endpoint, url) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317", "http://collector:4318/v1/traces"),
            (
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                "http://collector:4317",
                "http://collector:4318/v1/traces",
            ),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://collector/in", "https://collector/in"),
        ] {
            let (otel, warnings) = read(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "GRPC"), (name, endpoint)], None);
            assert_eq!(otel.expect("on").traces_endpoint.as_deref(), Some(url));
            assert_eq!(warnings.len(), 1, "{warnings:?}");
        }
        let (_, warnings) = read(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")], Some(Otel::new()));
        assert!(warnings[0].contains("http/protobuf"), "{warnings:?}");
    }

    #[test]
    fn every_other_setting() {
        let otel = quiet(&[
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
        assert!(sampler.contains("Plain(") && sampler.contains("TraceIdRatioBased(0.25)"), "{sampler}");
        assert_eq!(otel.span_limits.max_attributes_per_span, 64);
        assert_eq!((otel.limits.spans, otel.limits.batch), (100, 100));
        assert_eq!(otel.limits.delay, Duration::from_millis(250));
    }

    #[test]
    fn what_is_wrong_is_named_and_ignored_and_secrets_are_not_shown() {
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
    fn the_resource_has_the_rest() {
        let mut otel = Some(Otel::new());
        resource(&mut otel, "service.name=shop,k8s.pod.name=shop%2D1,broken");
        let told: Vec<_> =
            otel.expect("on").resource.iter().map(|kv| format!("{}={}", kv.key, kv.value)).collect();
        assert_eq!(told, ["k8s.pod.name=shop-1"]);
    }
}
