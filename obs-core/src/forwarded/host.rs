//! `host[:port]` (RFC 9110 §7.2, RFC 3986 §3.2).

use std::net::Ipv6Addr;

/// A name of the DNS has 253 characters at most.
const MAX_BYTES: usize = 255;

/// The host and the port of `host[:port]`, an IPv6 address without its brackets.
pub(crate) fn split_host(host: &str) -> (&str, Option<u16>) {
    let literal = host.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    if let Some((address, rest)) = literal {
        return (address, rest.strip_prefix(':').and_then(port));
    }
    match before_colon(host) {
        Some((name, text)) if before_colon(text).is_none() => (name, port(text)),
        // An address without brackets has no port behind it.
        _ => (host, None),
    }
}

/// What stands before the first colon and behind it. Hosts are short: bytes one by one are sooner found than a searcher is set up.
fn before_colon(text: &str) -> Option<(&str, &str)> {
    let colon = text.bytes().position(|b| b == b':')?;
    Some((text.get(..colon)?, text.get(colon.checked_add(1)?..)?))
}

/// A valid `host[:port]`, without a colon that has no port behind it.
pub(crate) fn valid(text: &str) -> Option<&str> {
    let end = match text.strip_prefix('[') {
        Some(literal) => literal.find(']')?.checked_add(2)?,
        None => before_colon(text).map_or(text.len(), |(name, _)| name.len()),
    };
    let (name, rest) = text.split_at_checked(end)?;
    let name_fits = match name.strip_prefix('[') {
        Some(literal) => literal.strip_suffix(']')?.parse::<Ipv6Addr>().is_ok(),
        None => !name.is_empty() && name.bytes().all(|b| NAME[usize::from(b)]),
    };
    if !name_fits || text.len() > MAX_BYTES {
        return None;
    }
    match rest.strip_prefix(':') {
        Some("") => Some(name),
        Some(digits) => port(digits).map(|_| text),
        None => rest.is_empty().then_some(text),
    }
}

/// The host with `port`, if it has none of its own and there is room.
pub(super) fn with_port(host: &str, port: Option<u16>) -> String {
    let port = port.filter(|_| split_host(host).1.is_none());
    let whole = port.map(|port| format!("{host}:{port}")).filter(|whole| whole.len() <= MAX_BYTES);
    whole.unwrap_or_else(|| host.to_owned())
}

/// Digits only: `parse` alone would take a leading `+`.
pub(super) fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// Which bytes `reg-name` has (RFC 3986 §3.2.2), which IPv4 addresses are, too.
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
            ("shop.example:70000", ("shop.example", None)),
            ("shop.example:+80", ("shop.example", None)),
            ("192.0.2.7:80", ("192.0.2.7", Some(80))),
            ("[::1]", ("::1", None)),
            ("[::1]:80", ("::1", Some(80))),
            ("[::1]80", ("::1", None)),
            ("::1", ("::1", None)),
            ("[::1", ("[::1", None)),
            ("", ("", None)),
        ] {
            assert_eq!(split_host(host), split, "{host}");
        }
    }

    #[test]
    fn hosts_have_the_characters_of_hosts() {
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
            ("user@shop.example", None),
            ("shop.example/path", None),
            ("shop example", None),
            ("<script>", None),
            ("shop\"", None),
        ] {
            assert_eq!(valid(text), host, "{text}");
        }
    }

    #[test]
    fn a_port_is_added_where_there_is_none() {
        assert_eq!(with_port("shop.example", Some(80)), "shop.example:80");
        assert_eq!(with_port("[::1]", Some(80)), "[::1]:80");
        assert_eq!(with_port("shop.example:8443", Some(80)), "shop.example:8443");
        assert_eq!(with_port("shop.example", None), "shop.example");
        let full = "a".repeat(255);
        assert_eq!(with_port(&full, Some(80)), full);
    }

    proptest! {
        #[test]
        fn any_text_is_harmless(text in ".{0,300}|[\\[\\]:a0]{0,20}", port: Option<u16>) {
            let _ = split_host(&text);
            if let Some(host) = valid(&text) {
                let whole = with_port(host, port);
                prop_assert!(whole.len() <= MAX_BYTES && whole.is_ascii());
                prop_assert_eq!(valid(&whole), Some(whole.as_str()));
            }
        }
    }
}
