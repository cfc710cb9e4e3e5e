//! The checks of the builder's settings that need more than a line.

use super::ObserverBuilder;
use crate::{
    base::{build_error::BuildError, environment::Environment},
    extension::{installation::Extension, setup::Parts},
    http::{
        forwarded::network::{Network, TrustedProxies},
        method::KnownMethods,
    },
    observer::drain::Drain,
    record::endpoint::Endpoint,
};
use std::time::Duration;

/// The longest name of a sink in bytes. It is the value of a label.
const MAX_SINK_NAME: usize = 64;

type Checked = Result<(), BuildError>;

impl ObserverBuilder {
    /// Rejects the first invalid setting that belongs to no extension.
    pub(super) fn validate(&self, environment: &Environment) -> Checked {
        self.check_values(environment)?;
        self.redaction.check_values(environment)
    }

    pub(super) fn check_service(&self, _: &'static str, _: &'static str) -> Checked {
        if self.service.trim().is_empty() {
            return Err(BuildError::new("service", &self.service, "the name of the service"));
        }
        Ok(())
    }

    pub(super) fn check_request_id_headers(&self, setting: &'static str, _: &'static str) -> Checked {
        if self.request_id_headers.is_empty() {
            return Err(BuildError::new(setting, "", "at least one header name"));
        }
        Ok(())
    }

    pub(super) fn check_known_methods(&self, setting: &'static str, expected: &'static str) -> Checked {
        self.parsed_methods().map(drop).map_err(|name| BuildError::new(setting, name, expected))
    }

    pub(super) fn check_drain_delay(&self, setting: &'static str, expected: &'static str) -> Checked {
        let alone = Drain::new(self.shutdown_timeout, self.drain_delay, Some(Duration::ZERO));
        checked_time(alone, self.drain_delay, setting, expected)
    }

    pub(super) fn check_drain_timeout(&self, setting: &'static str, expected: &'static str) -> Checked {
        checked_time(self.drain(), self.drain_timeout, setting, expected)
    }

    /// The times of a shutdown.
    pub(super) fn drain(&self) -> Drain {
        Drain::new(self.shutdown_timeout, self.drain_delay, self.drain_timeout)
    }

    /// The known methods, or the first name that is not a registered method.
    pub(super) fn parsed_methods(&self) -> Result<KnownMethods, &str> {
        match &self.known_methods {
            Some(names) => KnownMethods::new(names.iter().map(String::as_str)),
            None => Ok(KnownMethods::default()),
        }
    }

    pub(super) fn parsed_proxies(&self) -> TrustedProxies {
        TrustedProxies::new(self.trusted_proxies.iter().filter_map(|network| Network::parse(network.trim())))
    }
}

/// Rejects a time of the drain if the parts do not fit into the time of the shutdown.
fn checked_time(
    drain: Drain,
    time: Option<Duration>,
    setting: &'static str,
    expected: &'static str,
) -> Checked {
    match time {
        Some(time) if !drain.fits() => Err(BuildError::new(setting, format!("{time:?}"), expected)),
        _ => Ok(()),
    }
}

/// Rejects an extension with the name of another.
pub(super) fn names(extensions: &[Box<dyn Extension>]) -> Checked {
    let mut names = Vec::new();
    for extension in extensions {
        let name = extension.name();
        if names.contains(&name) {
            return Err(BuildError::new("extension", name, "a name that no other extension has"));
        }
        names.push(name);
    }
    Ok(())
}

