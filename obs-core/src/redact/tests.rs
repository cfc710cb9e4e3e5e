//! Properties of redaction that hold for any text.

use std::borrow::Cow;

use proptest::prelude::*;

use super::{Redactor, patterns::text::SCANNED, settings::Redaction};

fn redactor() -> Redactor {
    Redaction::new().build().expect("valid")
}

/// Generates texts that often contain secrets of every pattern, complete and in pieces.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "@",
        "%40",
        "%",
        "%2",
        "+",
        ".",
        "-",
        "_",
        " ",
        "  ",
        "/",
        "//",
        ":",
        "://",
        "=",
        "\"",
        "'",
        "\\",
        "&",
        ",",
        ";",
        "(",
        ")",
        "[",
        "]",
        "?",
        "\n",
        "ä",
        "。",
        "\u{301}",
        "a",
        "jane",
        "example.com",
        "co",
        "2x",
        "163",
        "jane@example.com",
        "eyJ",
        "eyJhbGci.",
        "eyJhbGci.eyJh.x",
        "J",
        "Bearer ",
        "basic ",
        "dXNlcjpwYXNz",
        "abc=",
        "-----BEGIN ",
        "PRIVATE KEY-----",
        "-----END",
        "4111",
        "4111 1111 1111 1111",
        "4111111111111111",
        "12",
        "1",
        "DE89",
        "3704 0044 0532 0130 00",
        "DE89370400440532013000",
        "token=",
        "token",
        "password: \"",
        "api_key",
        "Some(",
        "http://",
        "u:p@",
        "[REDACTED]",
        "REDACTED",
        "sig=",
        "%3D",
        "%2F",
        "%ff",
        "sk-",
        "ghp_",
        "AKIA",
        "AIza",
        "SG.",
        "hvs.",
        "ya29.",
        "0123456789abcdefABCDEF",
        "%253D",
        "--password ",
        "</token>",
        "<token>",
        "Authorization: ",
        "Cookie: ",
        "password=",
        "tokens: [\"",
        "Digest a=\"b\", ",
    ]);
    prop::collection::vec(pieces, 0..14).prop_map(|pieces| pieces.concat())
}

/// Texts without a secret.
const HARMLESS: &str = "[a-zA-Z äß東,;.!?()\n]{0,40}";

/// Generates a secret, and the part of it that must be masked.
fn secret() -> impl Strategy<Value = (String, String)> {
    let same = |secret: String| (secret.clone(), secret);
    prop_oneof![
        // The names `git`, `hg` and `svn` are those of servers, and no people.
        ("[a-z][a-z0-9._+]{2,20}[a-z0-9]", "[a-z][a-z0-9]{1,12}", "(com|de|co\\.uk|museum)")
            .prop_map(|(local, domain, top)| format!("{local}@{domain}.{top}"))
            .prop_map(same),
        ("eyJ[a-zA-Z0-9_-]{8,40}", "eyJ[a-zA-Z0-9_-]{8,90}", "[a-zA-Z0-9_-]{0,43}")
            .prop_map(|(a, b, c)| (format!("{a}.{b}.{c}"), b)),
        "[a-zA-Z0-9_~+/-]{20,60}={0,2}".prop_map(|token| (format!("Bearer {token}"), token)),
        "[A-Z][a-zA-Z0-9+/]{20,40}7==".prop_map(|token| (format!("basic {token}"), token)),
        "[a-zA-Z0-9+/\n]{20,200}".prop_map(|body| (
            format!("-----BEGIN EC PRIVATE KEY-----\n{body}\n-----END EC PRIVATE KEY-----"),
            body
        )),
        (400_000_000_000_000_u64..500_000_000_000_000, prop::sample::select(vec!["", " ", "-"]))
            .prop_map(|(n, separator)| {
                let digits = with_check_digit(n * 10);
                let groups =
                    digits.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group).into_owned());
                groups.collect::<Vec<_>>().join(separator)
            })
            .prop_map(same),
        "[0-9]{18}"
            .prop_map(|account| {
                let number: u128 = format!("{account}131400").parse().expect("digits");
                format!("DE{:02}{account}", 98 - number % 97)
            })
            .prop_map(same),
        ("[a-z]{1,8}", "[a-zA-Z0-9!$*_.#-]{4,20}").prop_map(|(user, password)| (
            format!("postgres://{user}:{password}@db/shop"),
            format!(":{password}@")
        )),
        // A value of punctuation alone is a mask such as `****`.
        "[a-wA-W0-9][a-zA-Z0-9!$*_.#-]{3,19}"
            .prop_map(|value| (format!("client_secret={value}"), format!("={value}"))),
    ]
}

