//! Tests of the export of log lines over OTLP to a collector on the official messages.

use std::time::Duration;

use obs_core::{
    Events, LogFormat, LogLevel, LogOutput, Logs, Observer, Outcome, adapter::RequestHead, otel::Otel,
    output::LogLine, testing::TestLogs,
};
use obs_tests::{
    app::CANARIES,
    client::get,
    collector::{Behaviour, Collector},
    stacks::{Framework, Setup, Stack},
    watch::{BOUND, Watch},
};
use obs_tracing::LogsExt as _;
use opentelemetry_proto::tonic::{
    common::v1::any_value::Value as Any,
    logs::v1::{LogRecord, ScopeLogs},
};
use tracing_subscriber::layer::SubscriberExt as _;

fn observer(collector: &Collector) -> Observer {
    let logs = Logs::new().output(LogOutput::otlp().endpoint(collector.endpoint()));
    let otel = Otel::new().endpoint(collector.endpoint()).batch(Duration::from_millis(20), 512);
    let builder = Observer::builder("shop").no_environment().events(Events::off());
    builder.otel(otel).logs(logs).build().expect("valid")
}

/// Returns the scopes of all accepted messages. Each message must be in the official encoding, and
/// name the service.
fn scopes(collector: &Collector) -> Vec<ScopeLogs> {
    let received = collector.received();
    let logs = received.iter().filter(|request| request.accepted && request.logs.is_some());
    let mut scopes = Vec::new();
    for request in logs {
        assert!(request.is_canonical(), "{:?}", request.logs);
        for of_resource in &request.logs.as_ref().expect("logs").resource_logs {
            let resource = of_resource.resource.as_ref().expect("a resource");
            assert!(resource.attributes.iter().any(|attribute| attribute.key == "service.name"));
            scopes.extend(of_resource.scope_logs.clone());
        }
    }
    scopes
}

