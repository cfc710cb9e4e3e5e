//! Tests of chains of proxies, honest and forged.

use proptest::prelude::*;

use super::network::Network;
use super::*;

/// Headers as bytes.
pub(super) struct Lines<'a>(pub(super) &'a [(&'a str, &'a [u8])]);

impl HeaderLookup for Lines<'_> {
    fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
        self.0.iter().filter(|(n, _)| *n == name).for_each(|(_, value)| f(value));
    }
}

/// Trusts 10.0.0.0/8 and `fd00::/8`.
fn trusted() -> TrustedProxies {
    TrustedProxies::new(["10.0.0.0/8", "fd00::/8"].iter().filter_map(|text| Network::parse(text)))
}

fn of(pairs: &[(&str, &str)], peer: &str) -> Option<Forwarded> {
    let lines: Vec<_> = pairs.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    Forwarded::of(&Lines(&lines), peer.parse().ok(), &trusted())
}

/// Returns `client port scheme host`, with `-` for values that are missing.
fn shown(forwarded: &Forwarded) -> String {
    let Forwarded { client, client_port, scheme, host } = forwarded;
    let dash = || "-".to_owned();
    let client = client.map_or_else(dash, |client| client.to_string());
    let port = client_port.map_or_else(dash, |port| port.to_string());
    let scheme = scheme.map_or("-", UrlScheme::as_str);
    format!("{client} {port} {scheme} {}", host.as_deref().unwrap_or("-"))
}

fn all(cases: &[(&[(&str, &str)], &str)]) {
    for (pairs, expected) in cases {
        let found = of(pairs, "10.0.0.1").map(|forwarded| shown(&forwarded));
        assert_eq!(found.as_deref(), Some(*expected), "{pairs:?}");
    }
}

#[test]
fn headers_of_untrusted_peers_are_ignored() {
    let pairs = [("forwarded", "for=203.0.113.7"), ("x-forwarded-for", "203.0.113.7")];
    for peer in ["192.0.2.1", "::1", "::10.0.0.1", "nobody"] {
        assert_eq!(of(&pairs, peer), None, "{peer}");
    }
    for peer in ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1"] {
        assert!(of(&pairs, peer).is_some(), "{peer}");
    }
    assert_eq!(of(&[], "10.0.0.1"), None);
    assert_eq!(of(&[("forwarded", " , "), ("x-forwarded-for", "")], "10.0.0.1"), None);
    let nobody = Forwarded::of(&Lines(&[("forwarded", b"for=203.0.113.7")]), None, &trusted());
    assert_eq!(nobody, None);
}

#[test]
fn the_client_is_the_rightmost_address_that_is_not_a_proxy() {
    all(&[
        (
            &[("forwarded", "for=203.0.113.7;proto=https;host=shop.example")],
            "203.0.113.7 - https shop.example",
        ),
        (
            &[(
                "forwarded",
                "for=203.0.113.7;proto=https;host=a.example, for=10.0.0.2;proto=http;host=b.example",
            )],
            "203.0.113.7 - https a.example",
        ),
        // The client wrote everything to the left of its address.
        (&[("forwarded", "for=1.1.1.1;proto=http, for=203.0.113.7;proto=https")], "203.0.113.7 - https -"),
        (&[("forwarded", "for=10.9.9.9, for=203.0.113.7, for=10.0.0.2")], "203.0.113.7 - - -"),
        // All are proxies: the left-most one counts.
        (&[("forwarded", "for=10.0.0.4;proto=https, for=10.0.0.3, for=10.0.0.2")], "10.0.0.4 - https -"),
        (
            &[("forwarded", "for=\"[2001:db8::1]:4711\";host=\"shop.example:8443\"")],
            "2001:db8::1 4711 - shop.example:8443",
        ),
        (&[("forwarded", "for=203.0.113.7, for=\"[fd00::2]\"")], "203.0.113.7 - - -"),
        (&[("forwarded", "for=203.0.113.7, for=\"[::ffff:10.0.0.2]:80\"")], "203.0.113.7 - - -"),
        // One header for each proxy.
        (
            &[("forwarded", "for=203.0.113.7;proto=https"), ("forwarded", "for=10.0.0.2")],
            "203.0.113.7 - https -",
        ),
        (&[("x-forwarded-for", "203.0.113.7:4711")], "203.0.113.7 4711 - -"),
        (&[("x-forwarded-for", "1.1.1.1, 203.0.113.7 ,10.0.0.2")], "203.0.113.7 - - -"),
        (
            &[("x-forwarded-for", "203.0.113.7"), ("x-forwarded-for", "fd00::2, 10.0.0.2")],
            "203.0.113.7 - - -",
        ),
        (&[("x-forwarded-for", "10.0.0.4, 10.0.0.3")], "10.0.0.4 - - -"),
    ]);
}

