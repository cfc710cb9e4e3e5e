//! What `OTEL_*` variables say of spans and their export (OpenTelemetry's "Environment Variable Specification" and "OTLP Exporter
//! Configuration"). What is wrong or not supported is named in a warning and ignored: operators set these from outside.

use std::{fmt::Display, path::PathBuf, str::FromStr, time::Duration};

use opentelemetry_sdk::trace::Sampler;

use super::{
    Otel,
    settings::{self, DEFAULT_ENDPOINT, below, is_url, pairs, parent_based},
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
    if reader.read("OTEL_SDK_DISABLED").is_some_and(|(_, value)| value.eq_ignore_ascii_case("true")) {
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
    otel.environment = true;
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

    /// Whether spans are exported, if anything says so.
    fn exporter(&mut self) -> Option<bool> {
        let (name, value) = self.read("OTEL_TRACES_EXPORTER")?;
        let names: Vec<_> = value.split(',').map(str::trim).collect();
        if names.iter().any(|name| !matches!(*name, "otlp" | "none")) {
            self.warn(&name, &value, "`otlp` or `none`");
        }
        if names.contains(&"otlp") { Some(true) } else { names.contains(&"none").then_some(false) }
    }

    /// Where spans go and how.
    fn target(&mut self, otel: &mut Otel, endpoint: Option<(String, String)>) {
        let grpc = self.protocol();
        match endpoint {
            Some((name, url)) if is_url(&url) => {
                let url = if grpc { self.without_grpc_port(&name, url) } else { url };
                let exact = name.contains("TRACES");
                otel.traces_endpoint = Some(if exact { url } else { below(&url) });
            }
            Some((name, url)) => self.warn(&name, url, &format!("a URL such as `{DEFAULT_ENDPOINT}`")),
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
            match value.as_str() {
                "gzip" => otel.gzip = true,
                "none" => otel.gzip = false,
                _ => self.warn(&name, value, "`gzip` or `none`"),
            }
        }
        if let Some(path) = self.file("OTEL_EXPORTER_OTLP_CERTIFICATE") {
            otel.ca_file = Some(path);
        }
        if let Some(identity) =
            self.file("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE").zip(self.file("OTEL_EXPORTER_OTLP_CLIENT_KEY"))
        {
            (otel.client_certificate, otel.client_key) = (Some(identity.0), Some(identity.1));
        }
    }

    /// Whether gRPC is asked for, which we do not speak.
    fn protocol(&mut self) -> bool {
        let Some((name, value)) = self.signal("OTEL_EXPORTER_OTLP_PROTOCOL") else { return false };
        match value.as_str() {
            "http/protobuf" => {}
            "grpc" => {
                self.warnings.push(format!(
                    "`{name}` is \"grpc\", but spans are exported with `http/protobuf`: collectors take it at port 4318, \
                     where gRPC has 4317"
                ));
                return true;
            }
            _ => self.warn(&name, value, "`http/protobuf`, which is used"),
        }
        false
    }

    /// The port of HTTP in place of gRPC's.
    fn without_grpc_port(&mut self, name: &str, url: String) -> String {
        let Ok(uri) = url.parse::<ureq::http::Uri>() else { return url };
        if uri.port_u16() != Some(4317) {
            return url;
        }
        // Behind the host there is no other such text but in the path, which comes later.
        let moved = url.replacen(":4317", ":4318", 1);
        self.warnings.push(format!("`{name}` names port 4317, which is that of gRPC; 4318 is used"));
        moved
    }

    /// A file that can be read.
    fn file(&mut self, name: &str) -> Option<PathBuf> {
        let (name, value) = self.signal(name)?;
        let path = PathBuf::from(&value);
        if std::fs::File::open(&path).is_ok() {
            return Some(path);
        }
        self.warn(&name, value, "a file in PEM that can be read");
        None
    }

    /// How spans are made, and how they wait.
    fn spans(&mut self, otel: &mut Otel) {
        if let Some(sampler) = self.sampler() {
            *otel = std::mem::take(otel).plain(sampler);
        }
        let limits = &mut otel.span_limits;
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

    fn sampler(&mut self) -> Option<Sampler> {
        let (name, value) = self.read("OTEL_TRACES_SAMPLER")?;
        Some(match value.as_str() {
            "always_on" => Sampler::AlwaysOn,
            "always_off" => Sampler::AlwaysOff,
            "traceidratio" => Sampler::TraceIdRatioBased(self.rate()),
            "parentbased_always_on" => parent_based(Sampler::AlwaysOn),
            "parentbased_always_off" => parent_based(Sampler::AlwaysOff),
            "parentbased_traceidratio" => parent_based(Sampler::TraceIdRatioBased(self.rate())),
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
        assert!(quiet(&[ENDPOINT, ("OTEL_SDK_DISABLED", "no")]).is_some());
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
        assert!(
            warnings.iter().all(|warning| warning.contains("4317") && warning.contains("4318")),
            "{warnings:?}"
        );
        assert_eq!(warnings.len(), 2);
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
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "64"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
            ("OTEL_BSP_SCHEDULE_DELAY", "250"),
        ]);
        let otel = otel.expect("on");
        assert_eq!(otel.headers, [("api-key".into(), "a b".into()), ("x-tenant".into(), "shop".into())]);
        assert_eq!(otel.timeout, Some(Duration::from_millis(2500)));
        assert!(otel.gzip && otel.ca_file.is_some() && !otel.sampler_reads);
        assert!(format!("{:?}", otel.sampler).contains("TraceIdRatioBased(0.25)"), "{:?}", otel.sampler);
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
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such/file.pem"),
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
        assert!(!warnings.concat().contains("secret token"));
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
