//! Benchmarks of an observation from its start to its finish, with each output on and off, and of
//! two threads that record in one series.

use std::{hint::black_box, io, time::Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use obs_core::{
    EventFormat, EventOutput, Events, Observer, Outcome,
    adapter::{HeaderLookup, RequestHead},
};

/// The headers of a caller with an id and a trace.
struct Headers;

const HEADERS: [(&str, &[u8]); 5] = [
    ("host", b"shop.example"),
    ("user-agent", b"bench/1.0"),
    ("accept", b"*/*"),
    ("x-request-id", b"0193a5b2-7c1d-7e43-9a56-3f0c8d2b6e17"),
    ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
];

impl HeaderLookup for Headers {
    fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
        HEADERS.iter().filter(|(other, _)| *other == name).for_each(|(_, value)| f(value));
    }

    fn all<'a>(&'a self, f: &mut dyn FnMut(&'a str, &'a [u8])) -> bool {
        HEADERS.iter().for_each(|(name, value)| f(name, value));
        true
    }
}

fn observer(events: impl Into<Events>) -> Observer {
    Observer::builder("bench").no_environment().events(events).build().expect("the settings are right")
}

fn request(observer: &Observer, headers: &dyn HeaderLookup) {
    let mut observation = observer.start(&RequestHead::new("GET", black_box("/items/7"), headers));
    observation.set_route("/items/{id}");
    observation.responded(200, &());
    observation.finish(Outcome::Completed);
}

/// Minus the first result, each result is the cost of an output on the thread of the request.
fn observation(c: &mut Criterion) {
    let mut group = c.benchmark_group("observation");
    let metrics = observer(Events::off());
    group.bench_function("metrics, a new id and trace", |b| b.iter(|| request(&metrics, &())));
    group.bench_function("metrics, the caller's id and trace", |b| b.iter(|| request(&metrics, &Headers)));
    let json = observer(EventOutput::writer(io::sink()));
    group.bench_function("metrics and an event in JSON", |b| b.iter(|| request(&json, &())));
    let readable = observer(EventOutput::writer(io::sink()).format(EventFormat::Readable));
    group.bench_function("metrics and a readable event", |b| b.iter(|| request(&readable, &())));
    // The second buffer gets the same event again.
    let two = Events::new().output(EventOutput::writer(io::sink()));
    let two = observer(two.output(EventOutput::writer(io::sink()).named("second")));
    group.bench_function("metrics and an event for two buffers", |b| b.iter(|| request(&two, &())));
    group.finish();
}

/// Measures the distribution of times. `bench threads` measures the ratio.
fn threads(c: &mut Criterion) {
    let mut group = c.benchmark_group("one series");
    let observer = observer(Events::off());
    for threads in [1, 2] {
        group.bench_function(format!("{threads} threads"), |b| {
            b.iter_custom(|times| {
                let began = Instant::now();
                std::thread::scope(|scope| {
                    for _ in 0..threads {
                        scope.spawn(|| (0..times).for_each(|_| request(&observer, &())));
                    }
                });
                began.elapsed()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, observation, threads);
criterion_main!(benches);
