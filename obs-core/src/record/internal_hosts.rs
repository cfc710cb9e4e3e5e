//! The hosts that get baggage and the request id.

use std::net::IpAddr;

use crate::http::forwarded::network::Network;

/// The default list.
pub(crate) const DEFAULT: [&str; 6] =
    ["loopback", "private", "single-label", "*.svc", "*.internal", "*.local"];

/// A rule that some hosts match.
#[derive(Clone, Debug, PartialEq, Eq)]
enum HostRule {
    /// `127.0.0.0/8`, `::1` and `localhost`.
    Loopback,
    /// Literals of private addresses (RFC 1918 §3, RFC 4193 §3).
    Private,
    /// Names without a dot, as they are usual inside of a cluster.
    SingleLabel,
    /// All names below a domain: `.internal`.
    Below(String),
    Exactly(String),
    Network(Network),
}

/// The hosts to which baggage and the request id are sent. Other hosts get the trace context only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct InternalHosts(Vec<HostRule>);

impl HostRule {
    /// Parses a rule; `None` if it is invalid.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        match text {
            "loopback" => return Some(Self::Loopback),
            "private" => return Some(Self::Private),
            "single-label" => return Some(Self::SingleLabel),
            _ => {}
        }
        if let Some(network) = Network::parse(text) {
            return Some(Self::Network(network));
        }
        let (name, below) = text.strip_prefix("*.").map_or((text, false), |domain| (domain, true));
        let label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if !name.split('.').all(label) {
            return None;
        }
        let name = name.to_ascii_lowercase();
        Some(if below { Self::Below(format!(".{name}")) } else { Self::Exactly(name) })
    }

    fn matches(&self, name: &str, address: Option<IpAddr>) -> bool {
        match (self, address) {
            (Self::Loopback, Some(address)) => address.is_loopback(),
            (Self::Loopback, None) => name.eq_ignore_ascii_case("localhost"),
            (Self::Private, Some(IpAddr::V4(address))) => address.is_private(),
            (Self::Private, Some(IpAddr::V6(address))) => address.is_unique_local(),
            (Self::SingleLabel, None) => !name.is_empty() && !name.contains('.'),
            (Self::Below(suffix), None) => {
                let end = name.len().checked_sub(suffix.len()).and_then(|start| name.get(start..));
                end.is_some_and(|end| end.eq_ignore_ascii_case(suffix))
            }
            (Self::Exactly(own), None) => own.eq_ignore_ascii_case(name),
            (Self::Network(network), Some(address)) => network.contains(address),
            _ => false,
        }
    }
}

impl InternalHosts {
    /// Creates the list. Invalid rules are ignored, because the builder rejects them.
    pub(crate) fn new<'a>(rules: impl IntoIterator<Item = &'a String>) -> Self {
        Self(rules.into_iter().filter_map(|rule| HostRule::parse(rule)).collect())
    }

    /// Returns true if the text is a rule.
    pub(crate) fn is_rule(text: &str) -> bool {
        HostRule::parse(text).is_some()
    }

    /// Returns true if a host of a URL is in the list. An IPv6 address may be in brackets.
    pub(crate) fn contain(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let address = bare.parse().ok().map(|address: IpAddr| address.to_canonical());
        // A name with a dot at its end is the same name.
        let name = bare.strip_suffix('.').unwrap_or(bare);
        self.0.iter().any(|rule| rule.matches(name, address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(rules: &[&str]) -> InternalHosts {
        InternalHosts::new(&rules.iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_default_contains_only_hosts_of_the_own_network() {
        let default = hosts(&DEFAULT);
        for (host, is_internal) in [
            ("localhost", true),
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("[::1]", true),
            ("::1", true),
            ("10.1.2.3", true),
            ("172.16.0.1", true),
            ("192.168.1.1", true),
            ("[fd00::1]", true),
            ("::ffff:10.0.0.1", true),
            ("payments", true),
            ("payments.shop.svc", true),
            ("payments.shop.svc.", true),
            ("payments.shop.svc.cluster.local", true),
            ("METADATA.Internal", true),
            ("internal", true),
            ("example.com", false),
            ("internal.example.com", false),
            ("notinternal.com", false),
            ("evil-internal", true),
            ("x.evilinternal", false),
            ("8.8.8.8", false),
            ("11.0.0.1", false),
            ("172.32.0.1", false),
            ("[2001:db8::1]", false),
            ("fe80::1", false),
            ("", false),
            (".", false),
            ("10.0.0.1.example.com", false),
        ] {
            assert_eq!(default.contain(host), is_internal, "{host}");
        }
    }

    #[test]
    fn own_rules_match_names_domains_and_networks() {
        let own = hosts(&["api.example.com", "*.corp.example", "203.0.113.0/24", "2001:db8::/32"]);
        for (host, is_internal) in [
            ("API.example.com", true),
            ("x.api.example.com", false),
            ("a.b.corp.example", true),
            ("corp.example", false),
            ("203.0.113.9", true),
            ("[2001:db8::9]", true),
            ("localhost", false),
            ("payments", false),
        ] {
            assert_eq!(own.contain(host), is_internal, "{host}");
        }
        assert!(!hosts(&[]).contain("localhost"));
    }

    #[test]
    fn invalid_rules_are_found() {
        for rule in ["", "*", "*.", "a..b", "http://a", "a/b", "*.*.a", "a b", "10.0.0.0/99"] {
            assert!(!InternalHosts::is_rule(rule), "{rule}");
        }
    }
}
