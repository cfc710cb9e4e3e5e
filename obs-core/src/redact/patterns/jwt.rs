//! JSON Web Tokens (RFC 7519): base64url parts that are separated by dots. The first part is a JSON
//! object.

use std::ops::Range;

use super::text::Text;

/// Returns the token around the `J` at `at`, if there is one, and the position before which the
/// scanner need not run again.
///
/// `eyJ` is the base64 form of `{"`. A signed token has three parts, an encrypted one five. Two
/// parts are enough if the second is an object, too: then the text was cut off, and the rest still
/// identifies the user of the token.
pub(super) fn find(text: Text<'_>, at: usize) -> Option<(Option<Range<usize>>, usize)> {
    let start = at.checked_sub(2)?;
    if !text.starts_with(start, "eyJ") {
        return None;
    }
    let end = text.run(start, |b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let run = text.slice(start, end);
    let mut parts = run.split('.');
    let (header, claims) = (parts.next()?, parts.next());
    let token =
        header.len() > 4 && claims.is_some_and(|claims| claims.starts_with("eyJ") || parts.next().is_some());
    Some((token.then_some(start..end), end))
}

#[cfg(test)]
mod tests {
    use crate::redact::patterns::tests::{check, harmless};

    const TOKEN: &str =
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    #[test]
    fn tokens_are_masked() {
        check(&[
            (TOKEN, "[REDACTED]"),
            (&format!("got {TOKEN}, expired"), "got [REDACTED], expired"),
            (&format!("x{TOKEN}"), "x[REDACTED]"),
            // Without a signature; cut off; encrypted without a key of its own.
            ("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", "[REDACTED]"),
            ("eyJhbGciOiJub25lIn0.eyJzdWIiO…", "[REDACTED]…"),
            ("eyJhbGciOiJkaXIifQ..48V1_ALb6US04U3b.5eym8TW_c8SuK0lt.XFBoMYUZodetZdvTiFvSkQ", "[REDACTED]"),
        ]);
    }

    #[test]
    fn other_texts_are_not_masked() {
        harmless(&[
            "eyJ",
            "eyJhbGciOiJub25lIn0",
            "eyJ.a.b",
            "eyJhbGciOiJub25lIn0.txt",
            "Jane. Joe. J.",
            "a.b.c",
            "J",
        ]);
    }
}
