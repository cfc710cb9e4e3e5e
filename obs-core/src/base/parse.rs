//! Parsers for values of environment variables.

use std::time::Duration;

use super::text::fraction;

/// Parses a duration such as `500ms`, `20s`, `5m` or `1h`. A number without a unit is in seconds.
/// Only whole numbers are valid.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, millis) = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)]
        .into_iter()
        .find_map(|(unit, millis)| Some((text.strip_suffix(unit)?, millis)))
        .unwrap_or((text, 1_000));
    let number: u64 = number.trim().parse().ok()?;
    number.checked_mul(millis).map(Duration::from_millis)
}

/// Parses a number between 0 and 1.
pub(crate) fn share(text: &str) -> Option<f64> {
    fraction(text.trim())
}

/// Parses `true` or `false`.
#[cfg(feature = "logs")]
pub(crate) fn switch(text: &str) -> Option<bool> {
    text.trim().parse().ok()
}

/// Returns the items of a comma-separated list, without blank ones.
pub(crate) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// Returns the items of a comma-separated list as owned texts.
pub(crate) fn texts(list: &str) -> Option<Vec<String>> {
    Some(self::list(list).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_shares_and_lists_are_parsed() {
        let durations =
            ["20s", "500 ms", " 7 ", "5m", "2 h", "", "s", "m", "1d", "1.5s", "-1s", "soon"].map(duration);
        let [seconds, millis, number, minutes, hours, rest @ ..] = durations;
        assert_eq!(seconds, Some(Duration::from_secs(20)));
        assert_eq!(millis, Some(Duration::from_millis(500)));
        assert_eq!(number, Some(Duration::from_secs(7)));
        assert_eq!(minutes, Some(Duration::from_secs(300)));
        assert_eq!(hours, Some(Duration::from_secs(7_200)));
        assert_eq!(rest, [None; 7]);
        assert_eq!(
            ["0", "0.25", "1", "1e-3", " .5 ", "1.1", "-0.1", "NaN", "x"].map(|text| share(text).is_some()),
            [true, true, true, true, true, false, false, false, false]
        );
        assert_eq!(list(" a,, b ,").collect::<Vec<_>>(), ["a", "b"]);
    }
}
