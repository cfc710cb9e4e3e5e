//! Values after names that mean secrets: in a URL's query in an error message, a connection string,
//! a cookie, the `Debug` text of a struct, JSON, YAML, XML, or the arguments of a command.

use std::ops::Range;

use super::{
    text::Text,
    value::{self, ValueSeparator},
};
use crate::redact::{MASK, URL_MASK, names::SecretNames, secret_kind::SecretKind};

/// The maximum length of a name in bytes. Of a longer name, only the end is read.
const MAX_NAME: usize = 64;

/// The maximum number of spaces between a `:` and its value.
const MAX_SPACES: usize = 16;

/// Returns the value after the `=` or `:` at `at`, if its name means a secret.
pub(super) fn find(text: Text<'_>, at: usize, names: &SecretNames) -> Option<Range<usize>> {
    let equals = text.at(at) == b'=';
    // A time, or a port
    if !equals && text.before(at).is_ascii_digit() && text.at(at.saturating_add(1)).is_ascii_digit() {
        return None;
    }
    let spaced = text.before(at) == b' ';
    let mut start = at.saturating_add(1);
    // `==`, `=>`
    if equals && b"=>".contains(&text.at(start)) {
        start = start.saturating_add(1);
    }
    let joined = start;
    if spaced || !equals {
        let spaces = text.run(start, |b| b == b' ' || b == b'\t');
        start = spaces.min(start.saturating_add(MAX_SPACES));
    }
    let place =
        if equals { ValueSeparator::Equals } else { ValueSeparator::Colon { joined: start == joined } };
    // This rejects almost every `:` and `=` before its name is looked up.
    if matches!(text.at(start), 0 | b' ' | b'\n' | b'\r' | b'/' | b':') && !(equals && text.at(start) == b'/')
    {
        return None;
    }
    let name = name(text, at);
    // A number, an address or a time
    if !equals && text.at(name.start).is_ascii_digit() {
        return None;
    }
    let kind = kind(text, name.clone(), names)?;
    let quoted_name = matches!(text.at(name.end), b'"' | b'\'' | b'\\');
    kept(text, value::find(text, start, kind, place, quoted_name)?)
}

/// Returns the value after the `=` that is percent-encoded at `at`, once or several times.
pub(super) fn find_encoded(text: Text<'_>, at: usize, names: &SecretNames) -> Option<Range<usize>> {
    let mut digits = at.saturating_add(1);
    // `%253D` is `%3D`, encoded again.
    for _ in 0..3 {
        if text.starts_with(digits, "25") {
            digits = digits.saturating_add(2);
        }
    }
    if !text.starts_with_ignoring_case(digits, "3d") {
        return None;
    }
    let start = digits.saturating_add(2);
    let name = name(text, at);
    let first = text.slice(name.start, name.end);
    // The name may come after an encoded `?` or `&`, whose digits are not part of it.
    let after_digits = text.before(name.start) == b'%';
    let name = if after_digits { first.trim_start_matches("25").get(2..).unwrap_or_default() } else { first };
    names.kind(name).or_else(|| names.query_key(name).map(|_| SecretKind::Token))?;
    let end = text.run(start, |b| b.is_ascii_alphanumeric() || b"-._~+*!'()".contains(&b));
    kept(text, start..end)
}

