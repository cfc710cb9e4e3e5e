//! The settings of redaction.

use std::sync::Arc;

#[cfg(feature = "patterns")]
use super::patterns::own::regex::{self, PatternText};
use super::{
    Redactor, Rules,
    names::{MAX_WORDS, SecretNames},
    patterns::{Patterns, kind::SecretPattern, own::OwnPatterns},
};
use crate::base::{build_error::BuildError, read_mostly::ReadMostly, settings::settings};

settings! {
    /// The settings of redaction: the names and patterns that mean secrets.
    ///
    /// Redaction is on by default, unless it is [`off`](Self::off). If calls contradict each other,
    /// the last one applies.
    ///
    /// ```
    /// use obs_core::{Redaction, SecretPattern};
    ///
    /// let redactor = Redaction::new()
    ///     .secret_names(["customer number"]) // also `customer_number`, `customerNumber`, …
    ///     .harmless_names(["token_family"])
    ///     .pattern("customer", r"\bC-[0-9]{6}\b")
    ///     .without_pattern(SecretPattern::Iban)
    ///     .build()?;
    /// assert_eq!(redactor.value("customerNumber", "17"), "[REDACTED]");
    /// assert_eq!(redactor.value("token_family", "17"), "17");
    /// assert_eq!(redactor.text("C-123456 has left"), "[REDACTED] has left");
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    #[derive(Clone, Debug)]
    #[must_use = "`build` creates the redactor"]
    pub struct Redaction {
        on: bool,
    }

    names: Vec<(String, Meaning)> = Vec::new(), "those of `docs/privacy.md`" {
        /// Adds names that mean secrets. A name is secret if it contains the words of one of these
        /// names in sequence.
        fn secret_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) {
            self.names.extend(names.into_iter().map(|name| (name.into(), Meaning::Secret)));
        }
        /// Marks names as harmless.
        ///
        /// If the redactor knows the name, as it knows `session`, longer names are affected, too:
        /// the word `session` no longer makes `session_cart` secret. Any other name, such as
        /// `token_family`, is harmless only as a whole: `token` stays secret. A query key that the
        /// redactor knows, such as `state`, can be marked, too.
        fn harmless_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) {
            self.names.extend(names.into_iter().map(|name| (name.into(), Meaning::Harmless)));
        }
        valid "names of one to six words each";
    }

    #[cfg(feature = "patterns")]
    patterns: Vec<PatternText> = Vec::new(), "none" {
        /// Adds a pattern, a regular expression of the crate `regex-lite`. Its matches are masked.
        ///
        /// It runs on every text, value, path and query, each time over the whole text, and costs
        /// far more than the built-in patterns. Errors contain `name`. A second pattern of the same
        /// name replaces the first.
        fn pattern(mut self, name: impl Into<String>, regex: impl Into<String>) {
            let text = PatternText { name: name.into(), regex: regex.into(), compile: regex::compile };
            self.patterns.retain(|other| other.name != text.name);
            self.patterns.push(text);
        }
        valid "a regular expression that does not match the empty text";
    }

    without: Vec<SecretPattern> = Vec::new(), "all built-in patterns are on" {
        /// Switches off a built-in pattern.
        fn without_pattern(mut self, pattern: SecretPattern) { self.without.push(pattern) }
    }
}

#[derive(Clone, Copy, Debug)]
enum Meaning {
    Secret,
    Harmless,
}

impl Default for Redaction {
    fn default() -> Self {
        Self::new()
    }
}

impl Redaction {
    /// Returns settings with redaction on, with the usual names and patterns of secrets.
    pub fn new() -> Self {
        Self::defaults(true)
    }

    /// Returns settings with redaction off: nothing is masked, whatever else is set.
    ///
    /// ```
    /// let redactor = obs_core::Redaction::off().build()?;
    /// assert_eq!(redactor.value("password", "hunter2"), "hunter2");
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    pub fn off() -> Self {
        Self::defaults(false)
    }

    /// Creates the redactor.
    ///
    /// # Errors
    /// A pattern is not a regular expression or matches the empty text, or a name does not have one
    /// to six words.
    ///
    /// ```
    /// let error = obs_core::Redaction::new().pattern("customer", "C-[0-9").build().unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "`redaction` is \"pattern customer: C-[0-9, at `[0-9` (found unclosed character class)\", \
    ///      but should be a regular expression of the crate `regex-lite`"
    /// );
    /// ```
    pub fn build(self) -> Result<Redactor, BuildError> {
        // Settings are checked even if redaction is off, so that switching it on does not cause an
        // error.
        let mut names = SecretNames::new();
        for (name, meaning) in &self.names {
            let known = match meaning {
                Meaning::Secret => names.add(name),
                Meaning::Harmless => names.remove_name(name),
            };
            if !known {
                let expected = const {
                    assert!(MAX_WORDS == 6);
                    "a name of one to six words"
                };
                return Err(build_error(format!("name {name}"), expected));
            }
        }
        let own = OwnPatterns {
            #[cfg(feature = "patterns")]
            all: (self.patterns.iter().map(|text| (text.compile)(&text.name, &text.regex)))
                .collect::<Result<_, _>>()?,
        };
        let (names, patterns) = if self.on {
            (names, Patterns::new(&self.without, own))
        } else {
            (SecretNames::off(), Patterns::off())
        };
        Ok(Redactor(Arc::new(Rules { names, patterns, own_names: ReadMostly::new() })))
    }
}

