//! Credentials after the name of their scheme: `Bearer <token>` (RFC 6750) and `Basic <base64>`
//! (RFC 7617).

use std::ops::Range;

use super::text::Text;

/// Words after `bearer` in texts about tokens. Everything else is masked, because masking a word
/// does less harm than emitting a token.
const NO_TOKENS: &str = "and auth authentication authorization challenge credential credentials error for format \
    header headers in invalid is missing mode must not of only or prefix realm required scheme security should token \
    tokens type was with";

/// Returns the credentials after the scheme that starts with the `b` at `at`.
pub(super) fn find(text: Text<'_>, at: usize) -> Option<Range<usize>> {
    let (scheme, is_token): (&str, fn(&str) -> bool) = match text.at(at.saturating_add(1)) {
        b'e' | b'E' => ("bearer", is_bearer_token),
        b'a' | b'A' => ("basic", is_base64),
        _ => return None,
    };
    if text.before(at).is_ascii_alphanumeric() || !text.starts_with_ignoring_case(at, scheme) {
        return None;
    }
    let space = at.saturating_add(scheme.len());
    let start = text.run(space, |b| b == b' ' || b == b'\t');
    if start == space {
        return None;
    }
    // The characters of `token68` (RFC 9110 §11.2).
    let end = text.run(start, |b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b));
    let padded = text.run(end, |b| b == b'=');
    // `Bearer realm="shop"` is a challenge with parameters, not a token.
    let parameter = padded > end && (text.at(padded) == b'"' || text.at(padded).is_ascii_alphanumeric());
    let token = text.slice(start, end).trim_end_matches('.');
    let end = if padded > end { padded } else { start.saturating_add(token.len()) };
    // A word in lower case before another word is a part of a sentence.
    let token = text.slice(start, end);
    let sentence = token.bytes().all(|b| b.is_ascii_lowercase())
        && text.at(end) == b' '
        && text.at(end.saturating_add(1)).is_ascii_lowercase();
    (!parameter && !sentence && is_token(token)).then_some(start..end)
}

fn is_bearer_token(token: &str) -> bool {
    !token.is_empty() && !NO_TOKENS.split(' ').any(|word| token.eq_ignore_ascii_case(word))
}

/// Returns `true` if the token looks like base64: it contains a digit, one of `+/=`, or capitals
/// after its start, but not only capitals. The words after "basic" in ordinary sentences do not.
fn is_base64(token: &str) -> bool {
    let capitals = token.bytes().filter(u8::is_ascii_uppercase).count();
    let all_capitals = capitals == token.len();
    let capital_within = capitals > 0
        && !all_capitals
        && !(capitals == 1 && token.starts_with(|c: char| c.is_ascii_uppercase()));
    token.len() >= 4 && (capital_within || token.bytes().any(|b| b.is_ascii_digit() || b"+/=".contains(&b)))
}

#[cfg(test)]
mod tests {
    use crate::redact::patterns::tests::{check, harmless};

    #[test]
    fn credentials_after_a_scheme_are_masked() {
        check(&[
            ("Bearer mF_9.B5f-4.1JqM", "Bearer [REDACTED]"),
            ("authorization: BEARER  abcdef, next", "authorization: BEARER  [REDACTED], next"),
            ("bearer\tabc==.", "bearer\t[REDACTED]."),
            ("sent Bearer abc.", "sent Bearer [REDACTED]."),
            ("Basic YWxhZGRpbjpvcGVuc2VzYW1l", "Basic [REDACTED]"),
            ("basic dTpw;", "basic [REDACTED];"),
            ("(Basic dXNlcg==)", "(Basic [REDACTED])"),
            ("bearer bearer abc", "bearer [REDACTED] [REDACTED]"),
        ]);
    }

    #[test]
    fn other_words_after_a_scheme_are_not_masked() {
        harmless(&[
            "the bearer of this",
            "Bearer token expired",
            "Bearer",
            "Bearer ",
            "Bearer: x",
            "Bearer \"",
            "Bearer realm=\"shop\", error=\"invalid_token\"",
            "forbearer abc",
            "Basic realm=\"shop\"",
            "basic authentication required",
            "Basic Authentication",
            "BASIC AUTHENTICATION",
            "the Basic plan",
            "basic 2FA",
            "basically Abc1",
            "aerobic Basic",
            "the bearer must present it",
            "token_type=bearer expires_in=3600",
        ]);
    }
}
