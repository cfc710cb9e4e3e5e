//! The page that Prometheus reads.

/// The sum of all series of a metric.
pub(in crate::settings::peers) fn total(page: &str, metric: &str) -> u64 {
    let values = page.lines().filter_map(|line| {
        let (_, value) = line.strip_prefix(metric)?.strip_prefix('{')?.rsplit_once("} ")?;
        value.parse::<u64>().ok()
    });
    values.sum()
}

#[cfg(test)]
mod tests {
    use super::total;

    #[test]
    fn only_the_series_of_the_metric_count() {
        let page = "# HELP a_total All\na_total{x=\"1\"} 2\na_total{x=\"{2}\"} 3\na_total_more{x=\"1\"} 4\n";
        assert_eq!(total(page, "a_total"), 5);
    }
}
