//! Keys of known providers, which have a prefix of their own.

use std::ops::Range;

use super::text::Text;

/// Returns the prefixes whose last byte but one is `byte`, with spaces between. Each has the
/// shortest length of the rest of its keys before it, in two digits. The last byte is `-` or `_`.
const fn prefixes(byte: u8) -> &'static str {
    match byte {
        b'1' => "16xapp-1- 20pat-na1- 20pat-eu1- 20fm1_ 30dop_v1_ 30doo_v1_ 30dor_v1_",
        b'2' => "20fm2_",
        b'8' => "20r8_",
        b'J' => "20CCIPRJ_",
        b'K' => "16FLWSECK- 20NRAK- 20PMAK-",
        b'T' => "16CFPAT- 16FLWSECK_TEST- 20CCIPAT_",
        b'U' => "16HRKU-",
        b'X' => "16GOCSPX-",
        b'Y' => "20AGE-SECRET-KEY-",
        b'a' => "16xoxa- 16bkua_ 20glsa_ 20sqa_ 30shpca_ 30shppa_ 30rpa_",
        b'b' => "16xoxb- 30xkeysib- 30xsmtpsib-",
        b'c' => "16xoxc- 16whsec_ 20glc_",
        b'd' => "16xoxd- 16sk_prod_ 16rk_prod_ 20figd_",
        b'e' => "16xoxe- 16sk_live_ 16rk_live_ 16rzp_live_ 16rdme_ 20shippo_live_",
        b'f' => "20hf_",
        b'g' => "20api_org_",
        b'h' => "20lin_oauth_ 20pscale_oauth_",
        b'i' => "20lin_api_ 20pypi- 20nvapi- 30xai-",
        b'k' => "20sk- 30gsk_",
        b'l' => "30pul-",
        b'm' => "30npm_",
        b'n' => "16ntn_ 20pscale_tkn_",
        b'o' => "16xoxo- 20aio_ 30gho_",
        b'p' => "16xoxp- 16sq0atp- 16sq0csp- 16sq0idp- 20sbp_ 20nfp_ 20tfp_ 20sqp_ 30ghp_",
        b'r' => "16xoxr- 16glrtr- 30ghr_",
        b's' => "16xoxs- 16gloas- 20sntrys_ 20rubygems_ 20ops_ 30ghs_ 30shpss_",
        b't' => {
            "16glpat- 16gldt- 16glrt- 16glft- 16glimt- 16glcbt- 16glptt- 16glagent- 16glsoat- 16glffct- 16glwt- 16sk_test_ 16rk_test_ 16rzp_test_ 16dckr_pat_ 16dckr_oat_ 20sb_secret_ 20shippo_test_ 30github_pat_ 30shpat_ 30secret_"
        }
        b'u' => "20sntryu_ 20squ_ 20pnu_ 30ghu_",
        b'w' => "20pscale_pw_",
        b'x' => "20phx_ 30pplx-",
        b'y' => "16tskey-",
        _ => "",
    }
}

/// A key that may be there, and the position before which no other key starts.
pub(super) type Found = (Option<Range<usize>>, usize);

const fn is_body(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')
}

/// Returns the key with the prefix that ends with the `-` or `_` at `at`.
pub(super) fn after_separator(text: Text<'_>, at: usize) -> Option<Found> {
    let body = at.saturating_add(1);
    for entry in prefixes(text.before(at)).split(' ') {
        let (least, prefix) = entry.split_at_checked(2)?;
        let start = body.checked_sub(prefix.len()).filter(|start| text.starts_with(*start, prefix));
        if let Some(start) = start.filter(|start| !text.before(*start).is_ascii_alphanumeric()) {
            let end = end(text, body);
            let least: usize = least.parse().ok()?;
            let key = end.saturating_sub(body) >= least && is_random(text.slice(body, end));
            return Some((key.then_some(start..end), end));
        }
    }
    None
}

/// Returns the key of Mailchimp around the `-` at `at`: 32 hexadecimal digits and a data centre.
pub(super) fn before_centre(text: Text<'_>, at: usize) -> Option<Range<usize>> {
    let centre = at.saturating_add(3);
    let end = text.run(centre, |b| b.is_ascii_digit());
    if !text.starts_with(at, "-us") || end == centre {
        return None;
    }
    let start = text.scan_back(at, at.saturating_sub(33), |b| b.is_ascii_hexdigit());
    (at.saturating_sub(start) == 32).then_some(start..end)
}

/// Returns the key that has the letter at `at` in its prefix.
pub(super) fn at_letter(text: Text<'_>, at: usize) -> Option<Found> {
    // The start of one of these prefixes, which are as long, if the letter is its byte `n`.
    let start = |n: usize, prefixes: &[&str]| {
        let start = at.checked_sub(n).filter(|start| !text.before(*start).is_ascii_alphanumeric())?;
        prefixes.iter().any(|prefix| text.starts_with(start, prefix)).then_some(start)
    };
    // The lengths of a prefix and of the rest of a key.
    let found = |start: usize, prefix: usize, rest: Range<usize>| {
        let body = start.saturating_add(prefix);
        let end = end(text, body);
        // A key of 20 capitals is complete.
        let exact = rest.len() == 1;
        let key = rest.contains(&end.saturating_sub(body)) && (exact || is_random(text.slice(start, end)));
        (key.then_some(start..end), end)
    };
    match text.at(at) {
        b'I' => (start(1, &["AIza"]).map(|start| found(start, 4, 30..41)))
            .or_else(|| start(2, &["AKIA", "ASIA", "ABIA"]).map(|start| found(start, 4, 16..17)))
            .or_else(|| start(2, &["AKID"]).map(|start| found(start, 4, 13..41)))
            .or_else(|| start(3, &["LTAI"]).map(|start| found(start, 4, 12..25))),
        b'G' => (start(1, &["SG."]).map(|start| found(start, 3, 32..101)))
            .or_else(|| start(9, &["ATATT3xFfGF0"]).map(|start| found(start, 12, 20..301))),
        // Twilio: 32 hexadecimal digits.
        b'K' => start(1, &["SK"]).map(|start| {
            let end = text.run(start.saturating_add(2), |b| b.is_ascii_hexdigit());
            let key = end.saturating_sub(start) == 34 && !is_body(text.at(end));
            (key.then_some(start..end), end)
        }),
        _ => start(1, &["hvs.", "hvb.", "hvr."]).map(|start| found(start, 4, 20..301)).or_else(|| {
            // Terraform: 14 letters and digits before the name.
            let name = at.checked_sub(6).filter(|name| text.starts_with(*name, ".atlasv1."))?;
            let start = text.scan_back(name, name.saturating_sub(15), |b| b.is_ascii_alphanumeric());
            let end = text.run(name.saturating_add(9), is_body);
            let key = name.saturating_sub(start) == 14 && end.saturating_sub(name) > 40;
            Some((key.then_some(start..end), end))
        }),
    }
}

