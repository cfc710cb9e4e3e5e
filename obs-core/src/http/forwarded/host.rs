//! Hosts in the form `host[:port]` (RFC 9110 §7.2, RFC 3986 §3.2).

use std::net::Ipv6Addr;

/// The maximum length of a host. A DNS name has at most 253 characters.
const MAX_BYTES: usize = 255;

/// A valid `host[:port]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Host<'a> {
    /// The text as received, without a colon that is not followed by a port.
    pub(crate) text: &'a str,
    /// The name or address without the port. An IPv6 address is without its brackets.
    #[cfg_attr(not(feature = "otel"), allow(dead_code))] // only spans need both
    pub(crate) name: &'a str,
    #[cfg_attr(not(feature = "otel"), allow(dead_code))]
    pub(crate) port: Option<u16>,
}

impl<'a> Host<'a> {
    /// Parses a host; `None` if it is invalid.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let literal = text.strip_prefix('[');
        let end = match literal {
            Some(literal) => literal.find(']')?.checked_add(2)?,
            None => text.bytes().position(|b| !NAME[usize::from(b)]).unwrap_or(text.len()),
        };
        let (whole, rest) = text.split_at_checked(end)?;
        let name = match literal {
            Some(literal) => {
                literal.get(..end.checked_sub(2)?).filter(|ip| ip.parse::<Ipv6Addr>().is_ok())?
            }
            None => Some(whole).filter(|name| !name.is_empty())?,
        };
        if text.len() > MAX_BYTES {
            return None;
        }
        match rest.strip_prefix(':') {
            Some("") => Some(Self { text: whole, name, port: None }),
            Some(digits) => Some(Self { text, name, port: Some(port(digits)?) }),
            None => rest.is_empty().then_some(Self { text, name, port: None }),
        }
    }
}

/// Adds `port` to the host, if it has none and the result is not too long.
pub(super) fn with_port(host: Host<'_>, port: Option<u16>) -> String {
    let port = port.filter(|_| host.port.is_none());
    let whole = port.map(|port| format!("{}:{port}", host.text)).filter(|whole| whole.len() <= MAX_BYTES);
    whole.unwrap_or_else(|| host.text.to_owned())
}

/// Parses a port of digits only: `parse` alone would accept a leading `+`.
pub(super) fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// The bytes that are valid in a `reg-name` (RFC 3986 §3.2.2). IPv4 addresses have no others.
static NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric()
            || matches!(b, b'-' | b'.' | b'_' | b'~' | b'%')
            || matches!(b, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=');
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hosts_are_split_from_their_ports() {
        for (host, split) in [
            ("shop.example", ("shop.example", None)),
            ("shop.example:8443", ("shop.example", Some(8443))),
            ("shop.example:", ("shop.example", None)),
            ("192.0.2.7:80", ("192.0.2.7", Some(80))),
            ("[::1]", ("::1", None)),
            ("[::1]:80", ("::1", Some(80))),
        ] {
            let parsed = Host::parse(host).expect("a host");
            assert_eq!((parsed.name, parsed.port), split, "{host}");
        }
    }

    #[test]
    fn hosts_with_invalid_characters_are_rejected() {
        let (fits, too_long) = ("a".repeat(255), "a".repeat(256));
        for (text, host) in [
            ("shop.example", Some("shop.example")),
            ("Shop_1.example:8443", Some("Shop_1.example:8443")),
            ("shop.example:", Some("shop.example")),
            ("192.0.2.7", Some("192.0.2.7")),
            ("[2001:db8::1]", Some("[2001:db8::1]")),
            ("[2001:db8::1]:80", Some("[2001:db8::1]:80")),
            ("xn--bcher-kva.example", Some("xn--bcher-kva.example")),
            ("b%C3%BCcher.example", Some("b%C3%BCcher.example")),
            (&fits, Some(&fits)),
            (&too_long, None),
            ("bücher.example", None),
            ("", None),
            (":80", None),
            ("2001:db8::1", None),
            ("[shop]", None),
            ("[::1]80", None),
            ("[::1", None),
            ("shop.example:http", None),
            ("shop.example:65536", None),
            ("shop.example:+80", None),
            ("user@shop.example", None),
            ("shop.example/path", None),
            ("shop example", None),
            ("<script>", None),
            ("shop\"", None),
        ] {
            assert_eq!(Host::parse(text).map(|host| host.text), host, "{text}");
        }
    }

    #[test]
    fn a_port_is_added_to_a_host_without_a_port() {
        let with_port = |host, port| with_port(Host::parse(host).expect("a host"), port);
        assert_eq!(with_port("shop.example", Some(80)), "shop.example:80");
        assert_eq!(with_port("[::1]", Some(80)), "[::1]:80");
        assert_eq!(with_port("shop.example:8443", Some(80)), "shop.example:8443");
        assert_eq!(with_port("shop.example", None), "shop.example");
        let full = "a".repeat(255);
        assert_eq!(with_port(&full, Some(80)), full);
    }

    proptest! {
        #[test]
        fn any_text_is_accepted(text in ".{0,300}|[\\[\\]:a0]{0,20}", port: Option<u16>) {
            if let Some(host) = Host::parse(&text) {
                let whole = with_port(host, port);
                prop_assert!(whole.len() <= MAX_BYTES && whole.is_ascii());
                let parsed = Host::parse(&whole);
                prop_assert_eq!(parsed.map(|host| (host.text, host.name)), Some((whole.as_str(), host.name)));
            }
        }
    }
}