#[test]
fn nothing_is_read_beyond_a_node_without_an_address() {
    all(&[
        (
            &[("forwarded", "for=203.0.113.7, for=_hidden;proto=http, for=10.0.0.2;proto=https")],
            "10.0.0.2 - https -",
        ),
        (&[("forwarded", "for=203.0.113.7, for=unknown, for=10.0.0.2")], "10.0.0.2 - - -"),
        (&[("forwarded", "for=203.0.113.7, for=nonsense, for=10.0.0.2")], "10.0.0.2 - - -"),
        (&[("forwarded", "for=203.0.113.7, =, for=10.0.0.2")], "10.0.0.2 - - -"),
        (&[("forwarded", "for=203.0.113.7, proto=http, for=10.0.0.2")], "10.0.0.2 - - -"),
        // The nearest proxy sends no address, but its other values count.
        (&[("forwarded", "for=203.0.113.7, for=_hidden;proto=https;host=a.example")], "- - https a.example"),
        (&[("forwarded", "proto=https")], "- - https -"),
        (&[("x-forwarded-for", "203.0.113.7, unknown, 10.0.0.2")], "10.0.0.2 - - -"),
        (&[("x-forwarded-for", "203.0.113.7, unknown")], "- - - -"),
    ]);
}

#[test]
fn headers_that_name_different_clients_are_ignored() {
    let x_forwarded = ("x-forwarded-for", "203.0.113.9");
    all(&[
        (
            &[("forwarded", "for=203.0.113.9"), x_forwarded, ("x-forwarded-proto", "https")],
            "203.0.113.9 - - -",
        ),
        (
            &[("forwarded", "for=203.0.113.9;proto=https"), ("x-forwarded-proto", "http")],
            "203.0.113.9 - https -",
        ),
        (&[("forwarded", "203.0.113.7"), x_forwarded], "203.0.113.9 - - -"),
        (&[("forwarded", "for=203.0.113.7;for=203.0.113.7"), x_forwarded], "203.0.113.9 - - -"),
        (&[("forwarded", ""), x_forwarded], "203.0.113.9 - - -"),
        // A quote that a client left open hides nothing.
        (&[("forwarded", "for=\"1.1.1.1, for=203.0.113.9"), x_forwarded], "203.0.113.9 - - -"),
        (&[("forwarded", "\""), ("forwarded", "for=203.0.113.9"), x_forwarded], "203.0.113.9 - - -"),
    ]);
    // A proxy passed one of the two headers as the client wrote it.
    for forwarded in ["for=203.0.113.7", "for=_hidden", "proto=https"] {
        let pairs = [("forwarded", forwarded), x_forwarded];
        assert_eq!(of(&pairs, "10.0.0.1"), None, "{forwarded}");
    }
}

#[test]
fn other_lists_are_read_at_the_index_of_the_client_or_from_the_right_end() {
    let chain = ("x-forwarded-for", "1.1.1.1, 203.0.113.7, 10.0.0.2");
    all(&[
        (
            &[
                chain,
                ("x-forwarded-proto", "http, https, http"),
                ("x-forwarded-host", "x, a.example, b.example"),
            ],
            "203.0.113.7 - https a.example",
        ),
        (
            &[chain, ("x-forwarded-proto", "https"), ("x-forwarded-host", "x, b.example")],
            "203.0.113.7 - https b.example",
        ),
        (
            &[chain, ("x-forwarded-host", "a.example"), ("x-forwarded-port", "8443")],
            "203.0.113.7 - - a.example:8443",
        ),
        (
            &[chain, ("x-forwarded-host", "a.example:444"), ("x-forwarded-port", "80")],
            "203.0.113.7 - - a.example:444",
        ),
        (
            &[chain, ("x-forwarded-host", "a.example"), ("x-forwarded-port", "no")],
            "203.0.113.7 - - a.example",
        ),
        (&[chain, ("x-forwarded-host", "<script>"), ("x-forwarded-port", "80")], "203.0.113.7 - - -"),
        (&[chain, ("x-forwarded-proto", "WSS")], "203.0.113.7 - https -"),
        (&[chain, ("x-forwarded-proto", "gopher")], "203.0.113.7 - _OTHER -"),
        (&[chain, ("x-forwarded-proto", "not a scheme")], "203.0.113.7 - - -"),
        // A proxy that sends only the scheme.
        (&[("x-forwarded-proto", "https")], "- - https -"),
        (&[("x-forwarded-proto", "http, https")], "- - https -"),
    ]);
    assert_eq!(of(&[("x-forwarded-proto", "not a scheme")], "10.0.0.1"), None);
}

