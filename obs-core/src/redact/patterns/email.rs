//! E-mail addresses in their usual form: no comments, no quotes, and a dot in the host.

use std::ops::Range;

use super::text::Text;

/// Returns the address around the `@` from `at` to `after`. Text before `floor` belongs to an
/// earlier `@`.
pub(super) fn find(text: Text<'_>, at: usize, after: usize, floor: usize) -> Option<Range<usize>> {
    let start = text.scan_back_chars(at, floor, |c| {
        is_letter(c) || matches!(c, '.' | '!' | '$' | '%' | '*' | '+' | '-' | '^' | '_' | '~' | '\'')
    });
    // Quotation marks and list markers are not part of the address.
    let start = text.run(start, |b| b".!$%*+-^~'".contains(&b));
    if start >= at {
        return None;
    }
    // `git@github.com` is the address of a server.
    if ["git", "hg", "svn"].contains(&text.slice(start, at)) {
        return None;
    }
    let end = text.scan_chars(after, |c| is_letter(c) || c == '-' || c == '.');
    let length = domain(text.slice(after, end))?;
    Some(start..after.saturating_add(length))
}

/// Returns the length of the domain at the start of `name`: at least two labels, the last of which
/// is not a number.
fn domain(name: &str) -> Option<usize> {
    let (mut found, mut end) = (None, 0_usize);
    let mut first = "";
    for (n, label) in name.split('.').enumerate() {
        if label.is_empty() {
            break;
        }
        let number = label.bytes().all(|b| b.is_ascii_digit());
        match n {
            0 => first = label,
            // Rejects `serde@1.0.0.crate`, but not `jane@163.com`.
            1 if number && first.trim_start_matches('v').bytes().all(|b| b.is_ascii_digit()) => return None,
            _ => {}
        }
        end = end.saturating_add(label.len());
        let name = label.trim_end_matches('-');
        if n > 0
            && name.chars().nth(1).is_some()
            && !name.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        {
            found = Some(end.saturating_sub(label.len().saturating_sub(name.len())));
        }
        end = end.saturating_add(1);
    }
    // `logo@2x.png` is an image for high-resolution screens.
    let picture = matches!(first.as_bytes(), [b'1'..=b'9', b'x']) && name.split('.').count() == 2;
    if picture { None } else { found }
}

/// Returns `true` for letters and digits of all scripts and for their parts such as accents, but
/// not for spaces and punctuation.
fn is_letter(c: char) -> bool {
    match c {
        '\0'..='\x7f' => c.is_ascii_alphanumeric(),
        // Symbols of Latin-1; general punctuation; East Asian punctuation, also in full width.
        '\u{80}'..='\u{bf}' | '\u{2000}'..='\u{206f}' | '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ff0f}' => {
            false
        }
        '\u{ff1a}'..='\u{ff20}' | '\u{feff}' | '\u{fffd}' => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use crate::redact::patterns::tests::{check, harmless};

    #[test]
    fn email_addresses_are_masked() {
        check(&[
            ("mail to jane@example.com bounced", "mail to [REDACTED] bounced"),
            ("<jane.doe+shop@mail.example.co.uk>, 'joe@example.com'.", "<[REDACTED]>, '[REDACTED]'."),
            ("o'brien@example.com", "[REDACTED]"),
            ("\"jane@example.com\"", "\"[REDACTED]\""),
            ("jane@example.com. Next", "[REDACTED]. Next"),
            ("jane@example.com- and", "[REDACTED]- and"),
            ("jane@example.com.5", "[REDACTED].5"),
            ("jane@example.com..x", "[REDACTED]..x"),
            ("mailto:jane@example.com?subject=x", "mailto:[REDACTED]?subject=x"),
            ("a@b.cc,d@e.ff;g@h.ii", "[REDACTED],[REDACTED];[REDACTED]"),
            ("jane@163.com jane@x-1.example", "[REDACTED] [REDACTED]"),
            (
                "jörg@müller.de “josé@example.com” mail\u{a0}jane@example.com",
                "[REDACTED] “[REDACTED]” mail\u{a0}[REDACTED]",
            ),
            ("jo\u{308}rg@example.com", "[REDACTED]"),
            ("用户@例子.中国。", "[REDACTED]。"),
            ("@jane@example.social", "@[REDACTED]"),
            ("a@b@example.com", "a@[REDACTED]"),
            ("x@a.bc@d.ef", "[REDACTED]"),
            ("https://api/users?email=jane%40example.com&x=1", "https://api/users?email=[REDACTED]&x=1"),
        ]);
    }

    #[test]
    fn other_texts_are_not_masked() {
        harmless(&[
            "@",
            "@@@@",
            "a@",
            "@example.com",
            "a @example.com",
            "jane@localhost",
            "git@github.com:org/repo",
            "k8s.io/api@v0.29.1-alpha.next",
            "root@10.0.0.1",
            "serde@1.0.219",
            "jquery@3.7.1.min.js",
            "logo@2x.png",
            "logo@3x.jpg",
            "@types/node",
            "jane@example",
            "jane@example.c",
            "jane@.example.com",
            "a@b..com",
            "...@example.com",
            "50%40",
            "%40%40",
            "at 5 @ 10.50",
        ]);
    }
}
