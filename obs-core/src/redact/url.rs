//! Secrets in the query and in the path of a URL.

use std::{borrow::Cow, ops::Range};

use super::{Rules, URL_MASK};

/// Returns the ranges to mask in a query.
///
/// A secret value is masked completely, because it is not worth computing where a secret ends in an
/// encoded value.
pub(super) fn in_query(inner: &Rules, query: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    // Most queries contain no secret. If nothing is encoded, one search of the whole query shows
    // this.
    let clean = !is_encoded(query) && inner.find(query).is_empty();
    let mut at = usize::from(query.starts_with('?'));
    for part in query.get(at..).unwrap_or_default().split('&') {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let key_end = at.saturating_add(key.len());
        let end = at.saturating_add(part.len());
        // A key is kept, unless it contains a secret itself, as in `?jane@example.com`.
        if !clean && key != URL_MASK && has_secret(inner, key) {
            found.push(at..key_end);
        }
        if !value.is_empty() && value != URL_MASK {
            let name = form_decoded(key);
            if inner.names.is_secret_key(&name) || !clean && has_secret(inner, value) {
                found.push(key_end.saturating_add(1)..end);
            }
        }
        at = end.saturating_add(1);
    }
    found
}

fn has_secret(inner: &Rules, value: &str) -> bool {
    if inner.patterns.cannot_match(value) {
        return false;
    }
    if !inner.find(value).is_empty() {
        return true;
    }
    // Form parsers read `+` as a space and others as a plus sign, so both are checked. A value may
    // be encoded several times.
    let mut value = Cow::Borrowed(value);
    for _ in 0..DECODINGS {
        match form_decoded(&value) {
            Cow::Borrowed(_) => return false,
            Cow::Owned(decoded) if !inner.find(&decoded).is_empty() => return true,
            Cow::Owned(decoded) if decoded.bytes().any(|b| b == b'%') => value = Cow::Owned(decoded),
            Cow::Owned(_) => return false,
        }
    }
    false
}

/// The number of times that a text is decoded.
const DECODINGS: usize = 3;

fn is_encoded(value: &str) -> bool {
    value.bytes().any(|b| b == b'%' || b == b'+')
}

/// Decodes percent-encoding, and `+` as a space.
fn form_decoded(value: &str) -> Cow<'_, str> {
    if !is_encoded(value) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(Decoded::of(&value.replace('+', " ")).text)
}

/// Returns the ranges to mask in a path: the segments that contain a secret.
pub(super) fn in_path(inner: &Rules, path: &str) -> Vec<Range<usize>> {
    if !path.bytes().any(|b| b == b'%') {
        return segments(path, inner.find(path).into_iter());
    }
    // The path is decoded as a whole, because a secret may contain a `/`.
    let mut decoded = Decoded::of(path);
    let mut found = inner.find(&decoded.text);
    for _ in 1..DECODINGS {
        if !found.is_empty() || !decoded.text.contains('%') {
            break;
        }
        // The path is encoded several times.
        decoded = decoded.again();
        found = inner.find(&decoded.text);
    }
    let found = found.into_iter();
    segments(path, found.map(|range| decoded.source(range.start)..decoded.source(range.end)))
}

/// Widens the ranges, which are in order, to whole segments.
fn segments(path: &str, ranges: impl Iterator<Item = Range<usize>>) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        // A segment is widened only once, even if it contains several secrets.
        if found.last().is_some_and(|last| range.end <= last.end) {
            continue;
        }
        let (before, after) = (path.get(..range.start), path.get(range.end..));
        let start = before.and_then(|before| before.rfind('/')).map_or(0, |slash| slash.saturating_add(1));
        let rest = after.map_or(0, |after| after.find('/').unwrap_or(after.len()));
        let end = range.end.saturating_add(rest);
        match found.last_mut() {
            Some(last) if start <= last.end => last.end = end,
            _ => found.push(start..end),
        }
    }
    found
}

