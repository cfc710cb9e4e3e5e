//! Which settings cannot be.

use super::{BuildError, ObserverBuilder, error::error};

impl ObserverBuilder {
    /// Refuses the first setting that cannot be, and brings the others into their final form.
    pub(super) fn validate(&mut self) -> Result<(), BuildError> {
        if self.service.trim().is_empty() {
            return Err(error("service", &self.service, "the name of the service"));
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
        let mut names = vec!["metrics", "events"];
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
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Endpoint;

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

    #[cfg(feature = "tokio")]
    #[test]
    fn two_checks_of_one_name_are_refused() {
        let check = || async { Ok::<_, std::io::Error>(()) };
        let message = refused(builder().check("db", check).check("db", check));
        assert_eq!(message, "`check` is \"db\", but should be a name that no other check has");
    }
}
