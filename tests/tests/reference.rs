//! The README's reference is what the code does: every metric and every field of the line, and no other.

use std::collections::BTreeSet;

use http::HeaderMap;
use obs_core::{Metrics, Observation, Outcome, RequestHead};
use obs_tests::{app::OutOfStock, watch::Watch};

/// The names in backticks in the first column of the table below `heading`.
fn table(heading: &str) -> BTreeSet<String> {
    let readme = include_str!("../../README.md");
    let rows = readme.lines().skip_while(|line| !line.starts_with(heading)).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let columns = rows.filter_map(|row| row.split('|').nth(1));
    columns.flat_map(|column| column.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

fn start(watch: &Watch, method: &str, headers: &[(&'static str, &'static str)]) -> Observation {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, http::HeaderValue::from_static(value));
    }
    let head = RequestHead::new(method, "/items/7", &map).version(obs_core::HttpVersion::Http11);
    watch.observer.start(head)
}

/// Requests that bring out everything there is.
fn traffic(watch: &Watch) {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let mut completed = start(watch, "GET", &[("traceparent", PARENT), ("content-length", "3")]);
    completed.set_route("/items/{id}");
    completed.handle().error(&OutOfStock);
    (0..100).for_each(|n| completed.handle().set(format!("key{n}"), n));
    completed.responded(404, &());
    completed.finish(Outcome::Completed);

    let mut stream = start(watch, "BREW", &[("traceparent", PARENT), ("x-from", "outside")]);
    stream.handle().streaming();
    stream.responded(200, &());
    stream.finish(Outcome::CancelledInBody);

    let failed = start(watch, "GET", &[]);
    failed.handle().error(&OutOfStock);
    failed.finish(Outcome::ServiceError);

    let panicking = start(watch, "GET", &[]);
    let (panicking, result) = panicking.run(|| panic!("on purpose"));
    let (mut panicking, _) = panicking.panicked(result.unwrap_err());
    watch.observer.start_draining();
    panicking.responded(500, &());
    panicking.finish(Outcome::Completed);
}

fn watch() -> Watch {
    let watch = Watch::with(|builder| {
        builder.metrics(Metrics::new().response_head(true)).public_endpoint(|head| {
            obs_core::first_header(head.headers, "x-from", |from| from == b"outside").unwrap_or(false)
        })
    });
    traffic(&watch);
    watch
}

#[test]
fn every_metric() {
    let text = watch().observer.metrics_text();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let shown: BTreeSet<_> = types.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    assert_eq!(shown, table("| metric | labels"));
}

#[test]
fn every_field_of_the_line() {
    let lines = watch().lines();
    assert_eq!(lines.len(), 4);
    let keys = lines.iter().flat_map(|line| line.as_object().expect("an object").keys());
    let shown: BTreeSet<_> = keys.cloned().collect();
    assert_eq!(shown, table("| field of the line"));
}
