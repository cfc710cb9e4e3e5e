//! Patterns of secrets that are recognised by their form.
//!
//! A text is searched in one pass. Every match of a pattern contains a trigger byte, which is rare
//! elsewhere. The pattern's scanner runs only at such a byte and reads the bytes around it.
//! Scanners read the original text, not a masked one. So a secret is found even if another pattern
//! masks a part of it.
//!
//! Each scanner takes linear time, for one of three reasons:
//!
//! - It reads a bounded number of bytes.
//! - It reads no further than the next place at which it could start.
//! - It returns a position, and does not run again before that position.

pub(crate) mod assignment;
pub(crate) mod card;
pub(crate) mod credentials;
pub(crate) mod email;
pub(crate) mod iban;
pub(crate) mod jwt;
pub(crate) mod kind;
pub(crate) mod own;
pub(crate) mod pem;
pub(crate) mod provider;
pub(crate) mod scheme;
pub(crate) mod text;
pub(crate) mod trigger;
pub(crate) mod value;

use super::patterns::kind::SecretPattern;
use std::ops::Range;

use super::names::SecretNames;
use crate::base::sort::sort_by;
use own::OwnPatterns;
use text::Text;
use trigger::Triggers;

/// The patterns to search for.
pub(super) struct Patterns {
    triggers: Triggers,
    on: [bool; SecretPattern::ALL.len()],
    own: OwnPatterns,
}

/// The length of the shortest text with a secret: `pin=1`.
const SHORTEST: usize = 5;

/// For some scanners, the position before which they need not run again.
#[derive(Default)]
struct Until {
    jwt: usize,
    pem: usize,
    email: usize,
    assignment: usize,
    element: usize,
    key: usize,
}

impl Patterns {
    pub(super) fn new(without: &[SecretPattern], own: OwnPatterns) -> Self {
        let on = SecretPattern::ALL.map(|pattern| !without.contains(&pattern));
        let patterns = SecretPattern::ALL.into_iter().filter(|pattern| !without.contains(pattern));
        Self { triggers: Triggers::of(patterns), on, own }
    }

    pub(super) fn off() -> Self {
        Self::new(&SecretPattern::ALL, OwnPatterns::default())
    }

    pub(super) fn is_off(&self) -> bool {
        self.own.is_empty() && self.on.iter().all(|on| !on)
    }

    fn has(&self, pattern: SecretPattern) -> bool {
        self.on.get(pattern as usize).copied().unwrap_or_default()
    }

    /// Returns the ranges of the secrets, in order. No two of them touch.
    pub(super) fn find(&self, text: &str, names: &SecretNames) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut until = Until::default();
        let mut at = 0;
        while let Some(trigger) = self.triggers.next(text.as_bytes(), at) {
            at = self.scan_at(Text::new(text), trigger, names, &mut until, &mut found);
        }
        self.own.find(text, &mut found);
        if found.is_empty() { found } else { merged(found) }
    }

    /// Returns `true` if nothing can be found, neither in the text nor in its decoded form.
    /// Decoding may also read each `+` as a space.
    pub(super) fn cannot_match(&self, text: &str) -> bool {
        self.own.is_empty() && (text.len() < SHORTEST || self.triggers.finds_none(text.as_bytes()))
    }

    /// Runs the scanners for the byte at `at`, and returns the position to continue at.
    fn scan_at(
        &self,
        text: Text<'_>,
        at: usize,
        names: &SecretNames,
        until: &mut Until,
        found: &mut Vec<Range<usize>>,
    ) -> usize {
        let next = at.saturating_add(1);
        match text.at(at) {
            b'0'..=b'9' => {
                let end = text.run(at, |b| b.is_ascii_digit());
                let length = end.saturating_sub(at);
                if (length == 4 || length >= 13) && self.has(SecretPattern::Card) {
                    found.extend(card::find(text, at..end));
                }
                if length >= 2 && text.before(at).is_ascii_alphabetic() {
                    if self.has(SecretPattern::Iban) {
                        found.extend(iban::find(text, at));
                    }
                    if length == 2 && text.at(end) == b'.' && at >= until.key {
                        self.key(provider::google_token(text, at), until, found);
                    }
                }
                return end;
            }
            b'b' | b'B' => found.extend(scheme::find(text, at)),
            b'J' if at >= until.jwt => {
                if let Some((token, end)) = jwt::find(text, at) {
                    until.jwt = end;
                    found.extend(token);
                }
            }
            b'-' if text.at(next) == b'-' => {
                if at >= until.pem
                    && self.has(SecretPattern::PrivateKey)
                    && let Some(key) = pem::find(text, at)
                {
                    until.pem = key.end;
                    found.push(key);
                } else if at >= until.assignment && self.has(SecretPattern::NamedValue) {
                    assign(assignment::find_argument(text, at, names), until, found);
                }
            }
            b'-' | b'_' if at >= until.key => {
                self.key(provider::after_separator(text, at), until, found);
                if self.has(SecretPattern::ProviderKey) {
                    found.extend(provider::before_centre(text, at));
                }
            }
            b'G' | b'I' | b'K' | b'v' if at >= until.key => {
                self.key(provider::at_letter(text, at), until, found);
            }
            b'<' if self.has(SecretPattern::NamedValue) => {
                let floor = until.element.max(until.assignment);
                assign(assignment::find_element(text, at, floor, names), until, found);
                until.element = at;
            }
            b'@' => {
                found.extend(email::find(text, at, next, until.email));
                until.email = until.email.max(next);
            }
            b'%' if text.at(next) != b'4'
                && at >= until.assignment
                && self.has(SecretPattern::NamedValue) =>
            {
                assign(assignment::find_encoded(text, at, names), until, found);
            }
            b'%' if self.has(SecretPattern::Email) && text.starts_with(next, "40") => {
                let after = next.saturating_add(2);
                found.extend(email::find(text, at, after, until.email));
                until.email = until.email.max(after);
            }
            b':' if text.at(next) == b'/' => {
                if self.has(SecretPattern::UrlCredentials)
                    && let Some(credentials) = credentials::find(text, at)
                {
                    // The host after the `@` must stay: `password@host` is not an e-mail address.
                    until.email = until.email.max(credentials.end.saturating_add(1));
                    found.push(credentials);
                }
                if self.has(SecretPattern::ProviderKey) {
                    found.extend(provider::webhook(text, at.saturating_add(3)));
                }
            }
            b':' | b'=' => {
                if text.at(at) == b':' && self.has(SecretPattern::ProviderKey) {
                    found.extend(provider::telegram_token(text, at));
                }
                if at >= until.assignment && self.has(SecretPattern::NamedValue) {
                    assign(assignment::find(text, at, names), until, found);
                }
            }
            _ => {}
        }
        next
    }

    /// Notes a key of a provider.
    fn key(&self, key: Option<provider::Found>, until: &mut Until, found: &mut Vec<Range<usize>>) {
        if let Some((key, end)) = key
            && self.has(SecretPattern::ProviderKey)
        {
            until.key = end;
            found.extend(key);
        }
    }
}

