//! Log lines in all formats.

#[cfg(feature = "otlp")]
mod export;
mod sampled;

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{format::LogFormat, line::LogLine, output::LogOutput, settings::Logs};
use crate::{
    http::head::RequestHead, observer::Observer, outputs::events::settings::Events,
    record::log_level::LogLevel, record::outcome::Outcome, testing::logs::TestLogs, work::handle::Work,
};

/// Returns an observer whose lines are written to memory.
fn observer(format: LogFormat) -> (Observer, TestLogs) {
    let written = TestLogs::new();
    let output = LogOutput::writer(written.clone()).format(format).google_project("shop-1");
    let logs = Logs::new().output(output).fields(["tenant"]);
    let builder =
        Observer::builder("shop").no_environment().events(Events::off()).service_version("1.4.2").logs(logs);
    (builder.build().expect("valid"), written)
}

fn line<'a>(work: Work) -> LogLine<'a> {
    LogLine::new(LogLevel::Warn, "shop::orders", "card 4111111111111111 \"late\"\n")
        .field("order.id", 7)
        .field("password", "hunter2")
        .source("src/orders.rs", Some(12))
        .of(work)
}

/// Writes one line in a request with the route `/orders/{id}`, and returns it.
fn written(format: LogFormat) -> (String, String) {
    let (observer, written) = observer(format);
    let mut observation = observer.start(&RequestHead::new("GET", "/orders/7", &()));
    observation.set_route("/orders/{id}");
    observation.work().set("tenant", "acme");
    observer.log_pipeline().write(line(observation.work()));
    let ids = observation.work();
    let trace = ids.trace().expect("a request").trace_id.to_string();
    observation.finish(Outcome::Completed);
    let text = written.text(&observer);
    assert!(!text.contains("hunter2") && !text.contains("4111111111111111"), "{text}");
    (text, trace)
}

fn parsed(format: LogFormat) -> (Json, String) {
    let (text, trace) = written(format);
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    (serde_json::from_str(&text).expect("JSON"), trace)
}

#[test]
fn a_json_line_has_the_ids_of_its_request() {
    let (line, trace) = parsed(LogFormat::Json);
    assert_eq!(line["level"], "warn");
    assert_eq!(line["message"], "card [REDACTED] \"late\"\n");
    assert_eq!(line["trace_id"], trace);
    assert_eq!(line["http.route"], "/orders/{id}");
    assert_eq!(line["target"], "shop::orders");
    assert_eq!(line["code.line.number"], 12);
    let fields = json!({"order": {"id": 7}, "password": "[REDACTED]", "tenant": "acme"});
    assert_eq!(line["fields"], fields);
    assert!(line["request_id"].is_string() && line.get("request_ended").is_none());
}

