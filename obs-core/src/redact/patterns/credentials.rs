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
    let user = match text.slice(start, end).rfind('@') {
        Some(user) => user,
        None => in_path(text, at, start, end)?,
    };
    let credentials = text.slice(start, start.saturating_add(user));
    // `REDACTED:REDACTED` is the form of OpenTelemetry's conventions. The last three are the users
    // of servers for source code, which everyone has.
    (!["", MASK, URL_MASK, "REDACTED:REDACTED", "git", "hg", "svn"].contains(&credentials))
        .then(|| start..start.saturating_add(user))
}

/// The maximum number of bytes after the first `/` or `?` of a password.
const MAX_PASSWORD: usize = 64;

/// Returns the length of credentials whose password contains a `/` or a `?`. The `@` then looks
/// like a part of the path.
///
/// The `:` of a password distinguishes them: after the `:` of a port, there are only digits. URLs
/// of HTTP often have a port, other URLs seldom have an `@` after it.
fn in_path(text: Text<'_>, scheme_end: usize, start: usize, end: usize) -> Option<usize> {
    let authority = text.slice(start, end);
    let (user, password) = authority.split_once(':')?;
    let port = password.bytes().all(|b| b.is_ascii_digit());
    let scheme = text.slice(scheme_end.saturating_sub(5), scheme_end).to_ascii_lowercase();
    let web = ["http", "https", "ws", "wss"].iter().any(|web| scheme.ends_with(web));
    if user.contains('[') || password.is_empty() || port && web || !b"/?".contains(&text.at(end)) {
        return None;
    }
    let whole = text.run_within(end, MAX_PASSWORD, |b| !b.is_ascii_whitespace() && !b"\"<>`".contains(&b));
    let whole = text.slice(start, whole);
    // The host follows, and then nothing, a port, the path or the query.
    let at = whole.find('@')?;
    let host = whole.get(at.saturating_add(1)..)?;
    host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[').then_some(at)
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
            ("amqp://app:p/ss?w@mq:5672/v", "amqp://[REDACTED]@mq:5672/v"),
            ("redis://:12/34@cache/0", "redis://[REDACTED]@cache/0"),
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
            "https://example.com:8443/users/@me",
            "https://pkg.go.dev/k8s.io/api@v0.29.1",
            "http://[::1]:8080/@home",
            "ssh://git@github.com/org/repo",
        ]);
    }
}
