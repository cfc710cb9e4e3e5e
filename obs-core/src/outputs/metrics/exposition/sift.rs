//! What of the user's samples would break a page for all.

use std::collections::HashSet;

use super::labels;
use crate::{
    base::sort::sort_by,
    outputs::metrics::family::{Family, Sample},
};

/// Takes out samples whose labels are not valid, and all but the first of those with the same ones; `on_skipped` hears of each.
///
/// A registry knows what is registered, but not what a collector collects.
pub(in crate::outputs::metrics) fn sift(family: &mut Family, on_skipped: &dyn Fn(&str)) {
    /// The labels in the order of their names, and the time.
    fn key(family: &Family, sample: &Sample) -> String {
        let mut labels = Vec::new();
        labels::collect(family, sample, &mut labels);
        sort_by(&mut labels, Ord::cmp);
        format!("{labels:?} {:?}", sample.timestamp)
    }
    // Where ours have the same name, they come first.
    let ours: Vec<_> = family.samples_of_source().collect();
    let mut seen: HashSet<_> = ours.iter().map(|sample| key(family, sample)).collect();
    let shown = |sample| {
        if !labels::are_valid(family, sample) {
            on_skipped("the registry holds a metric with a label that is not valid; /metrics leaves it out");
            return false;
        }
        let first = seen.insert(key(family, sample));
        if !first {
            on_skipped(
                "the registry holds two metrics of one name with the same labels; /metrics shows the first",
            );
        }
        first
    };
    let shown: Vec<_> = family.samples.iter().map(shown).collect();
    let mut shown = shown.into_iter();
    family.samples.retain(|_| shown.next().unwrap_or(true));
}
