//! A metric in a test.

/// The sum of the samples that match: see [`TestObserver::metric`](super::TestObserver::metric).
///
/// ```
/// # use obs_core::testing::TestObserver;
/// let test = TestObserver::new();
/// test.observer().route("GET", "/items");
/// test.metric("http_requests_total", &[("endpoint", "/items")]).is(0.0);
/// test.metric("http_requests_total", &[("endpoint", "/orders")]).is_not_there();
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TestMetric {
    asked: String,
    value: Option<f64>,
    /// All samples with this name, for the message of a failed check.
    samples: String,
}

impl TestMetric {
    pub(super) fn of_page(page: &str, name: &str, labels: &[(&str, &str)]) -> Self {
        let wanted: Vec<_> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let has = |line: &str, label: &str| {
            line.contains(&format!("{{{label}")) || line.contains(&format!(",{label}"))
        };
        let of_name = |line: &&str| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{') || rest.starts_with(' '))
        };
        let samples: Vec<_> = page.lines().filter(of_name).collect();
        let chosen = samples.iter().filter(|line| {
            wanted.iter().all(|label| match label.strip_suffix("\"\"") {
                // As in Prometheus, an empty value means that there is no such label.
                Some(name) if name.ends_with('=') => has(line, label) || !has(line, name),
                _ => has(line, label),
            })
        });
        let values: Vec<f64> = chosen.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        Self {
            asked: format!("{name}{{{}}}", wanted.join(",")),
            value: (!values.is_empty()).then(|| values.iter().sum()),
            samples: samples.join("\n"),
        }
    }

    /// The sum; `None` if no sample matches.
    #[must_use]
    pub const fn value(&self) -> Option<f64> {
        self.value
    }

    /// Checks that the sum is `expected`.
    ///
    /// # Panics
    /// Panics if the sum is different, or if no sample matches.
    pub fn is(&self, expected: f64) {
        let Self { asked, value, samples } = self;
        match value {
            Some(value) if value.total_cmp(&expected).is_eq() => {}
            Some(value) => panic!("`{asked}` should be {expected}, but is {value}; all samples:\n{samples}"),
            None => panic!("`{asked}` should be {expected}, but is missing; all samples:\n{samples}"),
        }
    }

    /// Checks that no sample matches.
    ///
    /// # Panics
    /// Panics if a sample matches.
    pub fn is_not_there(&self) {
        if let Some(value) = self.value {
            panic!("`{}` should not be there, but is {value}; all samples:\n{}", self.asked, self.samples);
        }
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# TYPE a counter\na{x=\"1\",yx=\"2\"} 3\na{x=\"2\",yx=\"1\"} 4\nab 9\n";

    #[test]
    fn samples_are_selected_by_whole_labels() {
        TestMetric::of_page(PAGE, "a", &[]).is(7.0);
        TestMetric::of_page(PAGE, "a", &[("x", "1")]).is(3.0);
        TestMetric::of_page(PAGE, "a", &[("x", "1"), ("yx", "1")]).is_not_there();
        assert_eq!(TestMetric::of_page(PAGE, "ab", &[]).value(), Some(9.0));
        TestMetric::of_page(PAGE, "a", &[("x", "")]).is_not_there();
        TestMetric::of_page(PAGE, "a", &[("z", ""), ("x", "1")]).is(3.0);
    }

    #[test]
    #[should_panic(expected = "`a{x=\"1\"}` should be 5, but is 3; all samples:")]
    fn a_failed_check_shows_the_actual_value() {
        TestMetric::of_page(PAGE, "a", &[("x", "1")]).is(5.0);
    }
}
