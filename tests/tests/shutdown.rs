//! Tests of the end of whole processes: the messages about it, its time, and what is lost.

use std::{
    net::TcpListener,
    process::Command,
    time::{Duration, Instant},
};

use obs_tests::{
    client::{Client, get},
    process::Service,
    programs::{build, example, root},
};
use serde_json::Value;

/// Starts an example without a setting of its delay.
async fn start(name: &str, variables: &[(&str, &str)]) -> Service {
    Service::start(&example(name), &[&[("OBS_DRAIN_DELAY", "")], variables].concat()).await
}

/// Nobody has requested a health endpoint, so ctrl-c needs no delay.
#[tokio::test]
async fn ctrl_c_ends_a_service_without_probes_at_once() {
    for name in ["minimal-axum", "minimal-actix"] {
        let service = start(name, &[]).await;
        let mut client = Client::connect(service.addr, false).await;
        assert_eq!(client.send(get("/items/1")).await.expect("an answer").status, 200);
        service.signal("INT");
        let line = service.wait_for_line("shutting down shop").await;
        assert!(line.contains("accepts no more requests, and waits up to 15s for running"), "{line}");
        service.wait_for_line("; events: 1 delivered, 0 lost").await;
        let (status, _) = service.ended().await;
        assert_eq!(status.code(), Some(0), "{name}: {status}");
    }
}

#[tokio::test]
async fn probes_and_sigterm_need_the_delay() {
    for (probe, signal) in [("/livez", "INT"), ("/readyz", "INT"), ("/items/1", "TERM")] {
        let service = start("minimal-axum", &[]).await;
        let mut client = Client::connect(service.addr, false).await;
        assert_eq!(client.send(get(probe)).await.expect("an answer").status, 200);
        service.signal(signal);
        let line = service.wait_for_line("shutting down shop").await;
        assert!(
            line.contains("accepts requests for 5s, then waits up to 15s for running"),
            "{probe}: {line}"
        );
        let answer = client.send(get("/items/2")).await.expect("it still serves");
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    }
}

/// The last line has the numbers, whatever the reason of the loss is, and an earlier line has the
/// reason.
#[tokio::test]
async fn spans_that_a_collector_never_accepted_are_reported() {
    let hanging = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
    for (host, reason) in [
        (hanging.local_addr().expect("an address").to_string(), " "),
        (closed.to_string(), "refused"),
        ("collector.invalid:4318".to_owned(), "lookup"),
    ] {
        let variables =
            [("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{host}")), ("DATABASE_URL", String::new())];
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let service = start("axum-shop", &variables).await;
        let mut client = Client::connect(service.addr, false).await;
        for _ in 0..3 {
            assert_eq!(client.send(get("/items/1")).await.expect("an answer").status, 200);
        }
        service.signal("INT");
        let line = service.wait_for_line("; events: 3 delivered, 0 lost; ").await;
        assert!(line.starts_with("shop has shut down after "), "{line}");
        let is_warning =
            |text: &str| service.logs().iter().any(|line| line["level"] == "warn" && line["message"] == text);
        assert!(is_warning(&line), "{line}");
        assert!(line.contains("; spans: 0 delivered, "), "{line}");
        assert!(!line.contains("spans: 0 delivered, 0 lost"), "{line}");
        let warning = service.wait_for_line(&format!("http://{host}/v1/traces")).await;
        assert!(is_warning(&warning) && warning.contains(reason), "{warning}");
        let (status, _) = service.ended().await;
        assert_eq!(status.code(), Some(0), "{status}");
    }
}

/// The whole shutdown fits into its time, although a request hangs and the collector does not
/// answer.
#[tokio::test]
async fn the_worst_case_fits_into_the_time_of_the_shutdown() {
    let hanging = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("http://{}", hanging.local_addr().expect("an address"));
    let total = Duration::from_secs(10);
    // The items of the shop come from its database, so there is a span of a query.
    for (name, spans) in [("axum-shop", 3), ("actix-payments", 2)] {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
            ("OBS_SHUTDOWN_TIMEOUT", "10s"),
            ("DATABASE_URL", ""),
        ];
        let service = start(name, &variables).await;
        let mut client = Client::connect(service.addr, false).await;
        let hangs = tokio::spawn(async move { client.send(get("/slow?ms=600000")).await });
        let mut client = Client::connect(service.addr, false).await;
        assert_eq!(client.send(get("/items")).await.expect("an answer").status, 200);
        let began = Instant::now();
        service.signal("TERM");
        let line = service.wait_for_line(" has shut down after ").await;
        let (status, events) = service.ended().await;
        // A second for the start and the end of a process on a busy machine. Before, the parts took
        // 35 s in the worst case.
        assert!(began.elapsed() < total + Duration::from_secs(1), "{name}: {:?}", began.elapsed());
        assert_eq!(status.code(), Some(0), "{status}");
        assert!(hangs.await.expect("no panic").is_err());
        assert_eq!(events[1]["outcome"], "cancelled_before_response", "{events:#?}");
        // Its log lines for the collector are lost, too.
        let spans = format!("spans: 0 delivered, {spans} lost");
        for counts in ["events: 2 delivered, 0 lost", &spans] {
            assert!(line.contains(counts), "{line}");
        }
    }
}

/// Runs the program with `panic = "abort"`, and returns its events and its messages.
fn aborted(mode: &str) -> (Vec<Value>, String) {
    let folder = root().join("tests/fixtures/panic-abort");
    let program = build(&folder, "panic-abort", "");
    let output = Command::new(program).arg(mode).env_remove("OBS_EVENTS").output().expect("it runs");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&output.status), Some(6), "SIGABRT: {stderr}");
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    (stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect(), stderr)
}

/// With `panic = "abort"`, a panic anywhere loses nothing that is buffered.
#[test]
fn a_panic_that_aborts_loses_nothing() {
    for (mode, events) in [
        // A sink that panics when a request ends.
        ("sink", 99),
        // A sink that panics when it gets the record of a handler that has panicked.
        ("sink-after-handler", 101),
        // A sink that panics in its flush, after a handler has panicked.
        ("flush", 101),
        // A writer of another output.
        ("writer", 100),
        // A thread without a request.
        ("thread", 100),
    ] {
        let (written, stderr) = aborted(mode);
        assert_eq!(written.len(), events, "{mode}: {stderr}");
        assert!(stderr.contains("abort aborts after a panic; events: "), "{mode}: {stderr}");
        let lines = stderr.matches(r#""message":"panicked: a thread panics""#).count();
        assert_eq!(lines, usize::from(mode == "thread"), "{mode}: {stderr}");
        assert!(!stderr.contains("panicked: nothing will unwind"), "the event has it: {stderr}");
    }
}
