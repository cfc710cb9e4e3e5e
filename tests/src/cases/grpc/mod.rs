//! Cases of gRPC: each kind of method and each ending of a call, with its record, event, metrics
//! and span.

mod disconnects;
mod expected;

use crate::of_request::OfRequest as _;
use std::{collections::BTreeSet, time::Instant};

use futures_util::stream;
use obs_core::{Answer, MetricNaming, Metrics, Outcome, PanicPolicy};
use tokio::sync::mpsc;
use tonic::{Code, Request};

pub use self::disconnects::*;
use self::expected::{ExpectedCall, Running};
use super::spans::Traced;
use crate::stacks::Stack;

/// The messages of a client.
fn texts<const N: usize>(texts: [&str; N]) -> impl stream::Stream<Item = String> + Send + use<N> {
    stream::iter(texts.map(str::to_owned))
}

pub async fn unary(stack: Stack) {
    let mut running = Running::start(stack).await;
    let answer = running.caller.unary("Get", "hello".to_owned()).await.expect("an answer");
    assert_eq!(answer.get_ref(), "hello");
    let port = running.server.addr.port();
    let ended = running.end(1).await;
    ExpectedCall::answered("/test.Shop/Get", "OK").messages(1, &["hello"]).check(&ended);
    ended.spans[0].has("server.address", "127.0.0.1").has("server.port", port);
    assert_eq!(ended.records[0].end().request_bytes, Some(12), "the message and its prefix");
}

/// tonic sends an error instead of a response in the head, without a body. An error of the caller
/// is not a failure of the service.
pub async fn rejected_by_the_method(stack: Stack) {
    let mut running = Running::start(stack).await;
    let status = running.caller.unary("Missing", "it".to_owned()).await.expect_err("a status");
    assert_eq!(status.code(), Code::NotFound);
    let ended = running.end(1).await;
    ExpectedCall::answered("/test.Shop/Missing", "NOT_FOUND").message("no such item").check(&ended);
}

pub async fn failed(stack: Stack) {
    let mut running = Running::start(stack).await;
    let status = running.caller.unary("Broken", "it".to_owned()).await.expect_err("a status");
    assert_eq!(status.code(), Code::Internal);
    let id = status.metadata().get("x-request-id").expect("an id").to_str().expect("ASCII").to_owned();
    let ended = running.end(1).await;
    assert_eq!(ended.events[0]["request_id"], id.as_str());
    let expected = ExpectedCall::answered("/test.Shop/Broken", "INTERNAL").failure("INTERNAL");
    expected.message("the disk is gone").check(&ended);
    assert!(
        ended.spans[0].events.is_empty(),
        "the status already has the error: {:?}",
        ended.spans[0].events
    );
}

pub async fn streamed_by_the_client(stack: Stack) {
    let mut running = Running::start(stack).await;
    let (send, mut receive) = mpsc::channel::<String>(1);
    let requests = stream::poll_fn(move |cx| receive.poll_recv(cx));
    let sends = async {
        running.traced.watch.running(1).await;
        let opened = Instant::now();
        for text in ["one", "two", "three"] {
            send.send(text.to_owned()).await.expect("it is read");
        }
        let open = opened.elapsed();
        drop(send);
        open
    };
    let (answers, open) = tokio::join!(running.caller.read("Join", requests), sends);
    assert_eq!(answers.expect("answers"), ["one two three"]);
    let ended = running.end(1).await;
    ExpectedCall::answered("/test.Shop/Join", "OK").messages(3, &["one two three"]).stream().check(&ended);
    assert!(ended.records[0].duration >= open);
}

pub async fn streamed_by_the_server(stack: Stack) {
    let mut running = Running::start(stack).await;
    let answers = running.caller.read("List", texts(["all"])).await.expect("answers");
    assert_eq!(answers, ["one", "two", "three"]);
    let ended = running.end(1).await;
    ExpectedCall::answered("/test.Shop/List", "OK")
        .messages(1, &["one", "two", "three"])
        .stream()
        .check(&ended);
}

/// A bidirectional stream ends when the client ends it, and its duration is measured until then.
pub async fn streamed_both_ways(stack: Stack) {
    let mut running = Running::start(stack).await;
    let (send, mut receive) = mpsc::channel::<String>(1);
    let requests = stream::poll_fn(move |cx| receive.poll_recv(cx));
    let mut answers = running.caller.stream("Echo", requests).await.expect("a head");
    let opened = Instant::now();
    for text in ["one", "two"] {
        send.send(text.to_owned()).await.expect("it is read");
        assert_eq!(answers.message().await.expect("an answer").as_deref(), Some(text));
    }
    running.traced.watch.running(1).await;
    let open = opened.elapsed();
    drop(send);
    assert_eq!(answers.message().await.expect("the end"), None);
    let ended = running.end(1).await;
    ExpectedCall::answered("/test.Shop/Echo", "OK").messages(2, &["one", "two"]).stream().check(&ended);
    let record = &ended.records[0];
    assert!(record.duration >= open, "{:?} of at least {open:?}", record.duration);
    assert!(record.end().time_to_head.expect("a head") < record.duration);
}