/// Returns the value of the argument `--name value`, whose first `-` is at `at`.
pub(super) fn find_argument(text: Text<'_>, at: usize, names: &SecretNames) -> Option<Range<usize>> {
    let name = at.saturating_add(2);
    if text.before(at).is_ascii_graphic() || !text.at(name).is_ascii_alphabetic() {
        return None;
    }
    let end = text.run_within(name, MAX_NAME, |b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if text.at(end) != b' ' {
        return None;
    }
    let kind = names.kind(text.slice(name, end))?;
    let start = end.saturating_add(1);
    kept(text, value::find(text, start, kind, ValueSeparator::Colon { joined: false }, false)?)
}

/// Returns the content of the element whose end starts with the `<` at `at`. It starts not before
/// `floor`.
pub(super) fn find_element(
    text: Text<'_>,
    at: usize,
    floor: usize,
    names: &SecretNames,
) -> Option<Range<usize>> {
    let name = at.saturating_add(2);
    let end = text.run_within(name, MAX_NAME, |b| b.is_ascii_alphanumeric() || b"_-.:".contains(&b));
    if text.at(end) != b'>' {
        return None;
    }
    names.kind(text.slice(name, end))?;
    let start = text.scan_back(at, floor, |b| b != b'>' && b != b'<');
    (text.before(start) == b'>').then(|| kept(text, start..at)).flatten()
}

/// Returns the value, unless it is masked already or empty.
fn kept(text: Text<'_>, value: Range<usize>) -> Option<Range<usize>> {
    let slice = text.slice(value.start, value.end);
    (!slice.is_empty() && !slice.starts_with(MASK) && slice != URL_MASK).then_some(value)
}

/// Returns the name that ends before the `=` or `:` at `at`, without quotes and brackets.
fn name(text: Text<'_>, at: usize) -> Range<usize> {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    let mut end = at;
    let arounds: &[&str] =
        if text.before(at).is_ascii_alphanumeric() { &[] } else { &[" ", "\"'", "\\", "]"] };
    for around in arounds {
        if around.as_bytes().contains(&text.before(end)) {
            end = end.saturating_sub(1);
        }
    }
    let start = text.scan_back(end, end.saturating_sub(MAX_NAME), is_name);
    start..end
}

/// Returns the kind of secret that a name means. Some names mean one only in the query of a URL.
fn kind(text: Text<'_>, name: Range<usize>, names: &SecretNames) -> Option<SecretKind> {
    let slice = text.slice(name.start, name.end);
    if let Some(kind) = names.kind(slice) {
        // A parser reports an `unexpected token: …`.
        let parsed = slice.ends_with("oken")
            && text.slice(name.start.saturating_sub(9), name.start).ends_with("xpected ");
        return (!parsed).then_some(kind);
    }
    let in_query = matches!(text.before(name.start), b'?' | b'&');
    let secret =
        text.at(name.end) == b'=' && names.query_key(slice).is_some_and(|anywhere| anywhere || in_query);
    secret.then_some(SecretKind::Token)
}

#[cfg(test)]
mod tests {
    use crate::redact::patterns::tests::{check, harmless};

    #[test]
    fn values_of_secret_names_are_masked() {
        check(&[
            ("password=hunter2", "password=[REDACTED]"),
            ("host=db password=hun'ter2 user=app", "host=db password=[REDACTED] user=app"),
            (
                "error for url (https://api/x?a=1&access_token=abc&b=2)",
                "error for url (https://api/x?a=1&access_token=[REDACTED]&b=2)",
            ),
            ("?X-Amz-Signature=9f86&x=1", "?X-Amz-Signature=[REDACTED]&x=1"),
            ("/callback?code=4/0Ab&state=af0ifj&page=2", "/callback?code=[REDACTED]&state=[REDACTED]&page=2"),
            ("theme=dark; session=abc; lang=de", "theme=dark; session=[REDACTED]; lang=de"),
            ("password = hunter2, x = 1", "password = [REDACTED], x = 1"),
            ("token == abc", "token == [REDACTED]"),
            ("user[password]=x y", "user[password]=[REDACTED]"),
            (
                "Login { user: \"jane\", password: \"hunter2\" }",
                "Login { user: \"jane\", password: \"[REDACTED]\" }",
            ),
            ("Login { user: jane, pin: 4711 }", "Login { user: jane, pin: [REDACTED] }"),
            ("api_key: Some(\"a\\\"b\") }", "api_key: Some(\"[REDACTED]\") }"),
            ("token=Some(\"abc\")", "token=Some(\"[REDACTED]\")"),
            ("token=Secret(\"abc\")", "token=[REDACTED])"),
            ("{\"apiKey\":\"abc\",\"n\":1}", "{\"apiKey\":\"[REDACTED]\",\"n\":1}"),
            ("{\"apiKey\" : \"abc\"}", "{\"apiKey\" : \"[REDACTED]\"}"),
            ("{\\\"pin\\\":\\\"1234\\\",\\\"n\\\":1}", "{\\\"pin\\\":\\\"[REDACTED]\\\",\\\"n\\\":1}"),
            ("password: 'ä\\ö", "password: '[REDACTED]"),
            ("password=\"\\a", "password=\"[REDACTED]"),
            ("token=token=token=", "token=[REDACTED]"),
            ("{\"pin\": 4711, \"n\": 1}", "{\"pin\": [REDACTED], \"n\": 1}"),
            ("password: hunter2", "password: [REDACTED]"),
            ("password: correcthorse", "password: [REDACTED]"),
            ("Password=correct horse, battery; Database=shop", "Password=[REDACTED]; Database=shop"),
            ("token=abc,def level=info", "token=[REDACTED] level=info"),
            ("\"tokens\": [\"abc\", \"def\"]", "\"tokens\": [\"[REDACTED]\"]"),
            ("login --password hunter2 --user jane", "login --password [REDACTED] --user jane"),
            (
                "<user>jane</user><password>hunter2</password>",
                "<user>jane</user><password>[REDACTED]</password>",
            ),
            ("next=%2Fcart%3Ftoken%3Dabc%26x%3D1", "next=%2Fcart%3Ftoken%3D[REDACTED]%26x%3D1"),
            ("next=%252Fcart%253Fapi_key%253Dabc", "next=%252Fcart%253Fapi_key%253D[REDACTED]"),
            ("Authorization: ApiKey abc123, x", "Authorization: ApiKey [REDACTED], x"),
            (
                "authorization: Digest username=\"jane\", uri=\"/\", response=\"6629\" from 10.0.0.1",
                "authorization: Digest [REDACTED] from 10.0.0.1",
            ),
            ("authorization: 0123456789abcdef", "authorization: [REDACTED]"),
            ("Cookie: theme=dark; sid=abc", "Cookie: [REDACTED]"),
        ]);
    }

    #[test]
    fn other_values_are_not_masked() {
        harmless(&[
            "=",
            ":",
            "==",
            "= x",
            "token=",
            "token= in the request",
            "token:",
            "token: expired",
            "invalid password: too short",
            "author=jane",
            "a=b",
            "key=abc",
            "author: \"jane\"",
            "password=\"\"",
            "password: \"",
            "std::auth::Error",
            "token=[REDACTED]",
            "/cart?token=REDACTED&x=1",
            "token=\"[REDACTED]\"",
            "\"token\": null",
            "token_type=bearer",
            "max_tokens=1000",
            "usage: tokens=1000, tokens: 1000",
            "k8s.io/api@v0.29.1",
            "unexpected token: \",\"",
            "unexpected token: foo1234567",
            "password=${DB_PASSWORD} token=<token> secret=****",
            "password: String, token: u64",
            "password: must be set",
            "connect to auth:8080",
            "authorization: required for this route",
            "--token is missing",
            "state=running code=404 pass=3",
            "<token>expired</token",
        ]);
    }
}
