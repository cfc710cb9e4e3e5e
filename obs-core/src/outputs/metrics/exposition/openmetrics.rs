//! What OpenMetrics 1.0 allows, and Prometheus' text format does not mind.

use crate::outputs::metrics::family::{Family, Histogram, Kind, Sample, SampleValue};

/// What a counter's samples end with.
pub(super) const TOTAL: &str = "_total";

/// The names of a family's samples, as both formats write them.
pub(super) fn sample_names(family: &Family, kind: Kind) -> impl Iterator<Item = String> {
    let suffixes: &[&str] = match kind {
        Kind::Histogram => &["_bucket", "_sum", "_count"],
        Kind::Summary => &["", "_sum", "_count"],
        Kind::Counter | Kind::Gauge | Kind::Untyped => &[""],
    };
    suffixes.iter().map(|suffix| format!("{}{suffix}", family.name))
}

/// The family's name: a counter's is its sample's without `_total`.
pub(super) fn family_name(family: &Family, kind: Kind) -> &str {
    match kind {
        Kind::Counter => family.name.strip_suffix(TOTAL).unwrap_or(&family.name),
        _ => &family.name,
    }
}

/// Every name that no other family may have in the text format, whose parsers take `a_count` for a part of a histogram `a`.
pub(super) fn text_names(family: &Family) -> Vec<String> {
    let mut names: Vec<_> = sample_names(family, family.kind).collect();
    names.push(family.name.to_string());
    names
}

/// The same in OpenMetrics.
pub(super) fn reserved_names(family: &Family, kind: Kind) -> Vec<String> {
    // Without a kind, each sample's name is a family.
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

/// Whether the family is what its kind promises: OpenMetrics 1.0, "Metric Types".
pub(super) fn family_is_legal(family: &Family) -> bool {
    let named = match family.kind {
        Kind::Counter => family.name.ends_with(TOTAL) && family.name.len() > TOTAL.len(),
        Kind::Untyped => false,
        Kind::Gauge | Kind::Histogram | Kind::Summary => true,
    };
    let legal = |sample: &Sample| is_legal(family.kind, &sample.value);
    // Ours all have the same bounds, and count upwards by themselves: one of them speaks for all.
    named
        && family.samples_of_source().next().is_none_or(|sample| legal(&sample))
        && family.samples.iter().all(legal)
}

/// Whether a sample's value is what its kind promises.
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

/// Bounds and counts grow, from no less than 0.
fn ascending(Histogram { bounds, counts, .. }: &Histogram) -> bool {
    bounds.first().is_none_or(|first| *first >= 0.0)
        && bounds.iter().chain([&f64::INFINITY]).is_sorted_by(|a, b| a < b)
        && counts.is_sorted()
}
