//! Statistics for the tables: median and quantile.

/// The median of an odd number of values.
pub(crate) fn median<T: PartialOrd + Copy>(values: &[T]) -> T {
    quantile(values, 0.5)
}

/// The quantile of the values: this part of them is below it.
pub(crate) fn quantile<T: PartialOrd + Copy>(values: &[T], part: f64) -> T {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).expect("values can be compared"));
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}

#[cfg(test)]
mod tests {
    use super::{median, quantile};

    #[test]
    fn unsorted_values_give_the_right_quantiles() {
        assert_eq!(median(&[3, 1, 2]), 2);
        assert_eq!(quantile(&(0..=100).rev().collect::<Vec<_>>(), 0.99), 99);
    }
}
