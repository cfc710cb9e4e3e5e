//! The rules of OpenMetrics 1.0 that Prometheus' text format does not have.

use crate::outputs::metrics::family::{Family, Histogram, Kind, Sample, SampleValue};

/// The suffix of a counter's samples.
pub(super) const TOTAL: &str = "_total";

/// Returns the names of a family's samples, which are the same in both formats.
pub(super) fn sample_names(family: &Family, kind: Kind) -> impl Iterator<Item = String> {
    let suffixes: &[&str] = match kind {
        Kind::Histogram => &["_bucket", "_sum", "_count"],
        Kind::Summary => &["", "_sum", "_count"],
        Kind::Counter | Kind::Gauge | Kind::Untyped => &[""],
    };
    suffixes.iter().map(|suffix| format!("{}{suffix}", family.name))
}

/// Returns the name of the family. The name of a counter has no `_total`, unlike its sample.
pub(super) fn family_name(family: &Family, kind: Kind) -> &str {
    match kind {
        Kind::Counter => family.name.strip_suffix(TOTAL).unwrap_or(&family.name),
        _ => &family.name,
    }
}

/// Returns the names that no other family may use in the text format. Its parsers treat `a_count`
/// as a part of a histogram `a`.
pub(super) fn text_names(family: &Family) -> Vec<String> {
    let mut names: Vec<_> = sample_names(family, family.kind).collect();
    names.push(family.name.to_string());
    names
}

/// Returns the names that no other family may use in OpenMetrics.
pub(super) fn reserved_names(family: &Family, kind: Kind) -> Vec<String> {
    // Without a kind, the name of each sample is a family.
    let mut names: Vec<_> =
        sample_names(family, if kind == Kind::Untyped { family.kind } else { kind }).collect();
    let base = family_name(family, kind);
    if matches!(kind, Kind::Counter | Kind::Histogram | Kind::Summary) {
        names.push(format!("{base}_created"));
    }
    if kind != Kind::Untyped && !names.iter().any(|name| name == base) {
        names.push(base.to_owned());
    }
    names
}

/// Returns true if the family follows the rules for its kind (OpenMetrics 1.0, "Metric Types").
pub(super) fn family_is_legal(family: &Family) -> bool {
    let named = match family.kind {
        Kind::Counter => family.name.ends_with(TOTAL) && family.name.len() > TOTAL.len(),
        Kind::Untyped => false,
        Kind::Gauge | Kind::Histogram | Kind::Summary => true,
    };
    let legal = |sample: &Sample| is_legal(family.kind, &sample.value);
    // All our samples have the same bounds and valid counts, so checking one of them is enough.
    named
        && family.samples_of_source().next().is_none_or(|sample| legal(&sample))
        && family.samples.iter().all(legal)
}

/// Returns true if a sample's value follows the rules for its kind.
pub(in crate::outputs::metrics) fn is_legal(kind: Kind, value: &SampleValue) -> bool {
    let counts = |value: f64| value >= 0.0; // not so for NaN
    match value {
        SampleValue::Count { .. } => true,
        SampleValue::Number(value) => kind != Kind::Counter || counts(*value),
        SampleValue::Histogram(histogram) => counts(histogram.sum) && ascending(histogram),
        SampleValue::Summary { quantiles, sum, .. } => {
            let fine = |(q, value): &(f64, f64)| (0.0..=1.0).contains(q) && (*value >= 0.0 || value.is_nan());
            counts(*sum) && quantiles.iter().all(fine)
        }
    }
}

/// Returns true if bounds and counts ascend, and no bound is negative.
fn ascending(Histogram { bounds, counts, .. }: &Histogram) -> bool {
    bounds.first().is_none_or(|first| *first >= 0.0)
        && bounds.iter().chain([&f64::INFINITY]).is_sorted_by(|a, b| a < b)
        && counts.is_sorted()
}