#[test]
fn long_headers_are_read_in_bounded_time() {
    let far = |name: &str, element: &str| {
        let value = format!("203.0.113.7{}", format!(", {element}").repeat(100));
        shown(&of(&[(name, &value)], "10.0.0.1").expect("trusted"))
    };
    assert_eq!(far("x-forwarded-for", "10.0.0.2"), "10.0.0.2 - - -");
    assert_eq!(far("forwarded", "for=10.0.0.2"), "10.0.0.2 - - -");
    // 31 proxies and the client are just within the limit.
    let chain = format!("203.0.113.7{}", ",10.0.0.2".repeat(31));
    all(&[(&[("x-forwarded-for", &chain)], "203.0.113.7 - - -")]);
    // A long text from the client before its address changes nothing.
    let long = format!("{},203.0.113.7", "x".repeat(1_000_000));
    all(&[(&[("x-forwarded-for", &long)], "203.0.113.7 - - -")]);
    let long = format!("a=\"{}\",for=203.0.113.7", "x,".repeat(1_000_000));
    all(&[(&[("forwarded", &long)], "203.0.113.7 - - -")]);
}

const NAMES: [&str; 5] =
    ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port"];

/// Generates any bytes, and bytes that resemble valid values.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        r#"((for|proto|host|by| |x)=?("?(10\.0\.0\.[0-9]|_x|\[fd00::1\]|1\.1\.1\.1|https|a)(:80)?"?|\\|")[;, ]{0,2}){0,9}"#
            .prop_map(String::into_bytes),
        r"((10\.0\.0\.[0-9]|1\.1\.1\.1|fd00::1|unknown|https|a\.example)(:80)?[, ]{1,2}){0,40}"
            .prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_accepted_and_those_of_untrusted_peers_ignored(
        lines in prop::collection::vec((prop::sample::select(NAMES.as_slice()), value()), 0..8),
    ) {
        let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_slice())).collect();
        let lines = Lines(&lines);
        if let Some(forwarded) = Forwarded::of(&lines, "10.0.0.1".parse().ok(), &trusted()) {
            let host = forwarded.host.as_deref();
            prop_assert!(host.is_none_or(|host| Host::parse(host).is_some_and(|parsed| parsed.text == host)));
            prop_assert!(forwarded.client.is_some() || forwarded.client_port.is_none());
        }
        prop_assert_eq!(Forwarded::of(&lines, "192.0.2.1".parse().ok(), &trusted()), None);
        prop_assert_eq!(Forwarded::of(&lines, None, &trusted()), None);
        prop_assert_eq!(Forwarded::of(&lines, "10.0.0.1".parse().ok(), &TrustedProxies::default()), None);
    }

    #[test]
    fn a_client_cannot_hide_the_values_that_proxies_add(sent in value(), own_line: bool) {
        for (name, added) in [
            ("forwarded", "for=203.0.113.7;proto=https;host=\"a.example:80\", for=10.0.0.2"),
            ("x-forwarded-for", "203.0.113.7, 10.0.0.2"),
        ] {
            let joined = [&sent, b", ".as_slice(), added.as_bytes()].concat();
            let lines: [(&str, &[u8]); 2] = [(name, &sent), (name, added.as_bytes())];
            let one_line: [(&str, &[u8]); 1] = [(name, &joined)];
            let headers = Lines(if own_line { &lines } else { &one_line });
            let found = Forwarded::of(&headers, "10.0.0.1".parse().ok(), &trusted());
            prop_assert_eq!(found.and_then(|found| found.client), "203.0.113.7".parse().ok());
        }
    }
}
