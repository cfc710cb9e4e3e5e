//! The user and the password in a URL (RFC 3986 §3.2.1), as in connection strings.

use std::ops::Range;

use super::text::Text;
use crate::redact::{MASK, URL_MASK};

/// Returns the text between `://` and the `@` before the host. `at` is the position of the `:`.
///
/// Passwords often contain characters that should have been encoded. So only characters that
/// certainly end an authority end it here, and the last `@` counts.
pub(super) fn find(text: Text<'_>, at: usize) -> Option<Range<usize>> {
    if !text.starts_with(at, "://") || !text.before(at).is_ascii_alphanumeric() {
        return None;
    }
    let start = at.saturating_add(3);
    let end = text.run(start, |b| !b.is_ascii_whitespace() && !b"/?\"<>`".contains(&b));
    let user = text.slice(start, end).rfind('@')?;
    let credentials = text.slice(start, start.saturating_add(user));
    // The last of these is the form of OpenTelemetry's conventions.
    (!["", MASK, URL_MASK, "REDACTED:REDACTED"].contains(&credentials))
        .then(|| start..start.saturating_add(user))
}

#[cfg(test)]
mod tests {
    use crate::redact::patterns::tests::{check, harmless};

    #[test]
    fn credentials_in_urls_are_masked() {
        check(&[
            (
                "postgres://app:hunter2@db.example.com:5432/shop",
                "postgres://[REDACTED]@db.example.com:5432/shop",
            ),
            ("redis://:hunter2@cache", "redis://[REDACTED]@cache"),
            ("https://ghp_abc@github.com/x.git failed", "https://[REDACTED]@github.com/x.git failed"),
            ("amqp://jane@example.com:p@ss#1@mq/v", "amqp://[REDACTED]@mq/v"),
            ("(\"http://a:b@c\")", "(\"http://[REDACTED]@c\")"),
            ("http://ä:ö@ü/", "http://[REDACTED]@ü/"),
        ]);
    }

    #[test]
    fn urls_without_credentials_are_not_masked() {
        harmless(&[
            "https://example.com/@jane",
            "://a@b",
            "http://",
            "http://@host",
            "http:/a@b",
            "a://b://c",
            "http://h?q=@x",
            "http://REDACTED:REDACTED@h",
        ]);
    }
}
