//! The list of built-in patterns.

/// A built-in kind of secret that is recognised by its form.
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
    /// JSON Web Tokens, signed or encrypted: `eyJ….….…`.
    Jwt,
    /// `Bearer <token>` and `Basic <credentials>`, in upper or lower case. Only the part after the
    /// scheme is masked.
    Bearer,
    /// Private keys in PEM: the whole block, or the rest of the text if the block was cut off.
    PrivateKey,
    /// Payment card numbers, in one piece or in groups, with a valid check digit and the prefix of
    /// a card network.
    Card,
    /// E-mail addresses.
    Email,
    /// IBANs with valid check digits, in one piece or in groups, of countries that use IBANs.
    Iban,
    /// The user and the password of a URL, as in `postgres://app:hunter2@db/shop`.
    UrlCredentials,
    /// The value after a name that means a secret: `password=hunter2`, `"password": "hunter2"`,
    /// `password: hunter2`, `--password hunter2`, `<password>hunter2</password>`. The value of a
    /// password ends before the next name or `;`, and may have spaces.
    NamedValue,
    /// Keys whose provider is known by a prefix, such as `ghp_…`, `AKIA…` and `sk_live_…`, and the
    /// URLs of webhooks, whose paths are secret.
    ProviderKey,
}

impl SecretPattern {
    pub(super) const ALL: [Self; 9] = [
        Self::Jwt,
        Self::Bearer,
        Self::PrivateKey,
        Self::Card,
        Self::Email,
        Self::Iban,
        Self::UrlCredentials,
        Self::NamedValue,
        Self::ProviderKey,
    ];

    /// The bytes at which the scanner runs.
    pub(super) const fn triggers(self) -> &'static [u8] {
        match self {
            Self::Jwt => b"J",
            Self::Bearer => b"Bb",
            Self::PrivateKey => b"-",
            Self::Card | Self::Iban => b"0123456789",
            Self::Email => b"@%",
            Self::UrlCredentials => b":",
            Self::NamedValue => b"=:-<%",
            Self::ProviderKey => b"-_GIKv0123456789:",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SecretPattern;

    #[test]
    fn every_pattern_has_its_index() {
        for (n, pattern) in SecretPattern::ALL.into_iter().enumerate() {
            assert_eq!(pattern as usize, n);
        }
    }
}
