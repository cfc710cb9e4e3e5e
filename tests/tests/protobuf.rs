//! A test of the feature `protobuf` of the `prometheus` crate, which changes the crate's types. It
//! is on by default, and any dependency may switch it on. The pages must be the same with and
//! without it.

use std::process::Command;

use obs_tests::{
    judge::{Format, judge},
    programs::{build, root},
};

/// The output of the fixture: the page in each format, and our metrics from the encoder of the
/// `prometheus` crate.
fn pages(features: &str) -> [String; 3] {
    let program = build(&root().join("tests/fixtures/protobuf"), "protobuf", features);
    let output = Command::new(program).output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let pages: Vec<_> = text.trim_end().split("\n\n").map(|page| format!("{page}\n")).collect();
    pages.try_into().expect("three pages")
}

#[test]
fn pages_are_the_same_with_and_without_protobuf() {
    // One build after the other, because both have the same name.
    let (with, without) = (pages("protobuf"), pages(""));
    for (with, without) in with.iter().zip(&without) {
        let differ = with.lines().zip(without.lines()).find(|(with, without)| with != without);
        assert_eq!(differ, None);
        assert_eq!(with, without);
    }
    let [text, open, gathered] = with;
    for (format, page) in [(Format::Text, text), (Format::OpenMetrics, open), (Format::Text, gathered)] {
        let page = judge(format, page.as_bytes());
        page.check();
        let labels = [("method", "GET"), ("endpoint", "/items/{id}"), ("status", "200"), ("env", "test")];
        assert_eq!(page.value("shop_http_requests_total", &labels), Some(0.0));
        let buckets = page.samples("shop_http_request_duration_seconds_bucket").count();
        assert_eq!(buckets, 24, "the buckets of two statuses");
    }
}
