//! The kinds of secrets that names mean.

use super::letter_set::letters;

/// The kind of secret that a name means. It decides where the value ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SecretKind {
    /// `password`, `pwd`: a text of a person, which may have spaces.
    Password,
    /// `secret`, `api_key`
    Key,
    /// `pin`, `cvv`: a number.
    Pin,
    /// `tokens`: a number is how many there are.
    Count,
    /// `Authorization`: a scheme and its credentials.
    Authorization,
    /// `Cookie`, `Set-Cookie`: pairs.
    Cookie,
    /// `token`, `session`, and the names of the user.
    Token,
}

impl SecretKind {
    pub(super) fn of(name: &str) -> Self {
        let letters = letters(name);
        let letters = String::from_utf8_lossy(&letters);
        let letters = letters.trim_end_matches(|c: char| c.is_ascii_digit());
        let has = |words: &[&str]| words.iter().any(|word| letters.contains(word));
        match () {
            () if has(&["authorization"]) => Self::Authorization,
            () if has(&["cookie"]) => Self::Cookie,
            () if has(&["pass", "pwd"]) => Self::Password,
            () if letters.ends_with("tokens") => Self::Count,
            () if has(&["secret", "key", "credential"]) => Self::Key,
            () if ["pin", "pincode", "otp", "cvv", "cvc", "ssn"]
                .iter()
                .any(|word| letters.ends_with(word)) =>
            {
                Self::Pin
            }
            () => Self::Token,
        }
    }
}
