//! The encoding of numbers.

use std::io::Write as _;

/// Writes a sample's value with the shortest digits that parse to the same number.
pub(super) fn write(out: &mut Vec<u8>, value: f64) {
    // Writing to a vector cannot fail, here and below.
    let magnitude = value.abs();
    let _ = if value.is_nan() {
        out.write_all(b"NaN")
    } else if value.is_infinite() {
        out.write_all(if value > 0.0 { b"+Inf" } else { b"-Inf" })
    } else if magnitude != 0.0 && !(1e-9..1e17).contains(&magnitude) {
        write!(out, "{value:e}")
    } else {
        write!(out, "{value}")
    };
}

/// Writes a count.
pub(super) fn whole(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Writes the value of an `le` or `quantile` label. The value identifies a series, so all programs
/// must write it in the same way: like Go's `%g`. OpenMetrics 1.0 ("Considerations: Canonical
/// Numbers") adds that a whole number has a fraction, so it is `1.0` and not `1`.
pub(super) fn label(value: f64, openmetrics: bool) -> String {
    if !value.is_finite() {
        let mut text = Vec::new();
        write(&mut text, value);
        return String::from_utf8(text).unwrap_or_default();
    }
    let scientific = format!("{value:e}");
    let exponent = scientific.split_once('e').and_then(|(_, exponent)| exponent.parse::<i32>().ok());
    let exponent = exponent.unwrap_or_default();
    if (-4..6).contains(&exponent) || value == 0.0 {
        let point = if openmetrics && value.fract() == 0.0 { ".0" } else { "" };
        return format!("{value}{point}");
    }
    let digits = scientific.split('e').next().unwrap_or_default();
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_labels_are_canonical() {
        for (value, text, openmetrics) in [
            (0.0, "0", "0.0"),
            (0.005, "0.005", "0.005"),
            (1.0, "1", "1.0"),
            (2.5, "2.5", "2.5"),
            (100_000.0, "100000", "100000.0"),
            (1e6, "1e+06", "1e+06"),
            (1_500_000.0, "1.5e+06", "1.5e+06"),
            (1e10, "1e+10", "1e+10"),
            (0.0001, "0.0001", "0.0001"),
            (0.00001, "1e-05", "1e-05"),
            (-1.0, "-1", "-1.0"),
            (f64::INFINITY, "+Inf", "+Inf"),
        ] {
            assert_eq!((label(value, false).as_str(), label(value, true).as_str()), (text, openmetrics));
        }
    }

    #[test]
    fn written_numbers_are_parsed_to_the_same_values() {
        for value in [0.0, -0.0, 1.0, 0.1, 1e-7, 5e-324, 1e16, 1e17, 1.797e308, -2.5, 123_456_789.125] {
            let mut out = Vec::new();
            write(&mut out, value);
            let text = String::from_utf8(out).expect("UTF-8");
            assert_eq!(text.parse::<f64>().expect("a number").to_bits(), value.to_bits(), "{text}");
            assert!(text.len() < 25, "{text}");
        }
        let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(|value| {
            let mut out = Vec::new();
            write(&mut out, value);
            String::from_utf8(out).expect("UTF-8")
        });
        assert_eq!(special, ["NaN", "+Inf", "-Inf"]);
    }
}