/// A stream that fails has the status in its trailers.
pub async fn failed_stream(stack: Stack) {
    let mut running = Running::start(stack).await;
    let status = running.caller.read("Break", texts(["all"])).await.expect_err("a status");
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "going away"));
    let ended = running.end(1).await;
    let expected =
        ExpectedCall::answered("/test.Shop/Break", "UNAVAILABLE").messages(1, &["one", "two"]).stream();
    expected.failure("UNAVAILABLE").message("going away").check(&ended);
}

/// A stream that fails before or after its first message is still recorded as a stream.
pub async fn failed_stream_early(stack: Stack) {
    let expected = [
        ExpectedCall::answered("/test.Shop/BreakAfterOne", "UNAVAILABLE").messages(1, &["one"]),
        ExpectedCall::answered("/test.Shop/BreakAtOnce", "UNAVAILABLE"),
    ];
    for (method, expected) in ["BreakAfterOne", "BreakAtOnce"].into_iter().zip(expected) {
        let mut running = Running::start(stack).await;
        let status = running.caller.read(method, texts(["all"])).await.expect_err("a status");
        assert_eq!(status.code(), Code::Unavailable);
        let ended = running.end(1).await;
        expected.stream().failure("UNAVAILABLE").message("going away").check(&ended);
    }
}

/// A panic before the response: the caller gets a gRPC status.
pub async fn panicked(stack: Stack) {
    let mut running = Running::start(stack).await;
    let status = running.caller.unary("Panic", "now".to_owned()).await.expect_err("a status");
    assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
    let ended = running.end(1).await;
    let expected = ExpectedCall::ended("/test.Shop/Panic", Outcome::Panicked).status("INTERNAL");
    expected.message("in a method").check(&ended);
    let location = ended.events[0]["error.location"].as_str().expect("a location");
    assert!(location.contains("tests/src/stacks/tonic.rs:"), "{location}");
    assert_eq!(ended.spans[0].events.len(), 1);
    assert_eq!(ended.spans[0].events[0].attributes["exception.message"], "in a method");
}

/// The application's own answer to a panic is for HTTP: a gRPC call gets a gRPC status.
pub async fn panicked_with_an_answer_for_http(stack: Stack) {
    let policy = PanicPolicy::with(|_| Answer::new(503, "text/html", "sorry"));
    let traced = Traced::with(|otel| otel, |builder| builder.panic_policy(policy));
    let mut running = Running::with(stack, traced).await;
    let status = running.caller.unary("Panic", "now".to_owned()).await.expect_err("a status");
    assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
    let ended = running.end(1).await;
    assert_eq!(ended.records[0].outcome, Outcome::Panicked);
}

pub async fn panicked_within_a_stream(stack: Stack) {
    let mut running = Running::start(stack).await;
    assert!(running.caller.read("PanicWithin", texts(["all"])).await.is_err(), "the stream is aborted");
    let ended = running.end(1).await;
    let expected =
        ExpectedCall::ended("/test.Shop/PanicWithin", Outcome::Panicked).messages(1, &["one"]).stream();
    expected.message("in a stream").check(&ended);
}

pub async fn unknown_method(stack: Stack) {
    unknown(stack, "/test.Shop/Gett").await;
}

pub async fn unknown_service(stack: Stack) {
    unknown(stack, "/test.Shopp/Get").await;
}

async fn unknown(stack: Stack, path: &'static str) {
    let mut running = Running::start(stack).await;
    let status = running.caller.unary(path, "it".to_owned()).await.expect_err("a status");
    assert_eq!(status.code(), Code::Unimplemented);
    let ended = running.end(1).await;
    let expected = ExpectedCall::answered(path, "UNIMPLEMENTED").unknown().failure("UNIMPLEMENTED");
    expected.messages(0, &[]).check(&ended);
}