#[test]
fn an_ecs_line_has_only_labels_of_its_own() {
    let (text, trace) = written(LogFormat::Ecs);
    assert!(text.starts_with(r#"{"@timestamp":""#), "{text}");
    let line: Json = serde_json::from_str(&text).expect("JSON");
    assert_eq!(line["log.level"], "warn");
    assert_eq!(line["trace.id"], trace);
    assert_eq!(line["log.origin"], json!({"file": {"name": "src/orders.rs", "line": 12}}));
    let labels = json!({
        "http_route": "/orders/{id}", "order_id": "7", "password": "[REDACTED]", "tenant": "acme",
    });
    assert_eq!(line["labels"], labels);
}

#[test]
fn a_line_for_google_cloud_names_its_trace() {
    let (line, trace) = parsed(LogFormat::GoogleCloud);
    assert_eq!(line["severity"], "WARNING");
    assert_eq!(line["logging.googleapis.com/trace"], format!("projects/shop-1/traces/{trace}"));
    assert_eq!(line["logging.googleapis.com/trace_sampled"], true);
    assert_eq!(line["serviceContext"], json!({"service": "shop", "version": "1.4.2"}));
}

#[test]
fn a_readable_line_is_one_line() {
    let (text, trace) = written(LogFormat::Readable);
    let plain =
        ["\u{1b}[0m", "\u{1b}[2m", "\u{1b}[33m"].iter().fold(text, |text, code| text.replace(code, ""));
    let (time, plain) = plain.split_at("18:01:24.650".len());
    assert!(time.chars().all(|c| c.is_ascii_digit() || ":.".contains(c)), "{time}");
    let short = trace.get(..7).expect("an id");
    assert_eq!(
        plain,
        format!(
            "Z shop      WARN  {short} card [REDACTED] \"late\"· tenant=acme order.id=7 password=[REDACTED] shop::orders\n"
        )
    );
}

#[test]
fn a_line_after_the_end_says_so_and_a_line_without_work_has_no_ids() {
    let (observer, written) = observer(LogFormat::Json);
    let observation = observer.start(&RequestHead::new("GET", "/", &()));
    let work = observation.work();
    observation.finish(Outcome::Completed);
    observer.log_pipeline().write(line(work));
    observer.log_pipeline().write(line(Work::none()));
    let lines = written.lines(&observer);
    assert_eq!(lines[0]["request_ended"], true);
    assert!(lines[1].get("request_id").is_none() && lines[1].get("trace_id").is_none());
    assert!(observer.metrics_text().contains("log_lines_total{level=\"warn\"} 2"));
}

#[test]
fn a_line_has_the_service_of_its_work() {
    for format in [LogFormat::Json, LogFormat::Ecs, LogFormat::GoogleCloud, LogFormat::Readable] {
        let (observer, written) = observer(format);
        let other = Observer::builder("payments").no_environment().events(Events::off()).build();
        let other = other.expect("valid");
        let observation = other.start(&RequestHead::new("GET", "/", &()));
        observer.log_pipeline().write(line(observation.work()));
        observer.log_pipeline().write(line(Work::none()));
        let text = written.text(&observer);
        let services: Vec<_> = text.lines().map(|line| line.contains("payments")).collect();
        assert_eq!(services, [true, false], "{format:?}: {text}");
    }
}

#[test]
fn an_output_gets_only_lines_of_its_level() {
    let (all, errors) = (TestLogs::new(), TestLogs::new());
    let logs = Logs::new()
        .output(LogOutput::writer(all.clone()).named("all"))
        .output(LogOutput::writer(errors.clone()).level(LogLevel::Error));
    let observer =
        Observer::builder("shop").no_environment().events(Events::off()).logs(logs).build().expect("valid");
    for level in LogLevel::ALL {
        observer.log_pipeline().write(LogLine::new(level, "shop", level.as_str()));
    }
    assert_eq!(all.text(&observer).lines().count(), 5);
    assert_eq!(errors.text(&observer).lines().count(), 1);
}

#[test]
fn invalid_settings_are_errors_of_the_build() {
    let error = |logs: Logs| {
        Observer::builder("shop")
            .no_environment()
            .events(Events::off())
            .logs(logs)
            .build()
            .expect_err("invalid")
            .to_string()
    };
    let invalid = error(Logs::new().levels("info,shop=loud"));
    assert!(invalid.contains("levels") && invalid.contains("shop=loud"), "{invalid}");
    let twice = Logs::new().output(LogOutput::stderr()).output(LogOutput::stderr());
    assert!(error(twice).contains("stderr"));
    assert!(error(LogOutput::stderr().capacity(1).into()).contains("capacity"));
}

#[test]
fn the_drop_of_the_last_observer_writes_the_lines() {
    let (observer, written) = observer(LogFormat::Json);
    let pipeline = observer.log_pipeline();
    pipeline.write(LogLine::new(LogLevel::Info, "shop", "last"));
    drop(observer);
    assert!(format!("{written:?}").contains("last"));
}

#[test]
fn a_loop_is_held_back_and_a_single_line_beside_it_is_not() {
    let written = TestLogs::new();
    let logs =
        Logs::new().lines_per_second(100).lines_per_request(50).output(LogOutput::writer(written.clone()));
    let builder = Observer::builder("shop").no_environment().events(Events::off()).logs(logs);
    let observer = builder.build().expect("valid");
    let request = |route: &str| {
        let mut observation = observer.start(&RequestHead::new("GET", "/", &()));
        observation.set_route(route);
        observation
    };
    let (hot, other) = (request("/hot"), request("/other"));
    for _ in 0..100_000 {
        observer.log_pipeline().write(line(hot.work()));
    }
    observer.log_pipeline().write(line(other.work()));
    let lines = written.lines(&observer);
    let of_route = |route: &str| lines.iter().filter(|line| line["http.route"] == route).count();
    assert_eq!((of_route("/hot"), of_route("/other")), (50, 1));
    let summary = lines.last().expect("a line");
    assert_eq!(summary["message"], "99950 more lines from src/orders.rs:12 were held back");
    assert_eq!(summary["fields"], json!({"held_back": 99_950, "http": {"route": "/hot"}}));
    let metrics = observer.metrics_text();
    assert!(metrics.contains("log_lines_dropped_total{output=\"all\",reason=\"limit\"} 99950"), "{metrics}");
}

/// Writes a debug line and an info line in a request that ends with this status. Returns the
/// messages that are written.
fn collected(status: u16, settings: impl FnOnce(Logs) -> Logs, keep: bool) -> (Vec<String>, Vec<Json>) {
    let written = TestLogs::new();
    let logs = settings(Logs::new().collect("shop=debug")).output(LogOutput::writer(written.clone()));
    let builder = Observer::builder("shop").no_environment().events(Events::off()).logs(logs);
    let observer = builder.build().expect("valid");
    let pipeline = observer.log_pipeline();
    let mut observation = observer.start(&RequestHead::new("GET", "/orders/7", &()));
    observation.set_route("/orders/{id}");
    for n in 0..3 {
        let message = format!("step {n} of 4111111111111111");
        pipeline.write(LogLine::new(LogLevel::Debug, "shop::orders", message).of(observation.work()));
    }
    pipeline.write(LogLine::new(LogLevel::Debug, "shop", "outside of a request"));
    pipeline.write(LogLine::new(LogLevel::Info, "shop", "now").of(observation.work()));
    if keep {
        observation.work().keep_logs();
    }
    observation.responded(status, &());
    observation.finish(Outcome::Completed);
    let text = written.text(&observer);
    let debug_lines = text.matches("\"level\":\"debug\"").count();
    let counted = format!("log_lines_total{{level=\"debug\"}} {debug_lines}\n");
    assert!(observer.metrics_text().contains(&counted), "{counted}");
    assert!(!text.contains("4111111111111111"), "{text}");
    let lines: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let messages = lines.iter().map(|line| line["message"].as_str().expect("a text").to_owned());
    (messages.collect(), lines)
}

#[test]
fn collected_lines_are_written_only_if_the_request_fails() {
    assert_eq!(collected(200, |logs| logs, false).0, ["now"]);
    let steps = ["now", "step 0 of [REDACTED]", "step 1 of [REDACTED]", "step 2 of [REDACTED]"];
    let (messages, lines) = collected(500, |logs| logs, false);
    assert_eq!(messages, steps, "a failed request");
    assert!(lines[1..].iter().all(|line| line["request_id"] == lines[0]["request_id"]));
    assert!(lines[1..].iter().all(|line| line["collected"] == true && line["http.route"] == "/orders/{id}"));
    assert!(lines[1]["time"].as_str() < lines[0]["time"].as_str(), "they have their own times");
    assert_eq!(collected(200, |logs| logs, true).0, steps, "a request that wants them");
    let slow = |logs: Logs| logs.collect_slower_than(Duration::from_nanos(1));
    assert_eq!(collected(200, slow, false).0, steps, "a slow request");
    assert_eq!(collected(500, |logs| logs.collect_total_bytes(0), false).0, ["now"], "no memory is left");
}
