//! Values after names that mean secrets: in a URL's query in an error message, a connection string,
//! a cookie, the `Debug` text of a struct, or JSON.

use std::ops::Range;

use super::text::Text;
use crate::redact::{MASK, URL_MASK, names::SecretNames};

/// The maximum length of a name in bytes. Of a longer name, only the end is read.
const MAX_NAME: usize = 64;

/// Returns the value after the `=` or `:` at `at`, if its name means a secret.
///
/// After `:`, only a quoted text is a value, because "token: expired" is a sentence.
pub(super) fn find(text: Text<'_>, at: usize, names: &SecretNames) -> Option<Range<usize>> {
    let equals = text.at(at) == b'=';
    let spaced = text.before(at) == b' ';
    let mut value = at.saturating_add(1);
    // `==`, `=>`
    if equals && b"=>".contains(&text.at(value)) {
        value = value.saturating_add(1);
    }
    if text.at(value) == b' ' && (spaced || !equals) {
        value = value.saturating_add(1);
    }
    for wrapper in ["Some(", "Ok("] {
        if text.starts_with(value, wrapper) {
            value = value.saturating_add(wrapper.len());
        }
    }
    let escaped = text.at(value) == b'\\';
    let mark = text.at(value.saturating_add(usize::from(escaped)));
    let quoted = mark == b'"' || mark == b'\'';
    // This rejects almost every `:` and `=` before its name is looked up.
    if !quoted && !equals || !names.is_secret_key(name(text, at)) {
        return None;
    }
    let (start, end) = if quoted {
        let start = value.saturating_add(if escaped { 2 } else { 1 });
        (start, end_of_quote(text, start, mark, escaped))
    } else {
        (value, text.run(value, |b| !b.is_ascii_whitespace() && !b"&,;)}".contains(&b)))
    };
    (start < end && ![MASK, URL_MASK].contains(&text.slice(start, end))).then_some(start..end)
}

/// Returns the name that ends before the `=` or `:` at `at`, without quotes and brackets.
fn name(text: Text<'_>, at: usize) -> &str {
    let mut end = at;
    for around in [" ", "\"'", "\\", "]"] {
        if around.as_bytes().contains(&text.before(end)) {
            end = end.saturating_sub(1);
        }
    }
    let start = text
        .scan_back(end, end.saturating_sub(MAX_NAME), |b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    text.slice(start, end)
}

/// Returns the end of the quoted text that started with `mark`, or the end of the whole text.
fn end_of_quote(text: Text<'_>, start: usize, mark: u8, escaped: bool) -> usize {
    let mut at = start;
    loop {
        at = text.run(at, |b| b != mark && b != b'\\');
        if at >= text.len() || text.at(at) == mark {
            return at;
        }
        // In an escaped text, `\"` ends the quoted text. Otherwise it is part of it.
        let next = at.saturating_add(1);
        if escaped && text.at(next) == mark {
            return at;
        }
        // Skips the backslash and an ASCII character after it. The next run skips any longer
        // character, which contains neither the mark nor a backslash.
        at = if text.at(next).is_ascii() { next.saturating_add(1).min(text.len()) } else { next };
    }
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
            ("theme=dark; session=abc; lang=de", "theme=dark; session=[REDACTED]; lang=de"),
            ("password = hunter2, x = 1", "password = [REDACTED], x = 1"),
            ("token == abc", "token == [REDACTED]"),
            ("user[password]=x y", "user[password]=[REDACTED] y"),
            (
                "Login { user: \"jane\", password: \"hunter2\" }",
                "Login { user: \"jane\", password: \"[REDACTED]\" }",
            ),
            ("api_key: Some(\"a\\\"b\") }", "api_key: Some(\"[REDACTED]\") }"),
            ("token=Some(\"abc\")", "token=Some(\"[REDACTED]\")"),
            ("token=Secret(\"abc\")", "token=[REDACTED])"),
            ("{\"apiKey\":\"abc\",\"n\":1}", "{\"apiKey\":\"[REDACTED]\",\"n\":1}"),
            ("{\"apiKey\" : \"abc\"}", "{\"apiKey\" : \"[REDACTED]\"}"),
            ("{\\\"pin\\\":\\\"1234\\\",\\\"n\\\":1}", "{\\\"pin\\\":\\\"[REDACTED]\\\",\\\"n\\\":1}"),
            ("password: 'ä\\ö", "password: '[REDACTED]"),
            ("password=\"\\", "password=\"[REDACTED]"),
            ("token=token=token=", "token=[REDACTED]"),
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
        ]);
    }
}
