//! Decimal numbers, durations and IP addresses as text. Most numbers of a request are small, so a
//! table of all three-digit numbers is fast.

use std::{fmt::Write as _, net::IpAddr, time::Duration};

use crate::{base::clock, write::buffer::BufferWriter};

/// All three-digit numbers: `000001002…999`
static THREE: [[u8; 3]; 1000] = {
    let mut table = [[0; 3]; 1000];
    let mut n = 0;
    while n < table.len() {
        table[n] = [b'0' + (n / 100) as u8, b'0' + (n / 10 % 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    table
};

/// Returns the last three digits of a number.
pub(crate) fn three(number: u64) -> [u8; 3] {
    THREE.get((number % 1000) as usize).copied().unwrap_or_default()
}

/// Returns the three digits of a status code, or `_OTHER` if the code is invalid.
pub(crate) fn status(code: u16) -> &'static str {
    let digits = THREE.get(usize::from(code)).filter(|_| code >= 100);
    digits.and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or("_OTHER")
}

/// Writes a number.
pub(crate) fn number(out: &mut BufferWriter<'_>, value: u64) {
    let [hundreds, tens, ones] = three(value);
    match value {
        0..10 => out.put(&[ones]),
        10..100 => out.put(&[tens, ones]),
        100..1000 => out.put(&[hundreds, tens, ones]),
        _ => out.put(itoa::Buffer::new().format(value).as_bytes()),
    }
}

/// Writes a finite number as its `Debug` does: in the shortest form that is parsed as the same
/// number, with a point or an exponent.
pub(crate) fn float(out: &mut BufferWriter<'_>, value: f64) {
    let magnitude = value.abs();
    // A number with at most three decimals, if it is one. It has at most 15 digits, and two numbers
    // with so few digits are never the same `f64`, so it is the shortest form, too.
    let thousandths = (magnitude * 1000.0 + 0.5) as u64;
    if thousandths >= 1_000_000_000_000 || thousandths as f64 / 1000.0 != magnitude {
        // For very large and very small numbers, `Debug` writes an exponent where `Display` would
        // write 300 digits. Writing cannot fail.
        let _ = write!(out, "{value:?}");
        return;
    }
    if value.is_sign_negative() {
        out.put(b"-");
    }
    number(out, thousandths / 1000);
    match three(thousandths) {
        [tenths, b'0', b'0'] => out.put(&[b'.', tenths]),
        [tenths, hundredths, b'0'] => out.put(&[b'.', tenths, hundredths]),
        [tenths, hundredths, last] => out.put(&[b'.', tenths, hundredths, last]),
    }
}

/// Writes a duration in milliseconds, with three decimals.
pub(crate) fn millis(out: &mut BufferWriter<'_>, time: Duration) {
    let [a, b, c] = three(u64::from(time.subsec_micros()));
    match clock::millis(time) {
        // Most durations are this short, and are written in one piece.
        whole @ 0..10 => out.put(&[b'0' | whole as u8, b'.', a, b, c]),
        whole => {
            number(out, whole);
            out.put(&[b'.', a, b, c]);
        }
    }
}

/// Writes an IP address as its `Display` does.
pub(crate) fn address(out: &mut BufferWriter<'_>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            let [first @ .., last] = address.octets();
            for octet in first {
                let [hundreds, tens, ones] = three(u64::from(octet));
                match octet {
                    0..10 => out.put(&[ones, b'.']),
                    10..100 => out.put(&[tens, ones, b'.']),
                    _ => out.put(&[hundreds, tens, ones, b'.']),
                }
            }
            number(out, u64::from(last));
        }
        // Writing cannot fail.
        IpAddr::V6(address) => drop(write!(out, "{address}")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(write: impl Fn(&mut BufferWriter<'_>)) -> String {
        String::from_utf8(crate::write::buffer::written(write)).expect("ASCII")
    }

    #[test]
    fn every_status_code_has_its_text() {
        for code in 100..=999 {
            assert_eq!(status(code), code.to_string());
        }
        for code in [0, 99, 1000, u16::MAX] {
            assert_eq!(status(code), "_OTHER");
        }
    }

    #[test]
    fn numbers_have_no_leading_zeros() {
        for number in (0..1100).chain([9_999, 10_000, u64::MAX]) {
            assert_eq!(text(|out| super::number(out, number)), number.to_string());
        }
    }

    proptest! {
        #[test]
        fn times_have_three_decimals(micros in 0..u64::MAX / 1000) {
            let expected = format!("{}.{:03}", micros / 1000, micros % 1000);
            prop_assert_eq!(text(|out| millis(out, Duration::from_micros(micros))), expected);
        }

        #[test]
        fn a_float_is_in_the_shortest_form(
            value in any::<f64>(), whole in any::<i64>(), size in 1..2_000_000_000_000_i64,
        ) {
            let decimal = (whole % size) as f64;
            for value in [value, decimal, decimal / 10.0, decimal / 1000.0, decimal / 10_000.0, value.fract()] {
                if value.is_finite() {
                    prop_assert_eq!(text(|out| float(out, value)), format!("{value:?}"));
                }
            }
        }

        #[test]
        fn addresses_are_as_displayed(address in any::<IpAddr>()) {
            prop_assert_eq!(text(|out| super::address(out, address)), address.to_string());
        }
    }
}
