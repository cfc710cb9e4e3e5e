//! Conversions between our types and those of the `prometheus` crate.

use prometheus::proto;

use super::family::{Family, Histogram, Kind, LabelSet, SampleValue};

/// Access to numbers that compiles with both builds of the `prometheus` crate.
///
/// With its feature `protobuf`, a number is read with `value()`, and without it with `get_value()`.
/// Any other dependency may enable the feature. An inherent method takes precedence over a trait's
/// method, so the existing one is called.
#[allow(dead_code)] // in each build one of the two
trait Compat {
    fn value(&self) -> f64;
    fn get_value(&self) -> f64;
}

macro_rules! compat {
    ($($type:ident),*) => {$(
        impl Compat for proto::$type {
            fn value(&self) -> f64 {
                self.get_value()
            }
            fn get_value(&self) -> f64 {
                self.value()
            }
        }
    )*};
}

compat!(Counter, Gauge);

pub(super) fn labels(metric: &proto::Metric) -> LabelSet {
    let labels = metric.get_label().iter();
    labels.map(|label| (label.name().to_owned().into(), label.value().to_owned())).collect()
}

pub(super) const fn kind(kind: proto::MetricType) -> Kind {
    match kind {
        proto::MetricType::COUNTER => Kind::Counter,
        proto::MetricType::GAUGE => Kind::Gauge,
        proto::MetricType::HISTOGRAM => Kind::Histogram,
        proto::MetricType::SUMMARY => Kind::Summary,
        proto::MetricType::UNTYPED => Kind::Untyped,
    }
}

/// Converts a value. Returns `None` for untyped metrics: they have no accessor that exists in both
/// builds, and the crate never creates them.
pub(super) fn value(kind: Kind, metric: &proto::Metric) -> Option<SampleValue> {
    Some(match kind {
        Kind::Untyped => return None,
        Kind::Counter => SampleValue::Number(metric.get_counter().value()),
        Kind::Gauge => SampleValue::Number(metric.get_gauge().value()),
        Kind::Histogram => {
            let histogram = metric.get_histogram();
            let buckets = histogram.get_bucket();
            let mut bounds: Vec<_> = buckets.iter().map(proto::Bucket::upper_bound).collect();
            let mut counts: Vec<_> = buckets.iter().map(proto::Bucket::cumulative_count).collect();
            // The count must not be less than the last bucket, even if the collector reports that.
            let count = counts.last().copied().unwrap_or(0).max(histogram.get_sample_count());
            if bounds.pop_if(|last| *last == f64::INFINITY).is_some() {
                counts.pop();
            }
            counts.push(count);
            let sum = histogram.get_sample_sum();
            SampleValue::Histogram(Histogram { bounds: bounds.into(), counts, sum, exemplars: Vec::new() })
        }
        Kind::Summary => {
            let summary = metric.get_summary();
            let quantiles = summary.get_quantile().iter().map(|q| (q.quantile(), q.value()));
            SampleValue::Summary {
                quantiles: quantiles.collect(),
                sum: summary.sample_sum(),
                count: summary.sample_count(),
            }
        }
    })
}

/// Converts a family of ours for other code that gathers the registry. Our families are only
/// counters, gauges and histograms.
pub(super) fn to_proto(family: &Family) -> proto::MetricFamily {
    let mut out = proto::MetricFamily::default();
    out.set_name(family.name.to_string());
    out.set_help(family.help.to_string());
    out.set_field_type(match family.kind {
        Kind::Counter => proto::MetricType::COUNTER,
        Kind::Histogram => proto::MetricType::HISTOGRAM,
        Kind::Gauge | Kind::Summary | Kind::Untyped => proto::MetricType::GAUGE,
    });
    let mut metrics = Vec::new();
    for sample in family.each() {
        let label = |(name, value): &(std::borrow::Cow<'static, str>, String)| {
            let mut label = proto::LabelPair::default();
            label.set_name(name.clone().into_owned());
            label.set_value(value.clone());
            label
        };
        let mut metric = proto::Metric::from_label(sample.labels.iter().map(label).collect());
        match &sample.value {
            SampleValue::Histogram(value) => {
                let bucket = |(bound, count): (f64, &u64)| {
                    let mut out = proto::Bucket::default();
                    out.set_upper_bound(bound);
                    out.set_cumulative_count(*count);
                    out
                };
                let bounds = value.bounds.iter().copied().chain([f64::INFINITY]);
                let mut histogram = proto::Histogram::default();
                histogram.set_bucket(bounds.zip(&value.counts).map(bucket).collect());
                histogram.set_sample_sum(value.sum);
                histogram.set_sample_count(value.count());
                metric.set_histogram(histogram);
            }
            SampleValue::Count { value, .. } => set_number(&mut metric, family.kind, *value as f64),
            SampleValue::Number(value) => set_number(&mut metric, family.kind, *value),
            SampleValue::Summary { .. } => {}
        }
        metrics.push(metric);
    }
    out.set_metric(metrics);
    out
}

fn set_number(metric: &mut proto::Metric, kind: Kind, value: f64) {
    if kind == Kind::Counter {
        let mut counter = proto::Counter::default();
        counter.set_value(value);
        metric.set_counter(counter);
    } else {
        let mut gauge = proto::Gauge::default();
        gauge.set_value(value);
        metric.set_gauge(gauge);
    }
}
