//! The `OTEL_*` variables that configure the export of a signal (OpenTelemetry's "Environment
//! Variable Specification" and "OTLP Exporter Configuration"). An invalid or unsupported value
//! causes a warning and is ignored, because operators set these variables for many services at
//! once.

use std::{fmt::Display, str::FromStr, time::Duration};

use super::{
    export::{DEFAULT_URL, Export, is_header, pairs},
    signal::Signal,
    tls::Tls,
    url::{has_path, http_url_of_grpc, is_url, shown, url_of_signal},
};

/// A reader for the variables of one signal, which collects warnings about invalid values.
pub(crate) struct SignalVariables<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
    warnings: &'a mut Vec<String>,
    signal: &'static Signal,
}

/// The variable that sets the collector's address: its name and its value.
pub(crate) type UrlVariable = (String, String);

impl<'a> SignalVariables<'a> {
    pub(crate) fn new(
        get: &'a dyn Fn(&str) -> Option<String>,
        warnings: &'a mut Vec<String>,
        signal: &'static Signal,
    ) -> Self {
        Self { get, warnings, signal }
    }

    /// Returns the name and the value of a variable. An empty variable counts as not set.
    pub(crate) fn read(&self, name: &str) -> Option<(String, String)> {
        let value = (self.get)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| (name.to_owned(), value.to_owned()))
    }

    /// Returns a setting of the exporter. The variable of the signal takes precedence over the one
    /// of all signals.
    fn of_signal(&self, name: &str) -> Option<(String, String)> {
        let (before, after) = name.split_once("OTLP").unwrap_or((name, ""));
        self.read(&format!("{before}OTLP_{}{after}", self.signal.variable)).or_else(|| self.read(name))
    }

    pub(crate) fn warn(&mut self, name: &str, value: impl Display, expected: &str) {
        self.warnings.push(format!("`{name}` is \"{value}\", but should be {expected}; it is ignored"));
    }

    /// Returns true if OpenTelemetry is disabled. Any value other than `true` counts as false
    /// (specification, "Boolean value").
    pub(crate) fn disabled(&mut self) -> bool {
        let Some((name, value)) = self.read("OTEL_SDK_DISABLED") else { return false };
        let value = value.to_ascii_lowercase();
        if !matches!(value.as_str(), "true" | "false") {
            self.warn(&name, &value, "`true` or `false`");
        }
        value == "true"
    }

    /// Returns true if the signal is exported, false if it is not, and `None` if the variable is
    /// not set or invalid.
    pub(crate) fn exporter(&mut self) -> Option<bool> {
        let (name, value) = self.read(self.signal.exporter)?;
        let value = value.to_ascii_lowercase();
        let names: Vec<_> = value.split(',').map(str::trim).collect();
        if names.iter().any(|name| !matches!(*name, "otlp" | "none")) {
            self.warn(&name, &value, "`otlp` or `none`");
        }
        if names.contains(&"otlp") { Some(true) } else { names.contains(&"none").then_some(false) }
    }

    /// Returns the variable that sets the collector's address, if there is one.
    pub(crate) fn url(&self) -> Option<UrlVariable> {
        self.of_signal("OTEL_EXPORTER_OTLP_ENDPOINT")
    }

    /// Applies the variables to the settings of an export.
    pub(crate) fn export(&mut self, export: &mut Export, variable: Option<UrlVariable>) {
        self.signal_url(export, variable);
        self.headers(export);
        if let Some(millis) =
            self.signal_number("OTEL_EXPORTER_OTLP_TIMEOUT", "milliseconds above 0", |millis: &u64| {
                *millis > 0
            })
        {
            export.timeout = Some(Duration::from_millis(millis));
        }
        if let Some((name, value)) = self.of_signal("OTEL_EXPORTER_OTLP_COMPRESSION") {
            match value.to_ascii_lowercase().as_str() {
                "gzip" => export.gzip = true,
                "none" => export.gzip = false,
                _ => self.warn(&name, value, "`gzip` or `none`"),
            }
        }
        self.certificates(export);
    }

    fn signal_url(&mut self, export: &mut Export, variable: Option<UrlVariable>) {
        let grpc = self.protocol();
        let (url, moved) = match &variable {
            Some((_, url)) if grpc.is_some() => http_url_of_grpc(url),
            Some((_, url)) => (url.clone(), false),
            None => (String::new(), false),
        };
        if let Some(name) = grpc {
            let port =
                if moved { ", which is used in place of gRPC's 4317" } else { ", where gRPC has 4317" };
            let items = self.signal.items;
            self.warnings.push(format!(
                "`{name}` is \"grpc\", but {items} are exported with `http/protobuf`: collectors take it at port 4318{port}"
            ));
        }
        match variable {
            Some((name, _)) if is_url(&url) => {
                // An address for gRPC has no path, even the address of one signal, so the path is
                // appended.
                let exact = name.contains(self.signal.variable) && (!moved || has_path(&url));
                export.signal_url = Some(if exact { url } else { url_of_signal(&url, self.signal) });
            }
            Some((name, url)) => self.warn(&name, shown(&url), &format!("a URL such as `{DEFAULT_URL}`")),
            None => {}
        }
    }

    fn headers(&mut self, export: &mut Export) {
        let Some((name, list)) = self.of_signal("OTEL_EXPORTER_OTLP_HEADERS") else { return };
        for pair in pairs(&list) {
            match pair.filter(|(name, value)| is_header(name, value)) {
                Some((header, value)) => {
                    export.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(&header));
                    export.headers.push((header, value));
                }
                // The warning does not show the value, because headers usually contain secrets.
                None => self.warn(&name, "…", "`name=value`, separated by commas"),
            }
        }
    }

    fn certificates(&mut self, export: &mut Export) {
        if let Some((name, path)) = self.of_signal("OTEL_EXPORTER_OTLP_CERTIFICATE") {
            if std::fs::read(&path).ok().and_then(|pem| Tls::certificates(&pem)).is_some() {
                export.ca_file = Some(path.into());
            } else {
                self.warn(&name, path, "a file with certificates in PEM");
            }
        }
        let certificate = self.of_signal("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE");
        let key = self.of_signal("OTEL_EXPORTER_OTLP_CLIENT_KEY");
        let Some((name, _)) = certificate.as_ref().or(key.as_ref()) else { return };
        let read = |file: &Option<(String, String)>| std::fs::read(&file.as_ref()?.1).ok();
        let identity =
            read(&certificate).zip(read(&key)).and_then(|(chain, key)| Tls::identity(&chain, &key));
        if identity.is_some() {
            export.client_certificate = certificate.map(|(_, path)| path.into());
            export.client_key = key.map(|(_, path)| path.into());
        } else {
            let expected =
                "a file with certificates, and `OTEL_EXPORTER_OTLP_CLIENT_KEY` one with their key, in PEM";
            let paths = certificate.iter().chain(&key).map(|(_, path)| path.as_str());
            let (name, paths) = (name.clone(), paths.collect::<Vec<_>>().join(", "));
            self.warn(&name, paths, expected);
        }
    }

    /// Returns the variable that requests gRPC, which is not supported.
    fn protocol(&mut self) -> Option<String> {
        let (name, value) = self.of_signal("OTEL_EXPORTER_OTLP_PROTOCOL")?;
        match value.to_ascii_lowercase().as_str() {
            "http/protobuf" => None,
            "grpc" => Some(name),
            _ => {
                self.warn(&name, value, "`http/protobuf`, which is used");
                None
            }
        }
    }

    fn signal_number<N: FromStr>(
        &mut self,
        name: &str,
        expected: &str,
        valid: impl Fn(&N) -> bool,
    ) -> Option<N> {
        let (name, _) = self.of_signal(name)?;
        self.number(&name, expected, valid)
    }

    /// Returns the number in a variable if it is valid.
    pub(crate) fn number<N: FromStr>(
        &mut self,
        name: &str,
        expected: &str,
        valid: impl Fn(&N) -> bool,
    ) -> Option<N> {
        let (name, value) = self.read(name)?;
        let number = value.parse().ok().filter(valid);
        if number.is_none() {
            self.warn(&name, value, expected);
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outputs::otlp::signal::TRACES;

    fn read(pairs: &[(&str, &str)]) -> (Export, Vec<String>) {
        let get = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        let (mut export, mut warnings) = (Export::default(), Vec::new());
        let mut variables = SignalVariables::new(&get, &mut warnings, &TRACES);
        let variable = variables.url();
        variables.export(&mut export, variable);
        (export, warnings)
    }

    #[test]
    fn endpoints_are_read() {
        let url = |pairs: &[(&str, &str)]| read(pairs).0.signal_url;
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otlp.example.com/tenant/");
        assert_eq!(url(&[base]).as_deref(), Some("https://otlp.example.com/tenant/v1/traces"));
        let exact = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:4318/in");
        assert_eq!(url(&[base, exact]).as_deref(), Some("http://traces:4318/in"));
        let (export, warnings) = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318")]);
        assert_eq!(export.signal_url, None);
        assert!(
            warnings[0].contains("collector:4318") && warnings[0].contains("http://localhost:4318"),
            "{warnings:?}"
        );
    }

    #[test]
    fn the_grpc_protocol_is_replaced_by_http_with_a_warning() {
        let (export, warnings) = read(&[
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317"),
        ]);
        assert_eq!(export.signal_url.as_deref(), Some("http://collector:4318/v1/traces"));
        let expected = "`OTEL_EXPORTER_OTLP_PROTOCOL` is \"grpc\", but spans are exported with `http/protobuf`: \
                        collectors take it at port 4318, which is used in place of gRPC's 4317";
        assert_eq!(warnings, [expected]);
        for (name, value, url) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317", "http://collector:4318/v1/traces"),
            (
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                "http://collector:4317",
                "http://collector:4318/v1/traces",
            ),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://collector/in", "https://collector/in"),
        ] {
            let (export, warnings) = read(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "GRPC"), (name, value)]);
            assert_eq!(export.signal_url.as_deref(), Some(url));
            assert_eq!(warnings.len(), 1, "{warnings:?}");
        }
        let (_, warnings) = read(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")]);
        assert!(warnings[0].contains("http/protobuf"), "{warnings:?}");
    }
}
