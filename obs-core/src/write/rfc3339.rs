//! Times as text such as `2026-11-20T10:48:28.123456Z` (RFC 3339, UTC).

use std::{cell::Cell, time::Duration};

use crate::write::digits::three;

/// Returns the text of a time with microseconds, from its duration since 1970.
pub(crate) fn text(since_1970: Duration) -> [u8; 27] {
    thread_local! {
        /// The last written second, and its text up to the decimal point.
        static LAST: Cell<(u64, [u8; SECOND])> = const { Cell::new((u64::MAX, [0; SECOND])) };
    }
    let seconds = since_1970.as_secs();
    let text = LAST.try_with(|last| {
        let (of, text) = last.get();
        if of == seconds {
            return text;
        }
        let text = second(seconds);
        last.set((seconds, text));
        text
    });
    let second = text.unwrap_or_else(|_| second(seconds));
    let mut text = [b'Z'; 27];
    let parts = [
        (0..20, &second[..]),
        (20..23, &three(u64::from(since_1970.subsec_millis()))),
        (23..26, &three(u64::from(since_1970.subsec_micros()))),
    ];
    for (place, part) in parts {
        if let Some(place) = text.get_mut(place) {
            place.copy_from_slice(part);
        }
    }
    text
}

/// The length of a text such as `2026-11-20T10:48:28.`.
const SECOND: usize = 20;

#[inline(never)]
fn second(seconds: u64) -> [u8; SECOND] {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = year_month_day(days);
    let two = |number: u64| {
        let [_, tens, ones] = three(number % 100);
        [tens, ones]
    };
    let ([y0, y1], [y2, y3]) = (two(year / 100), two(year));
    let ([o0, o1], [d0, d1]) = (two(month), two(day));
    let ([h0, h1], [m0, m1], [s0, s1]) = (two(second / 3600), two(second / 60 % 60), two(second % 60));
    [y0, y1, y2, y3, b'-', o0, o1, b'-', d0, d1, b'T', h0, h1, b':', m0, m1, b':', s0, s1, b'.']
}

/// Converts days since 1970-01-01 to year, month and day of the Gregorian calendar.
///
/// Here a year starts in March, so that the leap day is its last day. 400 years have 146,097 days.
const fn year_month_day(days: u64) -> (u64, u64, u64) {
    const DAYS_0000_03_01_TO_1970: u64 = 719_468;
    let days = days + DAYS_0000_03_01_TO_1970;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let leaps = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leaps) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + (month <= 2) as u64, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(seconds: u64) -> String {
        String::from_utf8(text(Duration::new(seconds, 42_000)).into()).expect("UTF-8")
    }

    #[test]
    fn times_are_written_as_dates() {
        // Each was checked with `date --utc --date=@…`.
        assert_eq!(time(0), "1970-01-01T00:00:00.000042Z");
        assert_eq!(time(951_782_399), "2000-02-28T23:59:59.000042Z");
        assert_eq!(time(951_782_400), "2000-02-29T00:00:00.000042Z");
        assert_eq!(time(1_795_171_708), "2026-11-20T10:48:28.000042Z");
        assert_eq!(time(4_107_542_400), "2100-03-01T00:00:00.000042Z");
    }

    proptest! {
        #[test]
        fn consecutive_days_have_consecutive_dates(days in 0_u64..200_000) {
            let ((y1, m1, d1), (y2, m2, d2)) = (year_month_day(days), year_month_day(days + 1));
            let same_month = (y1, m1, d1 + 1) == (y2, m2, d2);
            let next_month = (y1, m1 + 1, 1) == (y2, m2, d2);
            let next_year = (y1 + 1, 12, 31, 1, 1) == (y2, m1, d1, m2, d2);
            prop_assert!((1..=31).contains(&d1) && (same_month || next_month || next_year));
        }
    }
}