/// All methods that clients invent are counted in one series.
pub async fn a_thousand_unknown_methods(stack: Stack) {
    let mut running = Running::start(stack).await;
    for n in 0..1000 {
        let path = if n % 2 == 0 { format!("/test.Shop/Get{n}") } else { format!("/test.Shop{n}/Get") };
        let status = running.caller.unary(&path, "it".to_owned()).await.expect_err("a status");
        assert_eq!(status.code(), Code::Unimplemented);
    }
    let ended = running.end(1000).await;
    let labels = r#"{method="POST",endpoint="unmatched",status="200",grpc_status="UNIMPLEMENTED"}"#;
    assert_eq!(ended.traced.watch.metric("http_requests_total", labels), 1000.0);
    assert_eq!(endpoints(&ended.traced), 1);
    assert!(ended.spans.iter().all(|span| span.name == "grpc"));
}

/// A layer before the service may reject calls of any method. Only few of the method names that
/// clients invent become series.
pub async fn a_thousand_rejected_methods(stack: Stack) {
    let mut running = Running::start(stack).await;
    for n in 0..1000 {
        let mut request = Request::new("it".to_owned());
        request.metadata_mut().insert("x-stranger", "yes".parse().expect("ASCII"));
        let status = running.caller.unary(&format!("Get{n}"), request).await.expect_err("a status");
        assert_eq!(status.code(), Code::Unauthenticated);
    }
    running.caller.unary("Get", "hello".to_owned()).await.expect("an answer");
    let ended = running.end(1001).await;
    let labels = r#"{method="POST",endpoint="/test.Shop/Get",status="200",grpc_status="OK"}"#;
    assert_eq!(ended.traced.watch.metric("http_requests_total", labels), 1.0, "there is room for methods");
    let endpoints = endpoints(&ended.traced);
    assert!(endpoints <= 100, "{endpoints} endpoints");
}

/// The number of endpoints in the metrics.
fn endpoints(traced: &Traced) -> usize {
    let text = traced.watch.observer.metrics_text();
    let of = |line: &str| {
        let labels = line.strip_prefix("http_requests_total{")?;
        Some(labels.split_once(r#"endpoint=""#)?.1.split_once('"')?.0.to_owned())
    };
    text.lines().filter_map(of).collect::<BTreeSet<_>>().len()
}

/// The caller's trace and request id are continued, and the response has the id.
pub async fn continued(stack: Stack) {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let mut running = Running::start(stack).await;
    let mut request = Request::new("hello".to_owned());
    for (name, value) in [
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("tracestate", "a=1"),
        ("x-request-id", "find-me"),
    ] {
        request.metadata_mut().insert(name, value.parse().expect("ASCII"));
    }
    let answer = running.caller.unary("Get", request).await.expect("an answer");
    assert_eq!(answer.metadata().get("x-request-id").expect("an id"), "find-me");
    let ended = running.end(1).await;
    ExpectedCall::answered("/test.Shop/Get", "OK").messages(1, &["hello"]).check(&ended);
    let (event, span) = (&ended.events[0], &ended.spans[0]);
    assert_eq!((&event["request_id"], &event["trace_id"]), (&"find-me".into(), &TRACE.into()));
    assert_eq!((span.trace_id.as_str(), span.trace_state.as_str()), (TRACE, "a=1"));
    assert_eq!(
        (span.parent_span_id.as_deref(), span.parent_is_remote),
        (Some("00f067aa0ba902b7"), Some(true))
    );
}

/// The metrics of calls in OpenTelemetry's naming.
pub async fn opentelemetry_naming(stack: Stack) {
    let naming = Metrics::new().naming(MetricNaming::OpenTelemetry);
    let traced = Traced::with(|otel| otel, |builder| builder.metrics(naming));
    let mut running = Running::with(stack, traced).await;
    running.caller.unary("Get", "hello".to_owned()).await.expect("an answer");
    running.caller.unary("Broken", "it".to_owned()).await.expect_err("a status");
    running.caller.unary("Gett", "it".to_owned()).await.expect_err("a status");
    let ended = running.end(3).await;
    let text = ended.traced.watch.observer.metrics_text();
    for (method, rest) in [
        ("test.Shop/Get", r#"rpc_response_status_code="OK","#),
        ("test.Shop/Broken", r#"rpc_response_status_code="INTERNAL",error_type="INTERNAL","#),
        ("_OTHER", r#"rpc_response_status_code="UNIMPLEMENTED",error_type="UNIMPLEMENTED","#),
    ] {
        let labels = format!(r#"{{rpc_method="{method}",{rest}rpc_system_name="grpc"}}"#);
        let line = format!("\nrpc_server_call_duration_seconds_count{labels} 1\n");
        assert!(text.contains(&line), "{line} in {text}");
    }
    // No call is counted twice.
    assert!(!text.contains("http_server_request_duration_seconds_count{"), "{text}");
}