/// A percent-decoded text with the original position of each byte.
///
/// A `%` without two hexadecimal digits after it is kept. If the result is not valid UTF-8, each
/// non-ASCII byte becomes `?`, which is part of no pattern.
struct Decoded {
    text: String,
    source: Vec<usize>,
    end: usize,
}

impl Decoded {
    fn of(encoded: &str) -> Self {
        let bytes = encoded.as_bytes();
        let (mut decoded, mut source) = (Vec::with_capacity(bytes.len()), Vec::with_capacity(bytes.len()));
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let digit = |n: usize| {
                let digit = bytes.get(at.saturating_add(n)).and_then(|b| char::from(*b).to_digit(16))?;
                u8::try_from(digit).ok()
            };
            let escaped = if *byte == b'%' { digit(1).zip(digit(2)) } else { None };
            decoded.push(escaped.map_or(*byte, |(high, low)| high << 4 | low));
            source.push(at);
            at = at.saturating_add(if escaped.is_some() { 3 } else { 1 });
        }
        let text = String::from_utf8(decoded).unwrap_or_else(|error| {
            let ascii = |b: u8| if b.is_ascii() { char::from(b) } else { '?' };
            error.into_bytes().into_iter().map(ascii).collect()
        });
        Self { text, source, end: bytes.len() }
    }

    /// Decodes the text once more.
    fn again(&self) -> Self {
        let twice = Self::of(&self.text);
        let source = twice.source.iter().map(|at| self.source(*at)).collect();
        Self { text: twice.text, source, end: self.end }
    }

    /// Returns the position in the encoded text for a position in the decoded text.
    fn source(&self, at: usize) -> usize {
        self.source.get(at).copied().unwrap_or(self.end)
    }
}

#[cfg(test)]
mod tests {
    use crate::redact::{Redactor, settings::Redaction};

    fn redactor() -> Redactor {
        Redaction::new().build().expect("valid")
    }

    #[test]
    fn secrets_in_queries_are_masked() {
        for (query, expected) in [
            ("", ""),
            ("a=1&b=2", "a=1&b=2"),
            ("&&=&a&a=&=b&", "&&=&a&a=&=b&"),
            ("token=abc", "token=REDACTED"),
            ("?token=abc&x=1", "?token=REDACTED&x=1"),
            ("token=&password", "token=&password"),
            (
                "TOKEN=abc=def&api%5Fkey=1&user%5Bpassword%5D=2",
                "TOKEN=REDACTED&api%5Fkey=REDACTED&user%5Bpassword%5D=REDACTED",
            ),
            ("X-Amz-Signature=9f&x-amz-date=20260101", "X-Amz-Signature=REDACTED&x-amz-date=20260101"),
            (
                "sig=1&Sig=2&Signature=3&signature=4",
                "sig=REDACTED&Sig=REDACTED&Signature=REDACTED&signature=REDACTED",
            ),
            ("to=jane@example.com", "to=REDACTED"),
            ("to=jane%40example.com&x=%40", "to=REDACTED&x=%40"),
            ("to=jane%2Bshop%40example%2Ecom", "to=REDACTED"),
            ("to=jane%2540example.com", "to=REDACTED"),
            ("card=4111+1111+1111+1111", "card=REDACTED"),
            ("card=4111%201111%201111%201111", "card=REDACTED"),
            ("q=Basic+YWxhZGRpbjpvcGVuc2VzYW1l", "q=REDACTED"),
            ("back=https%3A%2F%2Fapp%3Aa%2Bb%40host%2F", "back=REDACTED"),
            ("back=/cart%3Ftoken%3Dabc%26x%3D1", "back=REDACTED"),
            ("back=%252Fcart%253Ftoken%253Dabc", "back=REDACTED"),
            (
                "code=abc&STATE=x&code_verifier=y&pass=z&page=2",
                "code=REDACTED&STATE=REDACTED&code_verifier=REDACTED&pass=REDACTED&page=2",
            ),
            ("a=1;token=abc", "a=REDACTED"),
            ("jane@example.com", "REDACTED"),
            ("jane%40example.com=1&b=2", "REDACTED=1&b=2"),
            ("a=%&b=%4&c=%zz&d=%ff%fe&e=%C3", "a=%&b=%4&c=%zz&d=%ff%fe&e=%C3"),
            ("a=%ff%40&to=%ffjane%40example.com", "a=%ff%40&to=REDACTED"),
            ("token=REDACTED&to=REDACTED", "token=REDACTED&to=REDACTED"),
            ("q=ä&token=ö", "q=ä&token=REDACTED"),
        ] {
            assert_eq!(redactor().query(query), expected);
            assert_eq!(redactor().query(expected), expected, "a second pass changes nothing");
        }
    }