/// Replaces the last of 16 digits by the correct check digit (Luhn).
fn with_check_digit(number: u64) -> String {
    let number = number / 10 * 10;
    let sum: u64 = number
        .to_string()
        .bytes()
        .rev()
        .enumerate()
        .map(|(n, b)| {
            let digit = u64::from(b - b'0') * if n % 2 == 0 { 1 } else { 2 };
            digit / 10 + digit % 10
        })
        .sum();
    (number + (10 - sum % 10) % 10).to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_text_is_accepted(text in any::<String>(), name in any::<String>()) {
        let redactor = redactor();
        let _ = (redactor.text(&text), redactor.query(&text), redactor.path(&text), redactor.value(&name, &text));
    }

    #[test]
    fn a_second_pass_changes_nothing(text in hostile()) {
        let redactor = redactor();
        let once = redactor.text(&text).into_owned();
        prop_assert_eq!(redactor.text(&once), once.as_str());
        let once = redactor.query(&text).into_owned();
        prop_assert_eq!(redactor.query(&once), once.as_str());
        let once = redactor.path(&text).into_owned();
        prop_assert_eq!(redactor.path(&once), once.as_str());
    }

    #[test]
    fn a_text_without_secrets_is_borrowed(text in HARMLESS) {
        let redactor = redactor();
        for out in [redactor.text(&text), redactor.query(&text), redactor.path(&text), redactor.value("plan", &text)] {
            prop_assert!(matches!(out, Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn an_inserted_secret_is_masked(before in HARMLESS, (secret, part) in secret(), after in HARMLESS) {
        let text = format!("{before} {secret} {after}");
        let out = redactor().text(&text).into_owned();
        prop_assert!(!out.contains(&part), "{out:?}");
        prop_assert!(out.starts_with(&before) && out.ends_with(&after), "the rest is unchanged: {out:?}");
    }

    #[test]
    fn an_inserted_secret_among_other_secrets_is_masked(before in hostile(), (secret, part) in secret(), after in hostile()) {
        let out = redactor().text(&format!("{before}\n{secret}\n{after}")).into_owned();
        let elsewhere = format!("{before}\n{after}");
        prop_assert!(!out.contains(&part) || elsewhere.contains(&part), "{out:?}");
    }

    #[test]
    fn an_inserted_secret_in_a_query_or_a_path_is_masked((secret, part) in secret(), all in any::<bool>()) {
        let encoded: String = secret.bytes().map(|b| match b {
            b if b.is_ascii_alphanumeric() && !all => char::from(b).to_string(),
            b => format!("%{b:02X}"),
        }).collect();
        let redactor = redactor();
        let (query, path) = (format!("a=1&q={encoded}&b=2"), format!("/a/{encoded}/b"));
        prop_assert_eq!(redactor.query(&query), "a=1&q=REDACTED&b=2");
        let path = redactor.path(&path);
        prop_assert!(path == "/a/REDACTED/b" || path == "/a/REDACTED", "{}", path);
        let query = format!("q={secret}");
        prop_assert!(!redactor.query(&query).contains(&part));
    }

    #[test]
    fn a_query_keeps_its_keys_and_a_path_its_segments(text in hostile()) {
        let count = |text: &str, c: char| text.matches(c).count();
        prop_assert_eq!(count(&redactor().query(&text), '&'), count(&text, '&'));
        prop_assert!(count(&redactor().path(&text), '/') <= count(&text, '/'));
    }
}

/// Counts how often the scanners read a byte, instead of measuring time.
#[test]
fn every_text_takes_linear_time() {
    let redactor = redactor();
    for piece in [
        "@",
        "a@",
        "@a",
        "a@b.",
        "a@b.cc",
        "a@b.cc,",
        "%40",
        "a%40",
        "%",
        ".",
        "eyJ",
        "eyJ.",
        "eyJa.eyJ",
        "J",
        "Bearer ",
        "bearer",
        "basic a/",
        "b",
        "-",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY",
        "-----END",
        "1",
        "4111 ",
        "4111-",
        "4111111111111111 ",
        "1 ",
        "DE89",
        "DE89 ",
        "DE89 3704 ",
        "=",
        ":",
        "\"",
        "token=",
        "token=\"",
        "token:\"",
        "token: \"\\",
        "token = ",
        "a=",
        "\\",
        "://",
        "a://",
        "a://b@",
        "a://@",
        "ä",
        "é@",
        " ",
        "a",
        "_",
        "&token=a",
        "/a@b.cc",
        "%20",
        "%C3",
        "+",
        "?",
        "REDACTED",
        "[REDACTED]",
        "sk-",
        "sk-a1B",
        "ghp_aB1",
        "A1_",
        "a1-",
        "xoxb-1A.",
        "SG.a",
        "SG.aB1_",
        "hvs.a1.",
        "AIza",
        "SK0",
        "ya29.",
        "--",
        "--a",
        "--token ",
        "--token a-",
        "</a>",
        "</token>",
        "<token>",
        "<token>a</",
        "%3D",
        "%253D",
        "token%3Da",
        "token: a::b",
        "token:token::",
        "password: a b",
        "password=a, ",
        "password=a,",
        "token=${",
        "token=****",
        "authorization: a b=c",
        "authorization: a:",
        "cookie: a=b;",
        "a://b:c/",
        "a://b:c?",
        "https://hooks.slack.com/services/",
        "1:AAa",
        "4111.",
        "4111/1111/",
    ] {
        for (before, after) in
            [("", ""), ("token=\"", ""), ("eyJhbGci.", "."), ("a://", "@x"), ("", "@example.com")]
        {
            // Pieces that are known to be dangerous are repeated to half a megabyte. The others are
            // repeated often enough to distinguish quadratic from linear time.
            let dangerous = ["@", "eyJ", "1", "=", "token=", "a@b.cc,", "sk-a1B", "A1_", "--a"]
                .contains(&piece)
                && before == after;
            let length = if dangerous { 1 << 19 } else { 1 << 13 };
            let text = format!("{before}{}{after}", piece.repeat(length / piece.len()));
            let looks = |what: &dyn Fn()| {
                SCANNED.set(0);
                what();
                SCANNED.get()
            };
            for looks in [
                looks(&|| drop(redactor.text(&text))),
                looks(&|| drop(redactor.query(&text))),
                looks(&|| drop(redactor.path(&text))),
            ] {
                assert!(looks <= 50 * text.len(), "{before}{piece}…{after}: {} per byte", looks / text.len());
            }
        }
    }
}
