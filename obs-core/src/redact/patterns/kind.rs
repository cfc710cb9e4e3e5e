//! The built-in patterns.

/// The built-in kinds of secrets that are recognised by how they look.
///
/// ```
/// use obs_core::{Redaction, SecretPattern};
/// let redactor = Redaction::new().without_pattern(SecretPattern::Email).build()?;
/// assert_eq!(redactor.text("jane@example.com"), "jane@example.com");
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretPattern {
    /// JSON Web Tokens, also encrypted ones: `eyJ….….…`.
    Jwt,
    /// `Bearer <token>` and `Basic <credentials>`, in any case; the scheme is kept.
    Bearer,
    /// Private keys in PEM: the whole block, or to the text's end if it was cut off.
    PrivateKey,
    /// Numbers of payment cards, in one piece or in groups, with a valid check digit and a prefix that is in use.
    Card,
    /// E-mail addresses.
    Email,
    /// IBANs of the countries that have them, with valid check digits, in one piece or in groups.
    Iban,
    /// The user and the password of a URL, as in `postgres://app:hunter2@db/shop`.
    UrlCredentials,
    /// What stands behind a name that means a secret: `password=hunter2`, `"password": "hunter2"`.
    NamedValue,
}

impl SecretPattern {
    pub(super) const ALL: [Self; 8] = [
        Self::Jwt,
        Self::Bearer,
        Self::PrivateKey,
        Self::Card,
        Self::Email,
        Self::Iban,
        Self::UrlCredentials,
        Self::NamedValue,
    ];

    /// The bytes at which its scanner is asked.
    pub(super) const fn triggers(self) -> &'static [u8] {
        match self {
            Self::Jwt => b"J",
            Self::Bearer => b"Bb",
            Self::PrivateKey => b"-",
            Self::Card | Self::Iban => b"0123456789",
            Self::Email => b"@%",
            Self::UrlCredentials => b":",
            Self::NamedValue => b"=:",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SecretPattern;

    #[test]
    fn every_pattern_has_its_place() {
        for (n, pattern) in SecretPattern::ALL.into_iter().enumerate() {
            assert_eq!(pattern as usize, n);
        }
    }
}
