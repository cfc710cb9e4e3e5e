//! Tests of the export of log lines over OTLP to a collector on the official messages.

use std::{env, process::Command, time::Duration};

use obs_core::{
    Events, LogFormat, LogLevel, LogOutput, Logs, Observer, Outcome,
    adapter::RequestHead,
    otel::{Otel, opentelemetry_sdk::trace::Sampler},
    output::LogLine,
    testing::TestLogs,
};
use obs_tests::{
    app::CANARIES,
    caller::Caller,
    client::get,
    collector::{Behaviour, Collector, Span},
    sampler::UnknownSampler,
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

/// The variable that moves exceptions from spans to logs.
const OPT_IN: &str = "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN";

/// Checks the exception of a span: it is an event of the span, a log record, or both, as the
/// variable says. Returns the number of records.
fn check_exception(span: &Span, records: &[&LogRecord], name: &str, expected: [&str; 3]) -> usize {
    let (in_spans, in_logs) = match env::var(OPT_IN).as_deref() {
        Ok("logs") => (0, 1),
        Ok("logs/dup") => (1, 1),
        _ => (1, 0),
    };
    let [kind, message, stacktrace] = expected;
    assert_eq!(span.events.len(), in_spans, "{span:?}");
    for event in &span.events {
        assert_eq!((event.name.as_str(), &event.attributes["exception.type"]), ("exception", &kind.into()));
    }
    assert_eq!(span.status.0, "ERROR");
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let own: Vec<_> = records.iter().filter(|record| hex(&record.span_id) == span.span_id).collect();
    assert_eq!(own.len(), in_logs, "{span:?}: {own:?}");
    for record in &own {
        assert_eq!((record.event_name.as_str(), hex(&record.trace_id)), (name, span.trace_id.clone()));
        assert_eq!((record.severity_number, record.severity_text.as_str()), (17, "ERROR"));
        assert_eq!((record.time_unix_nano, record.flags & 1), (span.end_nanos, 1));
        assert_eq!(
            (text(record, "exception.type"), text(record, "exception.message")),
            (kind.into(), message.into())
        );
        let stack = text(record, "exception.stacktrace");
        assert!(stack.contains(stacktrace), "{stack}");
        if kind == "panic" {
            assert!(stack.lines().count() > 5 && stack.contains("tests/src/"), "the frames: {stack}");
        }
        assert!(span.name.ends_with(text(record, "http.route").trim_start_matches('/')), "{}", span.name);
    }
    own.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exceptions_are_in_the_signals_that_the_variable_names() {
    for (framework, of_sdk) in [
        (Framework::Axum, false),
        (Framework::Tower, false),
        (Framework::Actix, false),
        (Framework::Axum, true),
    ] {
        let collector = Collector::start();
        let otel = Otel::new().endpoint(collector.endpoint());
        let otel = if of_sdk { otel.sampler(UnknownSampler(Sampler::AlwaysOn)) } else { otel };
        let logs = Logs::new().output(LogOutput::otlp().endpoint(collector.endpoint()));
        let builder = Observer::builder("shop").events(Events::off()).otel(otel).logs(logs);
        let observer = builder.build().expect("valid");
        let server = Stack { framework, http2: false }.serve(Setup::of(&observer)).await;
        let mut client = server.connect().await;
        for (path, status) in [("/plain", 200), ("/fail", 500), ("/panic-before", 500)] {
            assert_eq!(client.send(get(path)).await.expect("a response").status, status);
        }
        client.disconnect().await;
        server.stop().await;
        assert!(observer.shutdown(BOUND).flushed);
        let (spans, scopes) = (collector.spans(), scopes(&collector));
        let records: Vec<_> = scopes.iter().flat_map(|scope| &scope.log_records).collect();
        let span = |route: &str| {
            let of_route = |span: &&Span| span.attributes.get("http.route").is_some_and(|has| has == route);
            spans.iter().find(of_route).expect("a span")
        };
        assert!(span("/plain").events.is_empty());
        let name = "http.server.request.exception";
        let error = ["obs_tests::app::OutOfStock", "out of stock", "caused by: an error occurred"];
        let panic = ["panic", "before an await", "at tests/src/app.rs:"];
        let found = check_exception(span("/fail"), &records, name, error)
            + check_exception(span("/panic-before"), &records, name, panic);
        assert_eq!(records.len(), found, "no other records");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exception_of_a_grpc_call_has_the_name_for_calls() {
    let collector = Collector::start();
    let otel = Otel::new().endpoint(collector.endpoint());
    let logs = Logs::new().output(LogOutput::otlp().endpoint(collector.endpoint()));
    let builder = Observer::builder("shop").events(Events::off()).otel(otel).logs(logs);
    let observer = builder.build().expect("valid");
    let server = Stack { framework: Framework::Tonic, http2: true }.serve(Setup::of(&observer)).await;
    let mut caller = Caller::connect(server.addr).await;
    assert!(caller.unary("Panic", "now".to_owned()).await.is_err());
    // An error that is only the message of a status is no exception.
    assert!(caller.unary("Broken", "it".to_owned()).await.is_err());
    drop(caller);
    server.stop().await;
    assert!(observer.shutdown(BOUND).flushed);
    let (spans, scopes) = (collector.spans(), scopes(&collector));
    let records: Vec<_> = scopes.iter().flat_map(|scope| &scope.log_records).collect();
    let span = spans.iter().find(|span| span.name == "test.Shop/Panic").expect("a span");
    let panic = ["panic", "in a method", "at tests/src/stacks/tonic.rs:"];
    let found = check_exception(span, &records, "rpc.server.call.exception", panic);
    assert_eq!(records.len(), found, "no other records");
}

#[test]
fn a_batch_is_exported_when_it_is_full() {
    let collector = Collector::start();
    let output = LogOutput::otlp().endpoint(collector.endpoint());
    // The limits of the environment, or else those of the code.
    let of_environment = env::var("OTEL_BLRP_SCHEDULE_DELAY").is_ok();
    let output = if of_environment { output } else { output.batch(Duration::from_secs(3_600), 10) };
    let builder = Observer::builder("shop").events(Events::off()).logs(output);
    let observer = builder.build().expect("valid");
    let write =
        |n: u32| observer.log_pipeline().write(LogLine::new(LogLevel::Info, "shop", format!("line {n}")));
    (0..10).for_each(write);
    let sizes = || -> Vec<usize> {
        let logs = collector.received().into_iter().filter(|request| request.accepted);
        let scopes = logs.filter_map(|request| request.logs).flat_map(|logs| logs.resource_logs);
        scopes.map(|of_resource| of_resource.scope_logs.len()).collect()
    };
    let deadline = std::time::Instant::now() + BOUND;
    while sizes().is_empty() {
        assert!(std::time::Instant::now() < deadline, "a full batch does not wait");
        std::thread::yield_now();
    }
    (10..35).for_each(write);
    assert!(observer.shutdown(BOUND).flushed);
    assert!(sizes().iter().all(|lines| *lines <= 10), "{:?}", sizes());
    assert_eq!(sizes().iter().sum::<usize>(), 35);
}

/// Runs the tests above in processes with these variables.
#[test]
fn variables_of_opentelemetry_decide_about_exceptions_and_batches() {
    let run = |test: &str, variables: &[(&str, &str)]| {
        let mut command = Command::new(env::current_exe().expect("this program"));
        let output =
            command.args(["--exact", test]).envs(variables.iter().copied()).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains("1 passed"), "{variables:?}: {text}");
    };
    for value in ["logs", "logs/dup", "spans"] {
        run("exceptions_are_in_the_signals_that_the_variable_names", &[(OPT_IN, value)]);
    }
    run("an_exception_of_a_grpc_call_has_the_name_for_calls", &[(OPT_IN, "logs")]);
    let limits = [("OTEL_BLRP_SCHEDULE_DELAY", "3600000"), ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "10")];
    run("a_batch_is_exported_when_it_is_full", &limits);
}
