//! Benchmarks of a histogram of the `prometheus` crate, which other middleware uses for each
//! request.
//!
//! Our own histogram has no public function, so its cost is a part of the figures of `observation`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use obs_core::prometheus::{Histogram, HistogramOpts, HistogramVec};

fn recording(c: &mut Criterion) {
    let mut group = c.benchmark_group("prometheus");
    let options = HistogramOpts::new("seconds", "Some help.");
    let vector = HistogramVec::new(options.clone(), &["method", "endpoint", "status"]).expect("valid");
    let labels = ["GET", "/items/{id}", "200"];
    group.bench_function("a HistogramVec is asked and observes", |b| {
        b.iter(|| vector.with_label_values(black_box(&labels)).observe(black_box(0.003)));
    });
    let histogram = Histogram::with_opts(options).expect("valid");
    group.bench_function("a cached Histogram observes", |b| b.iter(|| histogram.observe(black_box(0.003))));
    group.finish();
}

criterion_group!(benches, recording);
criterion_main!(benches);
