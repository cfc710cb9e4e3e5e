//! Removal of the user's samples that would make a page invalid.

use std::collections::HashSet;

use super::labels;
use crate::{
    base::sort::sort_by,
    outputs::metrics::family::{Family, Sample},
};

/// Removes samples with invalid labels, and all but the first of those with the same labels. Calls
/// `on_skipped` for each.
///
/// A registry validates registered metrics, but not the samples that a collector returns.
pub(in crate::outputs::metrics) fn remove_invalid_samples(family: &mut Family, on_skipped: &dyn Fn(&str)) {
    /// Returns the labels in the order of their names, and the time.
    fn key(family: &Family, sample: &Sample) -> String {
        let mut labels = Vec::new();
        labels::collect(family, sample, &mut labels);
        sort_by(&mut labels, Ord::cmp);
        format!("{labels:?} {:?}", sample.timestamp)
    }
    // Our samples of the same name come first.
    let ours: Vec<_> = family.samples_of_source().collect();
    let mut seen: HashSet<_> = ours.iter().map(|sample| key(family, sample)).collect();
    let shown = |sample| {
        if !labels::are_valid(family, sample) {
            on_skipped("the registry contains a metric with an invalid label, so /metrics skips it");
            return false;
        }
        let first = seen.insert(key(family, sample));
        if !first {
            on_skipped(
                "the registry contains two metrics with the same name and labels, so /metrics shows only the first",
            );
        }
        first
    };
    let shown: Vec<_> = family.samples.iter().map(shown).collect();
    let mut shown = shown.into_iter();
    family.samples.retain(|_| shown.next().unwrap_or(true));
}