pub(super) fn build_error(value: String, expected: &'static str) -> BuildError {
    BuildError::new("redaction", value, expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(redaction: Redaction) -> String {
        redaction.build().expect_err("refused").to_string()
    }

    #[test]
    fn invalid_names_are_rejected_with_a_reason() {
        let name = message(Redaction::new().secret_names(["--"]));
        assert_eq!(name, "`redaction` is \"name --\", but should be a name of one to six words");
        let name = message(Redaction::new().harmless_names(["a b c d e f g"]));
        assert!(name.contains("one to six words"), "{name}");
    }

    #[cfg(feature = "patterns")]
    #[test]
    fn invalid_patterns_are_rejected_with_a_reason() {
        let regex = message(Redaction::new().pattern("p", "("));
        assert!(
            regex.starts_with(
                "`redaction` is \"pattern p: (, at `(` (found open group without closing ')')\""
            ),
            "{regex}"
        );
        let place = message(Redaction::new().pattern("customer", "C-[0-9"));
        assert!(
            place.contains("pattern customer: C-[0-9, at `[0-9` (found unclosed character class"),
            "{place}"
        );
        let empty = message(Redaction::off().pattern("p", "x*"));
        assert!(empty.ends_with("does not match the empty text"), "{empty}");
    }

    #[test]
    fn nothing_is_masked_if_redaction_is_off() {
        let off = Redaction::off().secret_names(["plan"]);
        #[cfg(feature = "patterns")]
        let off = off.pattern("p", "pro");
        let off = off.build().expect("valid");
        let secret = "Bearer mF_9.B5f-4.1JqM jane@example.com pro";
        assert_eq!(off.text(secret), secret);
        assert_eq!(off.value("plan", "pro"), "pro");
        assert_eq!(off.query("sig=1&token=2"), "sig=1&token=2");
        assert_eq!(off.path("/jane@example.com"), "/jane@example.com");
        assert!(!off.is_secret_name("password"));
    }

    #[cfg(feature = "patterns")]
    #[test]
    fn own_patterns_are_masked() {
        let redactor = Redaction::new()
            .pattern("customer", "never")
            .pattern("customer", "(?i)c-[0-9]+")
            .pattern("mask", "[A-Z]{8}")
            .build()
            .expect("valid");
        assert_eq!(redactor.text("c-1, C-22 and jane@example.com"), "[REDACTED], [REDACTED] and [REDACTED]");
        assert_eq!(redactor.text("this is [REDACTED]"), "this is [REDACTED]", "a mask is unchanged");
        assert_eq!(redactor.query("id=%43-17&a=b"), "id=REDACTED&a=b");
        assert_eq!(redactor.path("/never/%63-17/a"), "/never/REDACTED/a");
    }

    #[test]
    fn a_pattern_can_be_disabled() {
        for (pattern, text) in [
            (SecretPattern::Jwt, "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2ln"),
            (SecretPattern::Bearer, "Bearer mF_9.B5f-4.1JqM"),
            (SecretPattern::PrivateKey, "-----BEGIN PRIVATE KEY-----\nMIIEvQ==\n-----END PRIVATE KEY-----"),
            (SecretPattern::Card, "4111 1111 1111 1111"),
            (SecretPattern::Email, "jane@example.com jane%40example.com"),
            (SecretPattern::Iban, "DE89 3704 0044 0532 0130 00"),
            (SecretPattern::UrlCredentials, "redis://app:hunter2@cache"),
            (SecretPattern::NamedValue, "password=hunter2 <pin>4711</pin> --token abc1 token%3Dabc"),
            (SecretPattern::ProviderKey, "ghp_0123456789abcdefABCDEF0123456789abcd AKIAIOSFODNN7EXAMPLE"),
        ] {
            let on = Redaction::new().build().expect("valid");
            assert_ne!(on.text(text), text);
            let off = Redaction::new().without_pattern(pattern).build().expect("valid");
            assert_eq!(off.text(text), text);
        }
    }
}
