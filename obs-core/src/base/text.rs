//! Helpers for short texts: cutting, masking, decoding and parsing.

use std::{
    borrow::Cow,
    fmt,
    num::{IntErrorKind, ParseIntError},
};

/// Returns `text`, or its beginning with `…` at the end, in at most `max` bytes.
#[inline]
pub(crate) fn bounded(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max { Cow::Borrowed(text) } else { Cow::Owned(cut(text, max)) }
}

#[inline(never)]
fn cut(text: &str, max: usize) -> String {
    const CUT: &str = "…";
    let mut end = max.saturating_sub(CUT.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    let mut cut = text.get(..end).unwrap_or_default().to_owned();
    cut.push_str(CUT);
    cut
}

/// Cuts a text that may be owned, as [`bounded`] does.
pub(crate) fn cow_bounded(text: Cow<'static, str>, max: usize) -> Cow<'static, str> {
    if text.len() <= max { text } else { bounded(&text, max).into_owned().into() }
}

/// Applies `mask` to a text that may be owned.
pub(crate) fn masked(text: Cow<'static, str>, mask: impl FnOnce(&str) -> Cow<'_, str>) -> Cow<'static, str> {
    let masked = mask(&text);
    if masked.as_ptr() == text.as_ptr() && masked.len() == text.len() {
        drop(masked);
        return text;
    }
    masked.into_owned().into()
}

/// A text buffer with a maximum length in bytes.
pub(crate) struct Bounded {
    text: String,
    max: usize,
}

impl Bounded {
    pub(crate) const fn new(max: usize) -> Self {
        Self { text: String::new(), max }
    }

    /// Returns the written text, cut as by [`bounded`].
    pub(crate) fn into_text(self) -> String {
        if self.text.len() <= self.max {
            return self.text;
        }
        bounded(&self.text, self.max).into_owned()
    }
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // One character beyond the maximum shows that the text was longer.
        for character in text.chars() {
            if self.text.len() > self.max {
                return Err(fmt::Error);
            }
            self.text.push(character);
        }
        Ok(())
    }
}

/// Replaces `%` and two hexadecimal digits by the byte (RFC 3986 §2.1). Bytes that are then not
/// valid UTF-8 become U+FFFD.
pub(crate) fn percent_decoded(value: &str) -> Cow<'_, str> {
    if !value.contains('%') {
        return Cow::Borrowed(value);
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let decoded = digits
            .filter(|digits| *byte == b'%' && digits.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(decoded) = decoded {
            bytes.push(decoded);
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(*byte);
            rest = after;
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// Parses a number from 0 to 1 in all forms that the standard library accepts, such as `0.25`, `.5`
/// and `1e-3`. The parser of the standard library accepts all numbers, but adds 20 KB of code and
/// tables.
pub(crate) fn fraction(text: &str) -> Option<f64> {
    /// Further digits of so large a number do not change the result.
    const LARGE: u64 = 10_u64.pow(17);
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, saturating_exponent(exponent)?),
        None => (text, 0),
    };
    let unsigned = number.strip_prefix(['+', '-']).unwrap_or(number);
    let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if whole.is_empty() && decimals.is_empty() {
        return None;
    }
    // The number is `digits` times ten to the power of `power`.
    let (mut digits, mut power) = (0_u64, exponent);
    let whole = whole.bytes().map(|byte| (byte, false));
    for (byte, is_decimal) in whole.chain(decimals.bytes().map(|byte| (byte, true))) {
        let digit = char::from(byte).to_digit(10)?;
        if digits < LARGE {
            digits = digits.saturating_mul(10).saturating_add(u64::from(digit));
            power = power.saturating_sub(i32::from(is_decimal));
        } else {
            power = power.saturating_add(i32::from(!is_decimal));
        }
    }
    if digits == 0 {
        return Some(0.0);
    }
    if number.starts_with('-') || power > 0 {
        return None;
    }
    // Up to 15 digits and this power of ten are exact, so one division gives the nearest number.
    let mut value = digits as f64;
    let mut left = power.unsigned_abs().min(400);
    while left > 0 {
        let step = left.min(19);
        value /= 10_u64.saturating_pow(step) as f64;
        left = left.saturating_sub(step);
    }
    (value <= 1.0).then_some(value)
}

/// The exponent of a number; `None` if it is none.
fn saturating_exponent(text: &str) -> Option<i32> {
    text.parse().map_or_else(
        |error: ParseIntError| match error.kind() {
            IntErrorKind::PosOverflow => Some(i32::MAX),
            IntErrorKind::NegOverflow => Some(i32::MIN),
            _ => None,
        },
        Some,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_stops_at_the_bound() {
        use fmt::Write as _;
        let mut text = Bounded::new(5);
        assert!(text.write_str("abc").and_then(|()| text.write_str("de")).is_ok());
        assert!(text.write_str(&"f".repeat(1_000_000)).is_err());
        assert!(text.text.len() < 10, "no more is stored");
        assert_eq!(text.into_text(), "ab…");
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(bounded("short", 5), "short");
        assert_eq!(bounded("longer", 5), "lo…");
        assert_eq!(bounded("äöü", 5), "ä…");
        assert_eq!(bounded("äöü", 4), "…");
    }

    /// The same numbers as the parser of the standard library.
    #[test]
    fn fractions_are_parsed() {
        let numbers = [
            "0",
            "1",
            "0.",
            "1.000",
            "0.25",
            "0.1",
            "0.333",
            "0.000000000000001",
            "0.123456789012345",
            ".5",
            "1.",
            "+0.5",
            "+.5",
            "-0",
            "-0.0e7",
            "00.5",
            "1e-3",
            "1E-3",
            "1.5e-1",
            "5e-324",
            "1e-400",
            "25e-2",
            "2500e-0004",
            "0.0000025e+5",
            "0e999999999999",
            "1e-999999999999",
            "0.99999999999999999999",
            "1.00000000000000000000",
            "100000000000000000000e-20",
            "0.12345678901234567890123",
        ];
        for text in numbers {
            let expected: f64 = text.parse().expect("a number");
            let found = fraction(text).unwrap_or_else(|| panic!("{text} is a number"));
            assert!((found - expected).abs() <= expected * f64::EPSILON, "{text}: {found}");
        }
        for text in ["0.1", "0.333", "0.123456789012345", "1e-3", "25e-2"] {
            assert_eq!(fraction(text), text.parse().ok(), "{text} is exact");
        }
        for text in [
            "",
            ".",
            "+",
            "-",
            "e",
            "e1",
            "1e",
            "1e+",
            ".e1",
            "1e1.5",
            "1e1e1",
            "+1.5",
            "-0.5",
            "2",
            "1.001",
            "10e-1x",
            "0.2x",
            "1e1",
            "0.05e2",
            "1e999999999999",
            "NaN",
            "inf",
            "infinity",
            "0.٣",
            " 0.5",
            "0 .5",
            "0,5",
            "--0",
        ] {
            assert_eq!(fraction(text), None, "{text}");
        }
    }
}