/// Notes the value of a secret name.
fn assign(value: Option<Range<usize>>, until: &mut Until, found: &mut Vec<Range<usize>>) {
    if let Some(value) = value {
        until.assignment = value.end;
        found.push(value);
    }
}

/// Sorts the ranges and merges those that overlap or touch.
fn merged(mut found: Vec<Range<usize>>) -> Vec<Range<usize>> {
    sort_by(&mut found, |one, other| one.start.cmp(&other.start));
    found.dedup_by(|next, last| {
        let one = next.start <= last.end;
        if one {
            last.end = last.end.max(next.end);
        }
        one
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the redacted form of each text, and that redacting it again changes nothing.
    #[track_caller]
    pub(super) fn check(cases: &[(&str, &str)]) {
        let redactor = crate::redact::settings::Redaction::new().build().expect("valid");
        for (text, expected) in cases {
            assert_eq!(redactor.text(text), *expected, "{text:?}");
            assert_eq!(redactor.text(expected), *expected, "a second pass changes nothing");
        }
    }

    /// Checks that these texts are unchanged.
    #[track_caller]
    pub(super) fn harmless(texts: &[&str]) {
        let redactor = crate::redact::settings::Redaction::new().build().expect("valid");
        for text in texts {
            let left = redactor.text(text);
            assert!(matches!(left, std::borrow::Cow::Borrowed(_)), "{text:?} became {left:?}");
        }
    }

    #[test]
    fn overlapping_and_adjacent_ranges_are_merged() {
        assert_eq!(merged(vec![8..9, 0..2, 1..4, 4..5, 6..7]), [0..5, 6..7, 8..9]);
        assert!(merged(Vec::new()).is_empty());
    }

    #[test]
    fn several_secrets_in_one_text() {
        check(&[
            (
                "jane@example.com paid 4111111111111111 from DE89370400440532013000",
                "[REDACTED] paid [REDACTED] from [REDACTED]",
            ),
            ("authorization=Bearer mF_9.B5f", "authorization=Bearer [REDACTED]"),
            (
                "private_key=-----BEGIN PRIVATE KEY-----\nMII=\n-----END PRIVATE KEY-----.",
                "private_key=[REDACTED].",
            ),
            ("token=jane@example.com,x=1", "token=[REDACTED],x=1"),
        ]);
    }

    #[test]
    fn usual_texts_of_services_are_not_masked() {
        harmless(&[
            "",
            "/items/7",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.6478.127 Safari/537.36",
            "0193a5b2-7c1d-7e43-9a56-3f0c8d2b6e17",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "2026-11-20T13:20:09.118734Z took 1.000000004s, at src/main.rs:11:5",
            "connection to 127.0.0.1:5432 refused: os error 111 (0x6f)",
            "user=jane plan=pro count=17 key=abc author=\"Jane\"",
            "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "größe: ½ — „schön“ 東京 🎉",
        ]);
    }
}
