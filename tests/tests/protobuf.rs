//! The `prometheus` crate has a feature, `protobuf`, that gives its types another shape; somebody else's dependency may switch
//! it on, and by default it is. The pages are the same.

use std::process::Command;

use obs_tests::{
    judge::{Format, judge},
    programs::{build, root},
};

/// What the fixture prints: the page of each format, and what the crate's own encoder makes of our metrics.
fn pages(features: &str) -> [String; 3] {
    let program = build(&root().join("tests/fixtures/protobuf"), "protobuf", features);
    let output = Command::new(program).output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let pages: Vec<_> = text.trim_end().split("\n\n").map(|page| format!("{page}\n")).collect();
    pages.try_into().expect("three pages")
}

#[test]
fn the_same_pages_with_protobuf_and_without() {
    // One build after the other: they have one name.
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
        assert_eq!(buckets, 24, "of two statuses");
    }
}