/// Rejects sinks with the name of another, and paths that are invalid or taken.
///
/// The names of built-in extensions belong to their sinks, also to a sink that is switched off.
pub(super) fn parts(parts: &Parts, built_in: &[String]) -> Checked {
    for (n, sink) in parts.sinks.iter().enumerate() {
        let name = sink.name();
        if name.is_empty() || name.len() > MAX_SINK_NAME || name.contains(char::is_control) {
            let expected = "a name of 1 to 64 bytes, without control characters";
            return Err(BuildError::new("sink", name, expected));
        }
        let others =
            parts.sinks.iter().take(n).map(|other| other.name()).chain(built_in.iter().map(String::as_str));
        let own = n < parts.own_sinks;
        if !own && others.into_iter().any(|other| other == name) {
            return Err(BuildError::new("sink", name, "a name that no other sink has"));
        }
    }
    for (n, installed) in parts.endpoints.iter().enumerate() {
        let path = &*installed.path;
        let setting = match installed.endpoint {
            Endpoint::Extension(_) => "extension",
            _ => "endpoint_path",
        };
        if !path.starts_with('/') || path.contains(['?', '#', '{', ' ']) {
            return Err(BuildError::new(setting, path, "a plain path such as `/metrics`"));
        }
        if parts.endpoints.iter().take(n).any(|other| other.path == path) {
            return Err(BuildError::new(setting, path, "a path of its own for each endpoint"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        extension::sink::RecordSink,
        record::{endpoint::Endpoint, finished::Record},
    };

    fn builder() -> ObserverBuilder {
        ObserverBuilder::new("test".to_owned()).no_environment()
    }

    fn error_message(builder: ObserverBuilder) -> String {
        builder.build().expect_err("refused").to_string()
    }

    #[test]
    fn invalid_settings_are_rejected_with_a_reason() {
        let message = error_message(ObserverBuilder::new(" ".to_owned()).no_environment());
        assert_eq!(message, "`service` is \" \", but should be the name of the service");
        let message = error_message(builder().request_id_headers(Vec::<String>::new()));
        assert!(message.contains("at least one header name"), "{message}");
        let message = error_message(builder().endpoint_path(Endpoint::Livez, "livez"));
        assert!(message.contains("`endpoint_path` is \"livez\""), "{message}");
        let message = error_message(builder().endpoint_path(Endpoint::Livez, "/health"));
        assert!(message.contains("a path of its own"), "{message}");
        let message = error_message(builder().route_groups(["/internal"]));
        assert!(
            message.starts_with("`route_groups` is \"/internal\", but should be beginnings"),
            "{message}"
        );
        let message = error_message(builder().exclude_routes(["^/internal"]));
        assert!(message.starts_with("`exclude_routes` is \"^/internal\", but should be routes"), "{message}");
        let events = crate::outputs::events::settings::Events::new().exclude_status([404, 42]);
        let message = error_message(builder().events(events));
        assert_eq!(message, "`exclude_status` is \"42\", but should be statuses between 100 and 599");
    }

    #[cfg(feature = "metrics")]
    #[test]
    fn invalid_settings_of_metrics_are_rejected() {
        use crate::outputs::metrics::settings::{MetricLabel, Metrics};
        for (metrics, expected) in [
            (Metrics::new().duration_buckets([]), "`duration_buckets` is \"[]\""),
            (Metrics::new().duration_buckets([2.0, 1.0]), "`duration_buckets` is \"[2.0, 1.0]\""),
            (Metrics::new().size_buckets([f64::INFINITY]), "without `+Inf`"),
            (Metrics::new().stream_buckets([f64::NAN]), "`stream_buckets`"),
            (Metrics::new().exclude_status([600]), "`exclude_status` is \"600\""),
            (Metrics::new().labels([MetricLabel::method().named("le")]), "`labels` is \"le\""),
            (
                Metrics::new().labels([MetricLabel::method(), MetricLabel::method()]),
                "a different name for each label",
            ),
            (Metrics::new().exclude_routes([""]), "`exclude_routes`"),
            (Metrics::new().exclude_routes(["^/internal/.*$"]), "and no regular expressions"),
            (Metrics::new().series_limit(0), "`series_limit` is \"0\""),
        ] {
            let message = error_message(builder().metrics(metrics));
            assert!(message.contains(expected), "{message}");
        }
    }

    #[cfg(feature = "prometheus")]
    #[test]
    fn a_registry_accepts_a_second_observer_only_after_the_first_one() {
        let metrics = crate::outputs::metrics::settings::Metrics::new().registry(prometheus::Registry::new());
        let first = builder().metrics(metrics.clone()).build().expect("the first");
        let message = error_message(builder().metrics(metrics.clone()));
        assert!(message.starts_with("`registry` is \"a registry with the metric "), "{message}");
        drop(first);
        assert!(builder().metrics(metrics).build().is_ok());
    }

    #[cfg(feature = "prometheus")]
    #[test]
    fn a_taken_metric_name_is_named() {
        let registry = prometheus::Registry::new();
        let own = prometheus::IntGauge::new("http_requests_in_flight", "of the application");
        registry.register(Box::new(own.expect("a gauge"))).expect("the first");
        let metrics = crate::outputs::metrics::settings::Metrics::new().registry(registry);
        let message = error_message(builder().metrics(metrics));
        assert!(message.contains("a registry with the metric http_requests_in_flight\""), "{message}");
    }

    struct Named(String);

    impl RecordSink for Named {
        fn name(&self) -> &str {
            &self.0
        }

        fn on_finish(&self, _: &Record) {}
    }

    #[test]
    fn names_of_sinks_can_be_created_at_run_time_and_are_unique() {
        let named = |name: &str| Named(name.to_owned());
        let observer = builder().sink(named("queue-1")).sink(named("queue-2")).build().expect("two names");
        #[cfg(not(feature = "metrics"))]
        drop(observer);
        #[cfg(feature = "metrics")]
        for name in ["queue-1", "queue-2"] {
            let text = observer.metrics_text();
            assert!(text.contains(&format!("obs_sink_errors_total{{sink=\"{name}\"}} 0")), "{text}");
        }
        let message = error_message(builder().sink(named("queue")).sink(named("queue")));
        assert_eq!(message, "`sink` is \"queue\", but should be a name that no other sink has");
        for name in ["metrics", "events", "spans", "health pages"] {
            assert!(error_message(builder().sink(named(name))).contains("no other sink has"));
        }
        for name in ["", "a\nb", &"x".repeat(65)] {
            assert!(error_message(builder().sink(named(name))).contains("1 to 64 bytes"));
        }
    }

    /// The source of a build error.
    fn source(builder: ObserverBuilder) -> Option<String> {
        use std::error::Error;
        let error = builder.build().expect_err("refused");
        let line = error.to_string();
        assert_eq!(line.lines().count(), 1, "{line}");
        error.source().map(ToString::to_string)
    }

    #[cfg(feature = "files")]
    #[test]
    fn an_error_of_the_system_is_the_source() {
        use crate::outputs::{destination::file::EventFile, events::output::EventOutput};
        let file = EventFile::new(std::env::temp_dir().join("no\0name"));
        let file = source(builder().events(EventOutput::file(file)));
        assert!(file.is_some_and(|source| source.contains("event file")));
    }

    #[cfg(feature = "files")]
    #[test]
    fn two_outputs_cannot_share_a_file() {
        use crate::outputs::{
            destination::file::EventFile,
            events::{output::EventOutput, settings::Events},
        };
        let file = |name| EventOutput::file(EventFile::new(std::env::temp_dir().join(name)));
        let events = Events::new().output(file("obs-shared")).output(file("./obs-shared").named("second"));
        let message = error_message(builder().events(events));
        assert!(message.ends_with("but should be a file of its own for each output"), "{message}");
    }

    #[test]
    fn an_invalid_value_has_no_source() {
        assert_eq!(source(builder().request_id_headers(Vec::<String>::new())), None);
    }

    #[cfg(feature = "patterns")]
    #[test]
    fn the_error_of_an_invalid_pattern_is_the_source() {
        let redaction = crate::redact::settings::Redaction::new().pattern("p", "(");
        assert!(source(builder().redaction(redaction)).is_some());
    }

    #[cfg(feature = "prometheus")]
    #[test]
    fn the_error_of_a_used_registry_is_the_source() {
        let metrics = crate::outputs::metrics::settings::Metrics::new().registry(prometheus::Registry::new());
        let _first = builder().metrics(metrics.clone()).build().expect("the first");
        let registry = source(builder().metrics(metrics));
        assert!(registry.is_some_and(|source| source.contains("Duplicate metrics collector")));
    }

    #[cfg(feature = "otel")]
    #[test]
    fn the_error_of_an_unreadable_file_is_the_source() {
        use crate::outputs::otel::settings::Otel;
        let error = builder().otel(Otel::new().ca_file("/no/such.pem")).build().expect_err("refused");
        let source =
            std::error::Error::source(&error).and_then(|source| source.downcast_ref::<std::io::Error>());
        assert_eq!(source.map(std::io::Error::kind), Some(std::io::ErrorKind::NotFound));
    }

    #[test]
    fn errors_do_not_show_secrets() {
        let name = "postgres://shop:hunter2@db/shop";
        let error = builder().request_id_headers([name]).build().expect_err("refused");
        assert_eq!(error.value, "postgres://[REDACTED]@db/shop");
    }

    #[cfg(feature = "tokio")]
    #[test]
    fn two_checks_with_one_name_are_rejected() {
        let check = || async { Ok::<_, std::io::Error>(()) };
        let message = error_message(builder().check("db", check).check("db", check));
        assert_eq!(message, "`check` is \"db\", but should be a name that no other check has");
    }
}
