//! Benchmarks of the parsers that run for every request: ids, trace context, and texts that may
//! contain a secret.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use obs_core::{
    Events, Observer, Redaction, RequestId,
    adapter::RequestHead,
    trace::{Baggage, RemoteSpan, TraceState},
};

fn ids(c: &mut Criterion) {
    let mut group = c.benchmark_group("request id");
    let mut parse = |name: &str, text: &[u8]| {
        group.bench_function(name, |b| b.iter(|| RequestId::parse(black_box(text))));
    };
    parse("parse a UUID", b"0193a5b2-7c1d-7e43-9a56-3f0c8d2b6e17");
    parse("parse another id", b"01J9ZQ4T8K2M");
    parse("refuse a text", b"two words");
    // No function makes only an id, so this measures a start, which makes one if the request has
    // none.
    let observer = Observer::builder("bench").no_environment().events(Events::off()).build();
    let observer = observer.expect("the settings are right");
    group.bench_function("start with a new id and trace, and drop", |b| {
        b.iter(|| observer.start(&RequestHead::new("GET", "/items/7", &())));
    });
    group.finish();
}

fn trace(c: &mut Criterion) {
    let mut group = c.benchmark_group("trace context");
    let parent = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    group.bench_function("parse traceparent", |b| b.iter(|| RemoteSpan::parse(black_box(parent))));
    let one = "congo=t61rcWkgMzE";
    group.bench_function("parse tracestate, one member", |b| b.iter(|| TraceState::parse(black_box(one))));
    let full: Vec<_> = (0..32).map(|n| format!("vendor{n}=t61rcWkgMzE")).collect();
    let full = full.join(",");
    group.bench_function("parse tracestate, 32 members", |b| b.iter(|| TraceState::parse(black_box(&full))));
    let baggage = "tenant=blue,plan=gold;ttl=1,region=eu%2Dwest";
    group.bench_function("parse baggage", |b| b.iter(|| Baggage::parse(black_box(baggage))));
    group.finish();
}

fn redaction(c: &mut Criterion) {
    let redactor = Redaction::new().build().expect("the settings are right");
    let mut group = c.benchmark_group("redaction");
    let prose =
        "The connection to the database was closed before the answer came, so the order is kept. ".repeat(12);
    let secret = format!("{}Authorization: Bearer abcdefghijklmnopqrstuvwxyz012345", &prose[..960]);
    let mut text = |name: &str, text: &str| {
        group.bench_function(name, |b| b.iter(|| redactor.text(black_box(text)).len()));
    };
    text("a text of 1 KiB without a secret", &prose[..1024]);
    text("a text of 1 KiB with a secret", &secret);
    text(
        "a user agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0",
    );
    group.bench_function("a path", |b| b.iter(|| redactor.path(black_box("/items/7/reviews/new")).len()));
    let query = "page=2&sort=price&q=green+tea";
    group.bench_function("a query", |b| b.iter(|| redactor.query(black_box(query)).len()));
    group.bench_function("a field's name", |b| b.iter(|| redactor.is_secret_name(black_box("user.plan"))));
    group.finish();
}

criterion_group!(benches, ids, trace, redaction);
criterion_main!(benches);
