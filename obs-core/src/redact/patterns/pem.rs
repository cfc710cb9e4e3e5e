//! Private keys in PEM (RFC 7468), also with the labels of OpenSSL, OpenSSH and PGP.

use std::ops::Range;

use super::text::Text;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END";

/// Returns the block that starts at the `-` at `at`. If its end is missing, the block includes the
/// rest of the text.
pub(super) fn find(text: Text<'_>, at: usize) -> Option<Range<usize>> {
    let is_label = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ';
    if !text.starts_with(at, BEGIN) {
        return None;
    }
    let label = at.saturating_add(BEGIN.len());
    let body = text.run(label, is_label);
    if !text.slice(label, body).contains("PRIVATE KEY") {
        return None;
    }
    let end = text.find(body, END).map_or(text.len(), |end| {
        let label = text.run(end.saturating_add(END.len()), is_label);
        text.run(label, |b| b == b'-')
    });
    Some(at..end)
}

#[cfg(test)]
mod tests {
    use crate::redact::patterns::tests::{check, harmless};

    #[test]
    fn private_keys_are_masked() {
        check(&[
            ("key -----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY----- end", "key [REDACTED] end"),
            ("-----BEGIN RSA PRIVATE KEY-----\\nMIIE\\n-----END RSA PRIVATE KEY-----\\n", "[REDACTED]\\n"),
            ("------BEGIN OPENSSH PRIVATE KEY-----\nb3Bl", "-[REDACTED]"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY", "[REDACTED]"),
            ("-----BEGIN PGP PRIVATE KEY BLOCK-----\nä\n-----END PGP PRIVATE KEY BLOCK-----", "[REDACTED]"),
            (
                "-----BEGIN EC PRIVATE KEY-----a-----END EC PRIVATE KEY-----\n-----BEGIN PRIVATE KEY-----b-----END",
                "[REDACTED]\n[REDACTED]",
            ),
        ]);
    }

    #[test]
    fn public_keys_and_certificates_are_not_masked() {
        harmless(&[
            "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----\nMIIE\n-----END PUBLIC KEY-----",
            "-----BEGIN",
            "--- PRIVATE KEY ---",
            "----------",
        ]);
    }
}
