//! A user's own metrics, of every type, and the samples that a page must have.
//!
//! A fixture also includes this file, so it uses only the `prometheus` crate.

use obs_core::prometheus::{
    Counter, Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGaugeVec, Opts,
    Registry,
    core::{Collector, Desc},
    proto,
};

/// Label values that an encoder may get wrong.
pub const TEXTS: &[&str] = &[
    "",
    " ",
    "plain",
    "a \"quoted\" word",
    "\"",
    "back\\slash",
    "trailing\\",
    "\\",
    "\\\\",
    "a\nnew line",
    "\n",
    "two characters: \\n",
    "\\\"",
    "\\\n",
    "}",
    "{a=\"b\"} 1 # {c=\"d\"} 2",
    "# HELP",
    ",",
    "tab\tand\rreturn",
    "größer als 東京 🦀",
    "\u{2028}\u{85}\u{a0}",
    "\u{1}\u{7f}",
];

pub const NUMBERS: &[f64] = &[
    0.0,
    -0.0,
    1.0,
    -1.5,
    0.1,
    1e-300,
    5e-324,
    1e16,
    1e17,
    -1.797_693_134_862_315_7e308,
    9_007_199_254_740_993.0,
    123_456_789.125,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
];

/// A sample that must be on the page.
#[derive(Clone, Debug)]
pub struct Expected {
    pub name: String,
    pub labels: Vec<(&'static str, String)>,
    pub value: f64,
}

/// All samples that must be on the page.
#[derive(Debug, Default)]
pub struct Samples(pub Vec<Expected>);

impl Samples {
    fn has(&mut self, name: &str, labels: &[(&'static str, &str)], value: f64) {
        let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.0.push(Expected { name: name.to_owned(), labels, value });
    }

    fn histogram(&mut self, name: &str, buckets: &[(&str, f64)], sum: f64) {
        let mut count = 0.0;
        for (le, value) in buckets {
            self.has(&format!("{name}_bucket"), &[("le", *le)], *value);
            count = *value;
        }
        self.has(&format!("{name}_sum"), &[], sum);
        self.has(&format!("{name}_count"), &[], count);
    }
}

/// Registers metrics of every type, and returns their samples.
pub fn register(registry: &Registry) -> Samples {
    let mut samples = Samples::default();
    counters(registry, &mut samples);
    gauges(registry, &mut samples);
    histograms(registry, &mut samples);
    summary(registry, &mut samples);
    samples
}

fn counters(registry: &Registry, samples: &mut Samples) {
    let named = IntCounter::new("user_orders_total", "Orders.").unwrap();
    named.inc_by(3);
    samples.has("user_orders_total", &[], 3.0);
    let unnamed = IntCounter::new("user_clicks", "A counter that is not called so.").unwrap();
    unnamed.inc_by(4);
    samples.has("user_clicks", &[], 4.0);
    let float =
        Counter::new("user_busy_seconds_total", "Help with a \\, a \"quote\" and\na new line.").unwrap();
    float.inc_by(1.5);
    samples.has("user_busy_seconds_total", &[], 1.5);
    let texts = IntCounterVec::new(Opts::new("user_texts_total", "By text."), &["text", "two"]).unwrap();
    for (n, text) in (1_u32..).zip(TEXTS) {
        texts.with_label_values(&[text, "two"]).inc_by(n.into());
        samples.has("user_texts_total", &[("text", text), ("two", "two")], n.into());
    }
    for counter in [named, unnamed] {
        registry.register(Box::new(counter)).unwrap();
    }
    registry.register(Box::new(float)).unwrap();
    registry.register(Box::new(texts)).unwrap();
}

fn gauges(registry: &Registry, samples: &mut Samples) {
    let level = Gauge::new("user_level", "A level.").unwrap();
    level.set(-2.25);
    samples.has("user_level", &[], -2.25);
    let rooms = IntGaugeVec::new(Opts::new("user_rooms", "Rooms.").const_label("house", "1"), &["floor"]);
    let rooms = rooms.unwrap();
    rooms.with_label_values(&["top"]).set(-7);
    samples.has("user_rooms", &[("house", "1"), ("floor", "top")], -7.0);
    let numbers = GaugeVec::new(Opts::new("user_numbers", "Numbers."), &["n"]).unwrap();
    for (n, number) in NUMBERS.iter().enumerate() {
        numbers.with_label_values(&[&n.to_string()]).set(*number);
        samples.has("user_numbers", &[("n", &n.to_string())], *number);
    }
    registry.register(Box::new(level)).unwrap();
    registry.register(Box::new(rooms)).unwrap();
    registry.register(Box::new(numbers)).unwrap();
}

fn histograms(registry: &Registry, samples: &mut Samples) {
    let add = |name: &str, bounds: &[f64], observed: &[f64]| {
        let options = HistogramOpts::new(name, "A histogram.").buckets(bounds.to_vec());
        let histogram = Histogram::with_opts(options).unwrap();
        observed.iter().for_each(|value| histogram.observe(*value));
        registry.register(Box::new(histogram)).unwrap();
    };
    add("user_wait_seconds", &[0.005, 2.5, 1e6], &[0.001, 2.5, 1e7]);
    let buckets = [("0.005", 1.0), ("2.5", 2.0), ("1e+06", 2.0), ("+Inf", 3.0)];
    samples.histogram("user_wait_seconds", &buckets, 10_000_002.501);
    add("user_temperature", &[-10.0, 0.5], &[-20.0, 0.0]);
    samples.histogram("user_temperature", &[("-10", 1.0), ("0.5", 2.0), ("+Inf", 2.0)], -20.0);
    add("user_drift", &[0.5], &[-20.0, 0.5]);
    samples.histogram("user_drift", &[("0.5", 2.0), ("+Inf", 2.0)], -19.5);
    add("user_broken", &[0.5], &[f64::NAN, 0.5]);
    samples.histogram("user_broken", &[("0.5", 1.0), ("+Inf", 2.0)], f64::NAN);
    add("user_unseen", &[0.5], &[]);
    samples.histogram("user_unseen", &[("0.5", 0.0), ("+Inf", 0.0)], 0.0);
}

fn summary(registry: &Registry, samples: &mut Samples) {
    let quantile = |(quantile, value): (f64, f64)| {
        let mut out = proto::Quantile::default();
        out.set_quantile(quantile);
        out.set_value(value);
        out
    };
    for (name, median) in [("user_latency", 2.5), ("user_offset", -2.5)] {
        let mut summary = proto::Summary::default();
        summary.set_quantile([(0.0, f64::NAN), (0.5, median), (0.99, 7.0)].map(quantile).into());
        summary.set_sample_sum(30.5);
        summary.set_sample_count(9);
        let mut metric = proto::Metric::default();
        metric.set_summary(summary);
        registry
            .register(Families::boxed(vec![family(name, proto::MetricType::SUMMARY, vec![metric])]))
            .unwrap();
        samples.has(name, &[("quantile", "0")], f64::NAN);
        samples.has(name, &[("quantile", "0.5")], median);
        samples.has(name, &[("quantile", "0.99")], 7.0);
        samples.has(&format!("{name}_sum"), &[], 30.5);
        samples.has(&format!("{name}_count"), &[], 9.0);
    }
}

/// A family with its metrics, for a collector of the user.
#[must_use]
pub fn family(name: &str, kind: proto::MetricType, metrics: Vec<proto::Metric>) -> proto::MetricFamily {
    let mut family = proto::MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help("From a collector.".to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

/// A gauge with these labels, for a collector of the user.
#[must_use]
pub fn gauge(labels: &[(&str, &str)], value: f64) -> proto::Metric {
    let label = |(name, value): &(&str, &str)| {
        let mut label = proto::LabelPair::default();
        label.set_name((*name).to_owned());
        label.set_value((*value).to_owned());
        label
    };
    let mut gauge = proto::Gauge::default();
    gauge.set_value(value);
    let mut metric = proto::Metric::from_label(labels.iter().map(label).collect());
    metric.set_gauge(gauge);
    metric
}

/// A collector that returns any families, valid or not.
#[derive(Debug)]
pub struct Families {
    desc: Desc,
    families: Vec<proto::MetricFamily>,
}

impl Families {
    #[must_use]
    pub fn boxed(families: Vec<proto::MetricFamily>) -> Box<dyn Collector> {
        // The registry checks only that the name is not taken.
        let name = format!("{}_collector", families[0].name());
        let desc = Desc::new(name, "A collector.".to_owned(), Vec::new(), Default::default());
        Box::new(Self { desc: desc.unwrap(), families })
    }
}

impl Collector for Families {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        self.families.clone()
    }
}
