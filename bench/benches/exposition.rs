//! Benchmarks of a metrics page with 100, 1,000 and 10,000 label sets, compared with the encoder of
//! the `prometheus` crate.
//!
//! Both have a histogram of the duration, two of sizes and a counter for each label set. Ours also
//! has errors. `bench scrape` compares the same series on both sides, and memory.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use obs_core::{
    Events, Metrics, Observer, Outcome,
    adapter::RequestHead,
    prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder},
};

const LABELS: [&str; 3] = ["method", "endpoint", "status"];

fn ours(label_sets: usize) -> Observer {
    let metrics = Metrics::new().series_limit(10 * label_sets);
    let builder = Observer::builder("bench").no_environment().events(Events::off()).metrics(metrics);
    let observer = builder.build().expect("the settings are right");
    for number in 0..label_sets {
        let mut observation = observer.start(&RequestHead::new("GET", "/", &()).body_bytes(Some(0)));
        // The first request of a route also creates the series of its failures, at 0.
        observation.set_route(&format!("/things-{}/{{id}}", number / 2));
        observation.responded(if number % 2 == 0 { 200 } else { 500 }, &());
        observation.finish(Outcome::Completed);
    }
    observer
}

fn theirs(label_sets: usize) -> Registry {
    let registry = Registry::new();
    let buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    let count = IntCounterVec::new(Opts::new("count", "Some help."), &LABELS).expect("valid");
    let histogram = |name: &str, buckets: &[f64]| {
        let options = HistogramOpts::new(name, "Some help.").buckets(buckets.to_vec());
        let histogram = HistogramVec::new(options, &LABELS).expect("valid");
        registry.register(Box::new(histogram.clone())).expect("a new name");
        histogram
    };
    let sizes = [100.0, 1e3, 1e4, 1e5, 1e6, 1e7];
    let histograms =
        [histogram("duration", &buckets), histogram("request", &sizes), histogram("response", &sizes)];
    registry.register(Box::new(count.clone())).expect("a new name");
    for number in 0..label_sets {
        let route = format!("/things-{}/{{id}}", number / 2);
        let labels = ["GET", &route, if number % 2 == 0 { "200" } else { "500" }];
        count.with_label_values(&labels).inc();
        histograms.iter().for_each(|histogram| histogram.with_label_values(&labels).observe(0.003_217_5));
    }
    registry
}

fn exposition(c: &mut Criterion) {
    let mut group = c.benchmark_group("exposition");
    group.sample_size(20);
    for label_sets in [100, 1_000, 10_000] {
        let observer = ours(label_sets);
        group.bench_with_input(BenchmarkId::new("obs", label_sets), &observer, |b, observer| {
            b.iter(|| black_box(observer.metrics_text()).len());
        });
        let registry = theirs(label_sets);
        group.bench_with_input(BenchmarkId::new("prometheus", label_sets), &registry, |b, registry| {
            b.iter(|| TextEncoder::new().encode_to_string(&registry.gather()).map(|text| text.len()));
        });
    }
    group.finish();
}

criterion_group!(benches, exposition);
criterion_main!(benches);