/// Returns the token of Google that starts with `ya29.`, whose digits are at `at`.
pub(super) fn google_token(text: Text<'_>, at: usize) -> Option<Found> {
    let start = at.checked_sub(2).filter(|start| text.starts_with(*start, "ya29."))?;
    let end = end(text, start.saturating_add(5));
    Some(((end.saturating_sub(start) >= 25).then_some(start..end), end))
}

/// Returns the token of a Telegram bot around the `:` at `at`: its number and 35 characters.
pub(super) fn telegram_token(text: Text<'_>, at: usize) -> Option<Range<usize>> {
    let body = at.saturating_add(1);
    if !text.starts_with(body, "AA") {
        return None;
    }
    let start = text.scan_back(at, at.saturating_sub(11), |b| b.is_ascii_digit());
    let end = text.run(body, is_body);
    let valid = (8..=10).contains(&at.saturating_sub(start)) && (33..=36).contains(&end.saturating_sub(body));
    valid.then_some(start..end)
}

/// The hosts and the first parts of the paths of webhooks. The rest of such a URL is secret.
const WEBHOOKS: [&str; 6] = [
    "hooks.slack.com/services/",
    "hooks.slack.com/workflows/",
    "hooks.slack.com/triggers/",
    "discord.com/api/webhooks/",
    "discordapp.com/api/webhooks/",
    "outlook.office.com/webhook/",
];

/// Returns the secret part of the URL of a webhook, whose host starts at `at`.
pub(super) fn webhook(text: Text<'_>, at: usize) -> Option<Range<usize>> {
    if !matches!(text.at(at), b'h' | b'd' | b'o') {
        return None;
    }
    let known = WEBHOOKS.iter().find(|known| text.starts_with(at, known))?;
    let start = at.saturating_add(known.len());
    let end = text.run(start, |b| is_body(b) || matches!(b, b'/' | b'@' | b'.'));
    (end.saturating_sub(start) >= 20).then_some(start..end)
}

/// Returns the end of a key whose rest starts at `at`. A dot within it is part of it.
fn end(text: Text<'_>, at: usize) -> usize {
    let mut end = text.run(at, is_body);
    while text.at(end) == b'.' && is_body(text.at(end.saturating_add(1))) {
        end = text.run(end.saturating_add(1), is_body);
    }
    text.run(end, |b| b == b'=')
}

/// Returns `true` if a text has letters and digits, or letters of both cases, as random texts do.
fn is_random(text: &str) -> bool {
    let has = |is: fn(&u8) -> bool| text.as_bytes().iter().any(is);
    let (lower, upper) = (has(u8::is_ascii_lowercase), has(u8::is_ascii_uppercase));
    (lower || upper) && (has(u8::is_ascii_digit) || lower && upper)
}

#[cfg(test)]
mod tests {
    use crate::redact::patterns::tests::{check, harmless};

    #[test]
    fn keys_of_providers_are_masked() {
        let hex = "0123456789abcdef0123456789abcdef";
        check(&[
            ("AKIAIOSFODNN7EXAMPLE", "[REDACTED]"),
            (&format!("key ghp_{hex}abcd."), "key [REDACTED]."),
            (&format!("x-sk_live_{hex}"), "x-[REDACTED]"),
            (&format!("glpat-{hex}.01.a1b2c3"), "[REDACTED]"),
            (&format!("(sk-proj-{hex}_A-b)"), "([REDACTED])"),
            (&format!("SG.{hex}.{hex} hvs.{hex} ya29.{hex}"), "[REDACTED] [REDACTED] [REDACTED]"),
            (&format!("SK{hex} {hex}-us12"), "[REDACTED] [REDACTED]"),
            (&format!("123456789:AA{hex}a"), "[REDACTED]"),
            (
                "https://hooks.slack.com/services/T0000/B0000/0123456789abcdef?x",
                "https://hooks.slack.com/services/[REDACTED]?x",
            ),
        ]);
    }

    #[test]
    fn other_texts_are_not_masked() {
        harmless(&[
            "sk-toggleable__label-arrow sk-learn 1.5.0 sk-SK",
            "risk-0123456789abcdef0123",
            "npm_package_dependencies_react",
            "task_live_0123456789abcdef0123",
            "SKU0123456789abcdef0123456789abcdef",
            "ghp_0123456789abcdef",
            "ASIA KHTML Gecko v1.2 hvs.",
            "0193a5b2-7c1d-7e43-9a56-3f0c8d2b6e17",
            "shop-api-6d5f7c8b9-x2x4z",
        ]);
    }
}
