//! The registry's types and ours, one made of the other.

use prometheus::proto;

use super::family::{Bucket, Family, Kind, LabelSet, Value};

/// What both builds of the `prometheus` crate understand.
///
/// With its feature `protobuf` a number is read by `value()`, without it by `get_value()`, and somebody else's dependency may switch
/// the feature on. An inherent method wins over a trait's, so whichever exists is called.
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

/// `None` for untyped metrics: no accessor of theirs exists in both builds, and nothing in the crate makes them.
pub(super) fn value(kind: Kind, metric: &proto::Metric) -> Option<Value> {
    Some(match kind {
        Kind::Untyped => return None,
        Kind::Counter => Value::Number(metric.get_counter().value()),
        Kind::Gauge => Value::Number(metric.get_gauge().value()),
        Kind::Histogram => {
            let histogram = metric.get_histogram();
            let bucket = |bucket: &proto::Bucket| Bucket {
                bound: bucket.upper_bound(),
                count: bucket.cumulative_count(),
                exemplar: None,
            };
            let mut buckets: Vec<_> = histogram.get_bucket().iter().map(bucket).collect();
            // The count is that of the last bucket, whatever the collector says.
            let count = buckets.last().map_or(0, |last| last.count).max(histogram.get_sample_count());
            if buckets.last().is_none_or(|last| last.bound != f64::INFINITY) {
                buckets.push(Bucket { bound: f64::INFINITY, count, exemplar: None });
            }
            if let Some(last) = buckets.last_mut() {
                last.count = count;
            }
            Value::Histogram { buckets, sum: histogram.get_sample_sum(), count }
        }
        Kind::Summary => {
            let summary = metric.get_summary();
            let quantiles = summary.get_quantile().iter().map(|q| (q.quantile(), q.value()));
            Value::Summary {
                quantiles: quantiles.collect(),
                sum: summary.sample_sum(),
                count: summary.sample_count(),
            }
        }
    })
}

/// For whoever gathers the registry without us. Only our own families come here: counters, gauges and histograms.
pub(super) fn to_proto(family: Family) -> proto::MetricFamily {
    let mut out = proto::MetricFamily::default();
    out.set_name(family.name.into_owned());
    out.set_help(family.help.into_owned());
    out.set_field_type(match family.kind {
        Kind::Counter => proto::MetricType::COUNTER,
        Kind::Histogram => proto::MetricType::HISTOGRAM,
        Kind::Gauge | Kind::Summary | Kind::Untyped => proto::MetricType::GAUGE,
    });
    let metrics = family.samples.into_iter().map(|sample| {
        let label = |(name, value): &(std::borrow::Cow<'static, str>, String)| {
            let mut label = proto::LabelPair::default();
            label.set_name(name.clone().into_owned());
            label.set_value(value.clone());
            label
        };
        let mut metric = proto::Metric::from_label(sample.labels.iter().map(label).collect());
        match sample.value {
            Value::Histogram { buckets, sum, count } => {
                let bucket = |bucket: Bucket| {
                    let mut out = proto::Bucket::default();
                    out.set_upper_bound(bucket.bound);
                    out.set_cumulative_count(bucket.count);
                    out
                };
                let mut histogram = proto::Histogram::default();
                histogram.set_bucket(buckets.into_iter().map(bucket).collect());
                histogram.set_sample_sum(sum);
                histogram.set_sample_count(count);
                metric.set_histogram(histogram);
            }
            Value::Count { value, .. } => set_number(&mut metric, family.kind, value as f64),
            Value::Number(value) => set_number(&mut metric, family.kind, value),
            Value::Summary { .. } => {}
        }
        metric
    });
    out.set_metric(metrics.collect());
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
