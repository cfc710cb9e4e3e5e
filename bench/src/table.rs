//! Small sums for the tables.

/// The middle one of an odd number of values.
pub(crate) fn median<T: PartialOrd + Copy>(values: &[T]) -> T {
    quantile(values, 0.5)
}

/// The value below which this part of the values is.
pub(crate) fn quantile<T: PartialOrd + Copy>(values: &[T], part: f64) -> T {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).expect("values can be compared"));
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}

#[cfg(test)]
mod tests {
    use super::{median, quantile};

    #[test]
    fn values_need_no_order() {
        assert_eq!(median(&[3, 1, 2]), 2);
        assert_eq!(quantile(&(0..=100).rev().collect::<Vec<_>>(), 0.99), 99);
    }
}
