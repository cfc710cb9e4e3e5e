//! Tests of the documents: `promtool` checks their queries and their configuration, and quoted code
//! must equal the source.

use std::{fs, process::Command};

use obs_tests::process::temporary;

/// The first code block of a language in a document.
fn block<'a>(document: &'a str, language: &str) -> &'a str {
    let (_, rest) = document.split_once(&format!("```{language}\n")).expect("a block");
    rest.split("\n```").next().expect("its end")
}

fn promtool(kind: &str, name: &str, text: &str) {
    let file = temporary(name);
    fs::write(&file, text).expect("written");
    let output = Command::new("promtool").args(["check", kind]).arg(&file).output();
    let output = output.expect("promtool runs: tests/run.sh installs it");
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    fs::remove_file(file).expect("removed");
}

#[test]
fn every_query_of_metrics_is_valid() {
    let queries = block(include_str!("../../docs/metrics.md"), "promql");
    // A comment of one line precedes each query, which may have several lines.
    let rules = queries.split("# ").skip(1).enumerate().map(|(n, query)| {
        let (_, query) = query.split_once('\n').expect("a query below its comment");
        format!("  - record: query:{n}\n    expr: >-\n      {}\n", query.trim().replace('\n', " "))
    });
    let rules: String = rules.collect();
    assert!(rules.matches("- record: ").count() >= 5, "{rules}");
    promtool("rules", "queries.yml", &format!("groups:\n- name: documents\n  rules:\n{rules}"));
}

#[test]
fn the_relabelling_to_old_names_is_valid() {
    let relabel = block(include_str!("../../docs/moving-over.md"), "yaml");
    let indented = relabel.replace('\n', "\n  ");
    let job = format!(
        "scrape_configs:\n- job_name: shop\n  static_configs: [{{targets: ['127.0.0.1:3000']}}]\n  {indented}\n"
    );
    promtool("config", "relabel.yml", &job);
}

#[test]
fn the_quoted_tls_listener_is_up_to_date() {
    let document = include_str!("../../docs/serving.md");
    let (_, code) = include_str!("../src/tls_listener.rs").split_once("\n\n").expect("a comment");
    assert!(document.contains(code.trim()), "copy `tests/src/tls_listener.rs` into docs/serving.md");
}

#[test]
fn the_quoted_adapter_is_up_to_date() {
    let quoted = block(include_str!("../../docs/adapters.md"), "rust");
    let code = include_str!("../src/stacks/tiny/adapter.rs");
    assert!(
        quoted.trim_end() == code.trim_end(),
        "copy `tests/src/stacks/tiny/adapter.rs` into docs/adapters.md"
    );
}
