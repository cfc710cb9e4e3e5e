//! The families of the internal metrics.

use std::time::{SystemTime, UNIX_EPOCH};

use super::family::{Family, Kind, LabelSet, Sample, SampleValue};
use crate::extension::internal_metrics::{InternalMetrics, InternalValue};

/// Appends the families of all internal metrics, which count since `created`.
pub(super) fn families(metrics: &InternalMetrics, created: f64, out: &mut Vec<Family>) {
    let first = out.len();
    metrics.each(|name, help, labels, value| {
        let kind = match value {
            InternalValue::Counter(_) => Kind::Counter,
            InternalValue::Gauge(_) => Kind::Gauge,
        };
        if out.get(first..).and_then(<[_]>::last).is_none_or(|family| family.name != name) {
            out.push(Family::new(name, help, kind));
        }
        let Some(family) = out.last_mut() else { return };
        let labels: LabelSet =
            labels.iter().map(|(name, value)| ((*name).into(), value.clone().into_owned())).collect();
        match value {
            InternalValue::Counter(value) => {
                family.push(labels, SampleValue::Count { value, exemplar: None }, created);
            }
            InternalValue::Gauge(value) => family.samples.push(Sample::gauge(labels, value)),
        }
    });
}

/// Returns a time in seconds with milliseconds, the usual precision of timestamps in OpenMetrics.
pub(super) fn seconds_since_1970(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_millis() as f64 / 1e3)
}
