//! Payment card numbers (ISO/IEC 7812): 13 to 19 digits, in one piece or in groups.

use std::ops::Range;

use super::text::Text;

const DIGITS: Range<usize> = 13..20;

/// Returns the card number that starts with this run of digits.
pub(super) fn find(text: Text<'_>, run: Range<usize>) -> Option<Range<usize>> {
    let grouped = run.len() == 4;
    if !(grouped || DIGITS.contains(&run.len())) || !is_clear_before(text, run.start) {
        return None;
    }
    if grouped {
        return in_groups(text, run);
    }
    // A number such as `+49…` is a telephone number. Those of some countries look like cards.
    let telephone = run.len() <= 15 && text.before(run.start) == b'+';
    let card = is_card(text.slice(run.start, run.end).as_bytes());
    (card && !telephone && is_clear_after(text, run.end)).then_some(run)
}

/// Returns a card number in groups: four digits, then groups of four to six, then a last group of
/// one to six, with a separator between.
///
/// Other digits before or after it, such as an amount or a security code, do not hide the card:
/// each group of four is tried as its first group.
fn in_groups(text: Text<'_>, first: Range<usize>) -> Option<Range<usize>> {
    let mut digits = text.slice(first.start, first.end).to_owned();
    let (mut end, mut card) = (first.end, None);
    while let Some(start) = after_separator(text, end) {
        end = text.run(start, |b| b.is_ascii_digit());
        let group = text.slice(start, end);
        if !(1..=6).contains(&group.len()) || digits.len().saturating_add(group.len()) >= DIGITS.end {
            break;
        }
        digits.push_str(group);
        if is_card(digits.as_bytes()) && is_clear_after(text, end) {
            card = Some(first.start..end);
        }
        if group.len() < 4 {
            break;
        }
    }
    card
}

/// Returns the end of the separator at `at`: one of `-`, `.`, `_` and `/`, a hyphen that does not
/// break, or up to two spaces.
fn after_separator(text: Text<'_>, at: usize) -> Option<usize> {
    let length = match text.at(at) {
        b' ' | b'\t' if text.at(at.saturating_add(1)) == b' ' => 2,
        b' ' | b'-' | b'.' | b'_' | b'/' | b'\t' => 1,
        0xc2 if text.starts_with(at, "\u{a0}") => 2,
        0xe2 if ["\u{2009}", "\u{202f}", "\u{2010}", "\u{2011}", "\u{2013}", "\u{2007}"]
            .iter()
            .any(|separator| text.starts_with(at, separator)) =>
        {
            3
        }
        _ => return None,
    };
    Some(at.saturating_add(length))
}

/// Returns `true` if the digits that start at `at` do not continue a hexadecimal number or a
/// fraction.
fn is_clear_before(text: Text<'_>, at: usize) -> bool {
    match text.before(at) {
        b'.' => !text.before(at.saturating_sub(1)).is_ascii_digit(),
        b if b.is_ascii_alphabetic() => {
            let start = text.scan_back(at, at.saturating_sub(32), |b| b.is_ascii_alphanumeric());
            !text.slice(start, at).bytes().all(|b| b.is_ascii_hexdigit())
        }
        _ => true,
    }
}

fn is_clear_after(text: Text<'_>, at: usize) -> bool {
    match text.at(at) {
        b'.' => !text.at(at.saturating_add(1)).is_ascii_digit(),
        b if b.is_ascii_alphabetic() => {
            let end = (at..at.saturating_add(32)).find(|at| !text.at(*at).is_ascii_alphanumeric());
            let word = text.slice(at, end.unwrap_or(at.saturating_add(32)));
            !word.bytes().all(|b| b.is_ascii_hexdigit())
        }
        _ => true,
    }
}

fn is_card(digits: &[u8]) -> bool {
    // Barcodes have 13 digits, too, and cards with 13 digits have not been issued for a long time.
    // So a number that is valid as both is a barcode.
    DIGITS.contains(&digits.len())
        && has_issuer(digits)
        && luhn(digits)
        && !(digits.len() == 13 && is_barcode(digits))
}

/// Returns `true` if there are cards of this prefix and length. No card starts with 1, as times in
/// milliseconds do until 2033.
fn has_issuer(digits: &[u8]) -> bool {
    let prefix = digits
        .iter()
        .take(4)
        .fold(0_u16, |n, digit| n.saturating_mul(10).saturating_add(u16::from(digit.wrapping_sub(b'0'))));
    match (prefix, digits.len()) {
        // Visa
        (4000..=4999, 13 | 16 | 19) => true,
        // Mastercard
        (2221..=2720 | 5100..=5599, 16) => true,
        // American Express
        (3400..=3499 | 3700..=3799, 15) => true,
        // Diners Club
        (3000..=3059 | 3090..=3099 | 3600..=3699 | 3800..=3999, 14..=19) => true,
        // JCB, Mir, Troy, RuPay
        (3528..=3589 | 2200..=2204 | 9792 | 8100..=8299 | 6521..=6522, 16..=19) => true,
        // Discover and UnionPay
        (6011 | 6200..=6299 | 6440..=6499 | 6500..=6599, 16..=19) => true,
        // Maestro, Verve
        (5000..=5099 | 5600..=5899 | 6300..=6399 | 6700..=6799, 13..=19) => true,
        _ => false,
    }
}

