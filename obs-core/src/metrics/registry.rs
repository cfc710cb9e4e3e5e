//! The bridge to a `prometheus::Registry`, in both directions: ours as a collector in it, its others in our page.

use std::{cell::Cell, collections::HashMap, sync::Arc};

use prometheus::{
    Registry,
    core::{Collector, Desc},
    proto,
};

use super::{
    MetricSink,
    exposition::is_legal,
    family::{Bucket, Family, Kind, LabelSet, Sample, Value},
};
use crate::{diagnostics, panic::catch};

thread_local! {
    /// Whose page this thread gathers for: the address of its metrics, 0 if it is nobody's. A user's collector may gather
    /// another registry meanwhile, in which another observer's metrics are, or show another observer's page.
    static PAGE_OF: Cell<usize> = const { Cell::new(0) };
}

/// The time of placeholders: no collector has it.
///
/// For a page of our own, our collector only leaves a placeholder per family, whose time is this and the family's number.
/// The registry's prefix and labels come to it as to every other, and the encoder writes the family itself in its place,
/// with what the registry's types have no room for: exemplars, units, time of creation.
const PLACEHOLDER: i64 = i64::MIN;

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

/// Our metrics as a collector, and the registry that it is in.
pub(crate) struct Bridge {
    registry: Registry,
    metrics: Arc<MetricSink>,
}

struct OurCollector {
    metrics: Arc<MetricSink>,
    descs: Vec<Desc>,
}

impl Bridge {
    /// Puts our metrics into `registry`.
    ///
    /// # Errors
    /// If they are there already, another observer's for instance, or a metric of one of their names is.
    pub(crate) fn new(registry: Registry, metrics: Arc<MetricSink>) -> prometheus::Result<Self> {
        registry.register(OurCollector::boxed(&metrics)?)?;
        Ok(Self { registry, metrics })
    }

    pub(crate) const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// All families of the registry as they are now, ours among them, by name.
    pub(super) fn families(&self) -> Vec<Family> {
        let gathered = catch(|| {
            struct Back(usize);
            impl Drop for Back {
                fn drop(&mut self) {
                    PAGE_OF.set(self.0);
                }
            }
            let _back = Back(PAGE_OF.replace(address(&self.metrics)));
            self.registry.gather()
        });
        let mut ours: Vec<_> = self.metrics.families().into_iter().map(Some).collect();
        let Ok(gathered) = gathered else {
            self.left_out("a collector of the registry panicked, so /metrics shows only our own metrics");
            return ours.into_iter().flatten().collect();
        };
        gathered.iter().map(|gathered| self.family(gathered, &mut ours)).collect()
    }

    fn family(&self, gathered: &proto::MetricFamily, ours: &mut [Option<Family>]) -> Family {
        let mut family: Option<Family> = None;
        let mut others = Vec::new();
        for metric in gathered.get_metric() {
            let number = metric.timestamp_ms().wrapping_sub(PLACEHOLDER);
            let own = usize::try_from(number).ok().and_then(|number| ours.get_mut(number)?.take());
            match own {
                Some(mut own) => {
                    own.name = gathered.name().to_owned().into();
                    own.common = labels(metric);
                    family = Some(own);
                }
                None => others.push(metric),
            }
        }
        let kind = kind(gathered.get_field_type());
        let mut family = family.unwrap_or_else(|| Family {
            name: gathered.name().to_owned().into(),
            help: gathered.help().to_owned().into(),
            kind,
            unit: None,
            samples: Vec::new(),
            common: LabelSet::default(),
            own: false,
            others: true,
        });
        for metric in others {
            match value(kind, metric) {
                // Somebody else's of our name must be of our kind, so that ours stays what it is.
                Some(value) if family.kind == kind && (!family.own || is_legal(kind, &value)) => {
                    family.others = true;
                    family.samples.push(Sample {
                        labels: labels(metric),
                        value,
                        created: None,
                        timestamp: Some(metric.timestamp_ms()).filter(|time| *time != 0),
                    });
                }
                _ => self.left_out(
                    "the registry holds a metric whose type cannot be shown; /metrics leaves it out",
                ),
            }
        }
        family
    }

    /// Something cannot be shown: counted, and said once.
    pub(super) fn left_out(&self, what: &str) {
        if self.metrics.left_out.get() == 0 {
            diagnostics::warn(format_args!("{what}; it is counted in `obs_metrics_left_out_total`"));
        }
        self.metrics.left_out.add(1);
    }

    /// Takes our metrics out of the registry.
    pub(super) fn leave(&self) {
        if let Ok(collector) = OurCollector::boxed(&self.metrics) {
            let _ = self.registry.unregister(collector);
        }
    }

    pub(super) fn shows_created(&self) -> bool {
        self.metrics.created
    }
}

impl OurCollector {
    fn boxed(metrics: &Arc<MetricSink>) -> prometheus::Result<Box<dyn Collector>> {
        let desc = |family: Family| {
            Desc::new(family.name.into_owned(), family.help.into_owned(), Vec::new(), HashMap::new())
        };
        let descs = metrics.families().into_iter().map(desc).collect::<prometheus::Result<_>>()?;
        Ok(Box::new(Self { metrics: Arc::clone(metrics), descs }))
    }
}

impl Collector for OurCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        if PAGE_OF.get() == address(&self.metrics) {
            return self
                .descs
                .iter()
                .zip(PLACEHOLDER..)
                .map(|(desc, time)| placeholder(desc, time))
                .collect();
        }
        self.metrics.families().into_iter().map(to_proto).collect()
    }
}

fn address(metrics: &Arc<MetricSink>) -> usize {
    Arc::as_ptr(metrics).addr()
}

fn placeholder(desc: &Desc, time: i64) -> proto::MetricFamily {
    let mut metric = proto::Metric::default();
    metric.set_timestamp_ms(time);
    let mut family = proto::MetricFamily::default();
    family.set_name(desc.fq_name.clone());
    family.set_metric(vec![metric]);
    family
}

fn labels(metric: &proto::Metric) -> LabelSet {
    let labels = metric.get_label().iter();
    labels.map(|label| (label.name().to_owned().into(), label.value().to_owned())).collect()
}

const fn kind(kind: proto::MetricType) -> Kind {
    match kind {
        proto::MetricType::COUNTER => Kind::Counter,
        proto::MetricType::GAUGE => Kind::Gauge,
        proto::MetricType::HISTOGRAM => Kind::Histogram,
        proto::MetricType::SUMMARY => Kind::Summary,
        proto::MetricType::UNTYPED => Kind::Untyped,
    }
}

/// `None` for untyped metrics: no accessor of theirs exists in both builds, and nothing in the crate makes them.
fn value(kind: Kind, metric: &proto::Metric) -> Option<Value> {
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
fn to_proto(family: Family) -> proto::MetricFamily {
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