    #[test]
    fn secrets_in_urls_are_masked() {
        for (url, expected) in [
            ("https://shop.example.com/a?page=2#top", "https://shop.example.com/a?page=2#top"),
            (
                "https://shop.example.com/cb?code=4a&state=b&page=2",
                "https://shop.example.com/cb?code=REDACTED&state=REDACTED&page=2",
            ),
            ("https://a.example/#access_token=x&n=1", "https://a.example/#access_token=REDACTED&n=1"),
            (
                "https://app:hunter2@a.example/users/jane%40example.com?to=joe%2540example.com",
                "https://[REDACTED]@a.example/users/[REDACTED]?to=REDACTED",
            ),
            ("/reset/?token=abc", "/reset/?token=REDACTED"),
        ] {
            assert_eq!(redactor().url(url), expected);
            assert_eq!(redactor().url(expected), expected, "a second pass changes nothing");
        }
    }

    #[test]
    fn secrets_in_paths_are_masked() {
        for (path, expected) in [
            ("", ""),
            ("/", "/"),
            ("/items/7", "/items/7"),
            ("/users/jane%2540example.com/orders", "/users/REDACTED/orders"),
            ("/a//b%20c/%/%4/%zz/%ff", "/a//b%20c/%/%4/%zz/%ff"),
            ("/users/jane@example.com", "/users/REDACTED"),
            ("/users/jane%40example.com/orders", "/users/REDACTED/orders"),
            ("/users/j%61ne%40example%2ecom/orders", "/users/REDACTED/orders"),
            ("/users/report-jane@example.com.pdf/x", "/users/REDACTED/x"),
            ("jane@example.com/x", "REDACTED/x"),
            ("/cards/4111%201111%201111%201111/limit", "/cards/REDACTED/limit"),
            ("/a/jane@example.com/b/joe@example.com/c", "/a/REDACTED/b/REDACTED/c"),
            ("/a/jane@example.com,joe@example.com;x/b", "/a/REDACTED/b"),
            ("/%ff/jane%40example.com/%fe", "/%ff/REDACTED/%fe"),
            ("/ä/%C3%A4jane%40example.com/ö", "/ä/REDACTED/ö"),
            ("/reset;token=abc", "/REDACTED"),
            ("/proxy/https://app:hunter2@host/x", "/proxy/https://REDACTED/x"),
            ("/img/logo@2x.png", "/img/logo@2x.png"),
            ("/npm/jquery@3.7.1/dist/jquery.min.js", "/npm/jquery@3.7.1/dist/jquery.min.js"),
            ("/orders/0193a5b2-7c1d-7e43-9a56-3f0c8d2b6e17", "/orders/0193a5b2-7c1d-7e43-9a56-3f0c8d2b6e17"),
        ] {
            assert_eq!(redactor().path(path), expected);
            assert_eq!(redactor().path(expected), expected, "a second pass changes nothing");
        }
    }

    #[test]
    fn secrets_with_slashes_are_masked_in_all_their_segments() {
        let path = redactor().path("/a/Basic%20YWxhZGRpbjpv/cGVuc2VzYW1l/b").into_owned();
        // Such a token may contain slashes, so the rest of the path is masked, too.
        assert_eq!(path, "/a/REDACTED");
        let key = "/k/-----BEGIN%20PRIVATE%20KEY-----%0AMII/EvQ/x-----END%20PRIVATE%20KEY-----/b";
        assert_eq!(redactor().path(key), "/k/REDACTED/b");
    }
}