fn luhn(digits: &[u8]) -> bool {
    let sum = digits.iter().rev().enumerate().fold(0_u32, |sum, (n, digit)| {
        let digit = u32::from(digit.wrapping_sub(b'0'));
        let doubled = digit.saturating_mul(2);
        let part = if n % 2 == 0 { digit } else { doubled / 10 + doubled % 10 };
        sum.saturating_add(part)
    });
    sum % 10 == 0
}

/// Returns `true` if the check digit of EAN-13 is correct.
fn is_barcode(digits: &[u8]) -> bool {
    let sum = digits.iter().rev().enumerate().fold(0_u32, |sum, (n, digit)| {
        let weight = if n % 2 == 0 { 1 } else { 3 };
        sum.saturating_add(u32::from(digit.wrapping_sub(b'0')).saturating_mul(weight))
    });
    sum % 10 == 0
}

#[cfg(test)]
mod tests {
    use crate::redact::patterns::tests::{check, harmless};

    #[test]
    fn card_numbers_are_masked() {
        // The test numbers of payment services.
        for card in [
            "4111111111111111",
            "4242424242424242",
            "4222222222222",
            "4000000000000000006",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "371449635398431",
            "30569309025904",
            "38520000023237",
            "3530111333300000",
            "6011111111111117",
            "6011000990139424",
            "6205500000000000004",
            "6304000000000000",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "3782 822463 10005",
            "3056 930902 5904",
            "6205 5000 0000 0000 004",
            "4000 0000 0000 0000 006",
        ] {
            check(&[
                (card, "[REDACTED]"),
                (&format!("card {card}."), "card [REDACTED]."),
                (&format!("pan:{card},"), "pan:[REDACTED],"),
                (&format!("ä{card}ö"), "ä[REDACTED]ö"),
                (&format!("PAN{card}x"), "PAN[REDACTED]x"),
                (&format!("_{card}_"), "_[REDACTED]_"),
            ]);
        }
        check(&[
            ("4111 1111-1111 1111, 4111  1111 1111 1111", "[REDACTED], [REDACTED]"),
            (
                "4111.1111.1111.1111 4111_1111_1111_1111 4111/1111/1111/1111",
                "[REDACTED] [REDACTED] [REDACTED]",
            ),
            (
                "4111\u{a0}1111\u{a0}1111\u{a0}1111 4111\u{2011}1111\u{2011}1111\u{2011}1111",
                "[REDACTED] [REDACTED]",
            ),
            ("12 4111 1111 1111 1111 123", "12 [REDACTED] 123"),
            ("1234 4111 1111 1111 1111 12/27", "1234 [REDACTED] 12/27"),
            ("2026-4111-1111-1111-1111", "2026-[REDACTED]"),
            ("4111 1111 1111 1111 4242 4242 4242 4242", "[REDACTED] [REDACTED]"),
        ]);
    }

    #[test]
    fn other_numbers_are_not_masked() {
        harmless(&[
            // A wrong check digit; too many or too few digits.
            "4111111111111112",
            "4111 1111 1111 1112",
            "41111111111111111111",
            "411111111111",
            "04111111111111111111111",
            // No issuer; three spaces, odd groups.
            "0000000000000000",
            "9999999999999995",
            "4111   1111 1111 1111",
            "41 11 11 11 11 11 11 11",
            // Times in milliseconds, microseconds and nanoseconds.
            "1795180809118",
            "1795180809118734",
            "1795180809118734000",
            // Identifiers: a trace, a span, a UUID, a hash.
            "4bf92f3577b34da6a3ce929d0e0e4736",
            "a4111111111111111",
            "4111111111111111ab",
            "41111111-1111-4111-8111-111111111111",
            // Fractions, a telephone number, a barcode with a valid Luhn digit.
            "0.4111111111111111",
            "4111111111111111.5",
            "+4915112345671",
            "4006381333931",
            "4000000000051",
        ]);
    }

    #[test]
    fn few_order_numbers_are_taken_for_card_numbers() {
        let redactor = crate::redact::settings::Redaction::new().build().expect("valid");
        let masked = |first: u64| {
            (first..first + 10_000).filter(|n| redactor.text(&n.to_string()).contains('[')).count()
        };
        assert_eq!(masked(1_795_180_809_118), 0, "milliseconds");
        assert_eq!(masked(1_000_000_000_000_000), 0, "no issuer");
        assert_eq!(masked(4_000_123_400_000_000), 1_000, "an issuer: one in ten has the check digit");
    }
}