fn text(record: &LogRecord, name: &str) -> String {
    let attribute = record.attributes.iter().find(|attribute| attribute.key == name);
    let value = attribute.and_then(|attribute| attribute.value.clone()?.value);
    match value {
        Some(Any::StringValue(text)) => text,
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn records_are_correlated_with_the_spans_of_their_requests() {
    let collector = Collector::start();
    let observer = observer(&collector);
    let mut observation = observer.start(&RequestHead::new("GET", "/orders/7", &()));
    observation.set_route("/orders/{id}");
    let line = LogLine::new(LogLevel::Warn, "shop::orders", "late for jane@example.com")
        .field("order.id", 7)
        .field("parts", vec!["a", "b"])
        .source("src/orders.rs", Some(12))
        .of(observation.work());
    observer.log_pipeline().write(line);
    observer.log_pipeline().write(LogLine::new(LogLevel::Error, "shop", "outside"));
    observation.finish(Outcome::Completed);
    assert!(observer.shutdown(BOUND).flushed);

    let scopes = scopes(&collector);
    let names: Vec<_> =
        scopes.iter().map(|scope| scope.scope.as_ref().expect("a scope").name.as_str()).collect();
    assert_eq!(names, ["shop::orders", "shop"]);
    let [record] = &scopes[0].log_records[..] else { panic!("{scopes:?}") };
    assert_eq!((record.severity_number, record.severity_text.as_str()), (13, "WARN"));
    let body = record.body.as_ref().and_then(|body| body.value.clone());
    assert_eq!(body, Some(Any::StringValue("late for [REDACTED]".to_owned())));
    assert_eq!(text(record, "http.route"), "/orders/{id}");
    assert_eq!(text(record, "code.file.path"), "src/orders.rs");
    assert!(record.time_unix_nano > 0 && record.time_unix_nano == record.observed_time_unix_nano);
    let spans = collector.spans();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(
        (hex(&record.trace_id), hex(&record.span_id)),
        (spans[0].trace_id.clone(), spans[0].span_id.clone())
    );
    let [outside] = &scopes[1].log_records[..] else { panic!("{scopes:?}") };
    assert!(outside.trace_id.is_empty() && outside.severity_number == 17);
}

/// Lines with secrets, at once and after the fact, over sockets on both runtimes and in all
/// formats.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_line_and_no_record_has_a_secret() {
    const FORMATS: [LogFormat; 4] =
        [LogFormat::Json, LogFormat::Ecs, LogFormat::GoogleCloud, LogFormat::Readable];
    let collector = Collector::start();
    let written = FORMATS.map(|format| (format, TestLogs::new()));
    let mut logs = Logs::new().collect("obs_tests::lines=debug").fields(["note", "order.password"]);
    logs = logs.output(LogOutput::otlp().endpoint(collector.endpoint()));
    for (format, lines) in &written {
        let output = LogOutput::writer(lines.clone()).format(*format);
        logs = logs.output(output.named(format!("{format:?}")));
    }
    let watch = Watch::with(|builder| builder.logs(logs));
    // The other tests of this process write no lines with `tracing`.
    let subscriber = tracing_subscriber::registry().with(watch.observer.logs());
    tracing::subscriber::set_global_default(subscriber).expect("the first");
    tracing_log::LogTracer::init().expect("the first");
    let mut servers = Vec::new();
    for framework in [Framework::Axum, Framework::Actix] {
        let server = Stack { framework, http2: false }.serve(Setup::new(&watch)).await;
        for path in ["/canary/1", "/canary-panic/1"] {
            let mut client = server.connect().await;
            assert_eq!(client.send(get(path)).await.expect("a response").status, 500);
            client.disconnect().await;
        }
        servers.push(server);
    }
    watch.ended(4).await;
    // Four lines at once and two after the fact, for each request.
    const LINES: usize = 4 * 6;
    for (format, lines) in &written {
        let text = lines.text(&watch.observer);
        let lines =
            text.lines().filter(|line| line.contains("obs_tests::lines") && line.contains("[REDACTED]"));
        assert_eq!(lines.count(), LINES, "{format:?}: {text}");
        for canary in CANARIES {
            assert!(!text.contains(canary), "{canary} as {format:?}: {text}");
        }
    }
    let records = format!("{:?}", scopes(&collector));
    assert!(records.matches("obs_tests::lines").count() >= LINES, "{records}");
    for canary in CANARIES {
        assert!(!records.contains(canary), "{canary}: {records}");
    }
    for server in servers {
        server.stop().await;
    }
}

#[test]
fn a_collector_that_fails_for_a_while_gets_all_lines_once() {
    let collector = Collector::start();
    collector.then(Behaviour::Status { code: 503, retry_after: None }).then(Behaviour::CloseInHead);
    let logs = Logs::new().output(LogOutput::otlp().endpoint(collector.endpoint()));
    let builder = Observer::builder("shop").no_environment().events(Events::off()).logs(logs);
    let observer = builder.build().expect("valid");
    for n in 0..100 {
        observer.log_pipeline().write(LogLine::new(LogLevel::Info, "shop", format!("line {n}")));
    }
    assert!(observer.log_pipeline().flush(BOUND), "flushed");
    let bodies = scopes(&collector).into_iter().flat_map(|scope| scope.log_records);
    let bodies = bodies.filter_map(|record| match record.body?.value? {
        Any::StringValue(text) => Some(text),
        _ => None,
    });
    assert!(bodies.eq((0..100).map(|n| format!("line {n}"))));
    let report = observer.shutdown(BOUND);
    assert_eq!(report.output("logs").map(|counts| (counts.delivered, counts.lost)), Some((100, 0)));
}

#[test]
fn a_dead_collector_delays_no_line_and_its_losses_are_counted() {
    let collector = Collector::start();
    let endpoint = collector.endpoint();
    drop(collector);
    let output = LogOutput::otlp().endpoint(endpoint).capacity(64 * 1024);
    let builder = Observer::builder("shop").no_environment().events(Events::off()).logs(output);
    let observer = builder.build().expect("valid");
    for n in 0..4_000 {
        let message = format!("{n} {}", "x".repeat(100));
        observer.log_pipeline().write(LogLine::new(LogLevel::Info, "shop", message));
    }
    let report = observer.shutdown(Duration::from_millis(100));
    assert_eq!(report.output("logs").map(|counts| (counts.delivered, counts.lost)), Some((0, 4_000)));
}
