//! The sender from which a proxy got a request (RFC 7239 §6).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::host::port;

/// An address, and its port if that is known. `unknown`, `_hidden` and malformed texts are not
/// nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// The address, which is never IPv4-mapped.
    pub(super) address: IpAddr,
    pub(super) port: Option<u16>,
}

impl Node {
    /// Parses `192.0.2.7`, `192.0.2.7:4711`, `[2001:db8::1]` or `[2001:db8::1]:4711`. Also parses
    /// `2001:db8::1`, because `X-Forwarded-For` has no brackets.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self { address: address.to_canonical(), port: None });
        }
        let (address, rest) = match text.strip_prefix('[') {
            Some(literal) => {
                let (address, rest) = literal.split_once(']')?;
                (IpAddr::from(address.parse::<Ipv6Addr>().ok()?), rest)
            }
            None => {
                let (address, rest) = text.split_at_checked(text.find(':')?)?;
                (IpAddr::from(address.parse::<Ipv4Addr>().ok()?), rest)
            }
        };
        let port = match rest.strip_prefix(':') {
            Some(hidden) if is_hidden(hidden) => None,
            Some(digits) => Some(port(digits)?),
            None if rest.is_empty() => None,
            None => return None,
        };
        Some(Self { address: address.to_canonical(), port })
    }
}

/// Returns `true` for an `obfport` (RFC 7239 §6).
fn is_hidden(port: &str) -> bool {
    let rest = port.strip_prefix('_').unwrap_or_default();
    !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_and_without_ports() {
        for (text, address, port) in [
            ("192.0.2.7", "192.0.2.7", None),
            ("192.0.2.7:4711", "192.0.2.7", Some(4711)),
            ("192.0.2.7:_x-1", "192.0.2.7", None),
            ("[2001:db8::1]", "2001:db8::1", None),
            ("[2001:db8::1]:4711", "2001:db8::1", Some(4711)),
            ("[2001:db8::1]:_x", "2001:db8::1", None),
            ("2001:db8::1", "2001:db8::1", None),
            ("::ffff:192.0.2.7", "192.0.2.7", None),
            ("[::ffff:192.0.2.7]:80", "192.0.2.7", Some(80)),
        ] {
            let address = address.parse().expect("an address");
            assert_eq!(Node::parse(text), Some(Node { address, port }), "{text}");
        }
        for text in [
            "",
            "unknown",
            "_hidden",
            "client.example",
            "192.0.2",
            "192.0.2.7:",
            "192.0.2.7:70000",
            "192.0.2.7:+80",
            "192.0.2.7:_",
            "192.0.2.7:80:80",
            "192.0.2.07",
            "[192.0.2.7]",
            "[2001:db8::1",
            "[2001:db8::1]80",
            "[fe80::1%eth0]",
            "\"192.0.2.7\"",
        ] {
            assert_eq!(Node::parse(text), None, "{text}");
        }
    }
}
