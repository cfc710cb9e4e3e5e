//! Which settings cannot be.

use super::ObserverBuilder;
use crate::base::build_error::{BuildError, error};
use crate::http::{
    forwarded::network::{Network, TrustedProxies},
    method::KnownMethods,
};

impl ObserverBuilder {
    /// Refuses the first setting that cannot be, and brings the others into their final form.
    pub(super) fn validate(&mut self) -> Result<(), BuildError> {
        if self.service.name.trim().is_empty() {
            return Err(error("service", &self.service.name, "the name of the service"));
        }
        if self.request_id_headers.is_empty() {
            return Err(error("request_id_headers", "", "at least one header name"));
        }
        for name in &mut self.request_id_headers {
            name.make_ascii_lowercase();
            // RFC 9110 §5.6.2: a field name is a token.
            let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            if name.is_empty() || name.len() > 256 || !name.bytes().all(token) {
                let expected = "a header name such as `x-request-id`";
                return Err(error("request_id_headers", name, expected));
            }
        }
        #[cfg(feature = "tokio")]
        for (n, check) in self.checks.iter().enumerate() {
            let taken = self.checks.iter().take(n).any(|other| other.name == check.name);
            if check.name.is_empty() || taken {
                return Err(error("check", &check.name, "a name that no other check has"));
            }
        }
        let mut names = vec!["metrics", "events", "spans"];
        for sink in &self.sinks {
            if names.contains(&sink.name()) {
                return Err(error("sink", sink.name(), "a sink whose name no other one has"));
            }
            names.push(sink.name());
        }
        let paths: Vec<_> = self.endpoints.iter().flatten().map(|(_, path)| path).collect();
        for (n, path) in paths.iter().enumerate() {
            if !path.starts_with('/') || path.contains(['?', '#', '{', ' ']) {
                return Err(error("endpoint_path", path, "a plain path such as `/metrics`"));
            }
            if paths.iter().skip(n.saturating_add(1)).any(|other| other == path) {
                return Err(error("endpoint_path", path, "a path of its own for each endpoint"));
            }
        }
        self.events.check()?;
        self.validate_metrics()
    }

    pub(super) fn parsed_methods(&self) -> Result<KnownMethods, BuildError> {
        let Some(names) = &self.known_methods else { return Ok(KnownMethods::default()) };
        KnownMethods::new(names.iter().map(String::as_str))
            .map_err(|name| error("known_methods", name, "a method that is registered, such as `PROPFIND`"))
    }

    pub(super) fn parsed_proxies(&self) -> Result<TrustedProxies, BuildError> {
        let expected = "addresses or networks such as `10.0.0.0/8`";
        let parse = |text: &String| {
            Network::parse(text.trim()).ok_or_else(|| error("trusted_proxies", text, expected))
        };
        let networks: Result<Vec<_>, _> = self.trusted_proxies.iter().map(parse).collect();
        Ok(TrustedProxies::new(networks?))
    }

    fn validate_metrics(&self) -> Result<(), BuildError> {
        let metrics = &self.metrics;
        let buckets = [
            ("duration_buckets", metrics.duration.as_deref()),
            ("stream_buckets", Some(metrics.stream.as_slice())),
            ("size_buckets", Some(metrics.size.as_slice())),
        ];
        for (setting, bounds) in buckets {
            let Some(bounds) = bounds else { continue };
            let ascending = bounds.iter().zip(bounds.iter().skip(1)).all(|(a, b)| a < b);
            if bounds.is_empty() || !ascending || !bounds.iter().all(|bound| (1e-9..1e15).contains(bound)) {
                let expected = "ascending bounds above 0 and below 1e15, without `+Inf`";
                return Err(error(setting, &format!("{bounds:?}"), expected));
            }
        }
        let names = metrics.label_names();
        for (n, name) in names.iter().enumerate() {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
            let valid = !name.is_empty()
                && name.bytes().all(allowed)
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && !name.starts_with("__")
                && name != "le";
            if !valid {
                return Err(error("labels", name, "a label name such as `endpoint`"));
            }
            if names.iter().take(n).any(|other| other == name) {
                return Err(error("labels", name, "a name of its own for each label"));
            }
        }
        if metrics.excluded.iter().any(String::is_empty) {
            return Err(error("exclude_routes", "", "templates such as `/internal/{id}` or `/internal/*`"));
        }
        if !(1..=1_000_000).contains(&metrics.series_limit) {
            let value = metrics.series_limit.to_string();
            return Err(error("series_limit", &value, "between 1 and 1,000,000"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::endpoint::Endpoint;

    fn builder() -> ObserverBuilder {
        ObserverBuilder::new("test".to_owned()).no_environment()
    }

    fn refused(builder: ObserverBuilder) -> String {
        builder.build().expect_err("refused").to_string()
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_reason() {
        let message = refused(ObserverBuilder::new(" ".to_owned()).no_environment());
        assert_eq!(message, "`service` is \" \", but should be the name of the service");
        let message = refused(builder().request_id_headers(Vec::<String>::new()));
        assert!(message.contains("at least one header name"), "{message}");
        let message = refused(builder().endpoint_path(Endpoint::Metrics, "metrics"));
        assert!(message.contains("`endpoint_path` is \"metrics\""), "{message}");
        let message = refused(builder().endpoint_path(Endpoint::Metrics, "/health"));
        assert!(message.contains("a path of its own"), "{message}");
    }

    #[test]
    fn metrics_that_cannot_be() {
        use crate::outputs::metrics::settings::{MetricLabel, Metrics};
        for (metrics, expected) in [
            (Metrics::new().duration_buckets([]), "`duration_buckets` is \"[]\""),
            (Metrics::new().duration_buckets([2.0, 1.0]), "`duration_buckets` is \"[2.0, 1.0]\""),
            (Metrics::new().size_buckets([f64::INFINITY]), "without `+Inf`"),
            (Metrics::new().stream_buckets([f64::NAN]), "`stream_buckets`"),
            (Metrics::new().labels([MetricLabel::method().named("le")]), "`labels` is \"le\""),
            (Metrics::new().labels([MetricLabel::method(), MetricLabel::method()]), "a name of its own"),
            (Metrics::new().exclude_routes([""]), "`exclude_routes`"),
            (Metrics::new().series_limit(0), "`series_limit` is \"0\""),
        ] {
            let message = refused(builder().metrics(metrics));
            assert!(message.contains(expected), "{message}");
        }
    }

    #[cfg(feature = "prometheus")]
    #[test]
    fn two_observers_on_one_registry_are_refused_and_one_after_the_other_is_fine() {
        let metrics = crate::outputs::metrics::settings::Metrics::new().registry(prometheus::Registry::new());
        let first = builder().metrics(metrics.clone()).build().expect("the first");
        let message = refused(builder().metrics(metrics.clone()));
        assert!(message.starts_with("`registry` is \"Duplicate metrics collector"), "{message}");
        drop(first);
        assert!(builder().metrics(metrics).build().is_ok());
    }

    #[cfg(feature = "tokio")]
    #[test]
    fn two_checks_of_one_name_are_refused() {
        let check = || async { Ok::<_, std::io::Error>(()) };
        let message = refused(builder().check("db", check).check("db", check));
        assert_eq!(message, "`check` is \"db\", but should be a name that no other check has");
    }
}
