//! Memory of each label set of requests: a counter, a histogram of the duration and two of sizes.

use super::{Report, bytes_each};
use crate::scrape::{LABEL_SETS, ours::Ours, theirs};

/// The target in bytes for two shards, as on a machine with two cores. Each further shard takes 256
/// bytes more.
const TARGET: f64 = 4_000.0;

pub(super) fn measure(report: &mut Report) {
    let (_ours, ours) = bytes_each(LABEL_SETS, Ours::new);
    report.at_most("a label set of requests, its errors included", ours, TARGET);
    let (_theirs, theirs) = bytes_each(LABEL_SETS, || theirs::registry(true));
    Report::value("the same in a registry of `prometheus`", theirs);
}
