//! Cases of trace context and baggage in requests and responses.

use http::HeaderValue;
use obs_core::{ObserverBuilder, TraceHeader};

use crate::{
    client::{Answer, get},
    stacks::{Setup, Stack},
    watch::{Expected, Watch},
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03";

/// Sends `/plain` with these headers.
async fn send(
    stack: Stack,
    settings: impl FnOnce(ObserverBuilder) -> ObserverBuilder,
    headers: &[(&'static str, &'static str)],
) -> (Watch, Answer) {
    let watch = Watch::with(settings);
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    let mut request = get("/plain");
    for (name, value) in headers {
        request.headers_mut().append(*name, HeaderValue::from_static(value));
    }
    let answer = client.send(request).await.expect("a response");
    watch.ended(1).await;
    client.disconnect().await;
    server.stop().await;
    watch.check(&[Expected::completed(200, "/plain", 5)]);
    (watch, answer)
}

pub async fn continued(stack: Stack) {
    let headers =
        [("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2"), ("baggage", "k=v%20w")];
    let (watch, answer) = send(stack, |builder| builder, &headers).await;
    let trace = &watch.ended(1).await[0].start().trace.clone();
    assert_eq!(trace.trace_id.to_string(), TRACE);
    assert_eq!(trace.parent_id.expect("a parent").to_string(), "00f067aa0ba902b7");
    assert!(trace.flags.is_sampled() && trace.flags.is_random());
    assert_eq!(trace.state.as_str(), "a=1,b=2", "several headers are joined");
    assert_eq!(trace.baggage.get("k").as_deref(), Some("v w"));
    let line = &watch.lines()[0];
    assert_eq!(line["trace_id"], TRACE);
    assert_eq!(line["span_id"], trace.span_id.to_string());
    assert_eq!(line["parent_span_id"], "00f067aa0ba902b7");
    assert!(answer.header("traceresponse").is_none(), "off by default");
}

pub async fn started(stack: Stack) {
    let (watch, _) = send(stack, |builder| builder, &[("tracestate", "a=1")]).await;
    let trace = &watch.ended(1).await[0].start().trace.clone();
    assert!(trace.parent_id.is_none() && trace.link.is_none() && trace.state.is_empty());
    assert_eq!(watch.lines()[0]["trace_id"], trace.trace_id.to_string());
}

/// A repeated `traceparent` is ignored.
pub async fn repeated(stack: Stack) {
    let headers = [("traceparent", PARENT), ("traceparent", PARENT), ("tracestate", "a=1")];
    let (watch, _) = send(stack, |builder| builder, &headers).await;
    let trace = &watch.ended(1).await[0].start().trace.clone();
    assert_ne!(trace.trace_id.to_string(), TRACE);
    assert!(trace.parent_id.is_none() && trace.state.is_empty());
}

/// The trace of a request from outside is linked, not continued. The policy can use the head of the
/// request.
pub async fn linked(stack: Stack) {
    let from_outside = |builder: ObserverBuilder| {
        builder.public_endpoint(|head| head.path == "/plain" && head.method == "GET")
    };
    let headers = [("traceparent", PARENT), ("tracestate", "a=1"), ("baggage", "k=v")];
    let (watch, _) = send(stack, from_outside, &headers).await;
    let trace = &watch.ended(1).await[0].start().trace.clone();
    assert_eq!(trace.link.expect("a link").trace_id.to_string(), TRACE);
    assert_ne!(trace.trace_id.to_string(), TRACE);
    assert!(trace.state.is_empty() && trace.baggage.is_empty());
    assert_eq!(watch.lines()[0]["link.trace_id"], TRACE);
}

pub async fn returned_to_the_caller(stack: Stack) {
    let headers = [("traceparent", PARENT)];
    let (watch, answer) = send(stack, |b| b.trace_header(TraceHeader::TraceResponse), &headers).await;
    let expected = watch.ended(1).await[0].start().trace.traceparent();
    assert_eq!(answer.header("traceresponse"), Some(&*expected));
    let (watch, answer) = send(stack, |b| b.trace_header(TraceHeader::ServerTiming), &headers).await;
    let expected = watch.ended(1).await[0].start().trace.traceparent();
    assert_eq!(answer.header("server-timing"), Some(&*format!("traceparent;desc=\"{expected}\"")));
}

/// Two services over sockets: the call of the first is the parent of the second.
pub async fn propagated(stack: Stack) {
    let (front, back) = (Watch::default(), Watch::default());
    let back_server = stack.serve(Setup::new(&back)).await;
    let front_server = stack.serve(Setup::new(&front).calls(back_server.addr)).await;
    let mut client = front_server.connect().await;
    let mut request = get("/call");
    for (name, value) in [("traceparent", PARENT), ("tracestate", "a=1"), ("baggage", "k=v")] {
        request.headers_mut().append(name, HeaderValue::from_static(value));
    }
    assert_eq!(client.send(request).await.expect("a response").status, 200);
    let (first, second) = (front.ended(1).await, back.ended(1).await);
    client.disconnect().await;
    front_server.stop().await;
    back_server.stop().await;
    assert_eq!(second[0].start().id, first[0].start().id, "both have the same id");
    let call = first[0].calls.slowest()[0].span_id;
    let (first, second) = (&first[0].start().trace, &second[0].start().trace);
    assert_eq!(first.trace_id.to_string(), TRACE);
    assert_eq!(second.trace_id, first.trace_id);
    assert_eq!(second.parent_id, Some(call), "the call has a span id of its own");
    assert_ne!(call, first.span_id);
    assert_ne!(second.span_id, first.span_id);
    assert_eq!(second.flags, first.flags);
    assert_eq!(second.state.as_str(), "a=1");
    assert_eq!(second.baggage.as_str(), "k=v");
}

/// The formats other than W3C's are read and written.
pub async fn formats(stack: Stack) {
    use obs_core::trace::Propagator::{B3, B3Multi, Jaeger};
    let formats = |builder: ObserverBuilder| builder.propagators([B3, B3Multi, Jaeger]);
    let (first, second) = (Watch::with(formats), Watch::with(formats));
    let downstream = stack.serve(Setup::new(&second)).await;
    let server = stack.serve(Setup::new(&first).calls(downstream.addr)).await;
    let mut client = server.connect().await;
    let headers: [&[(&str, &str)]; 3] = [
        &[("b3", "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1"), ("traceparent", PARENT)],
        &[("x-b3-traceid", TRACE), ("x-b3-spanid", "00f067aa0ba902b7"), ("x-b3-sampled", "1")],
        &[("uber-trace-id", "4bf92f3577b34da6a3ce929d0e0e4736:f067aa0ba902b7:0:1")],
    ];
    for headers in headers {
        let mut request = get("/call");
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_static(value));
        }
        assert_eq!(client.send(request).await.expect("a response").status, 200);
    }
    client.disconnect().await;
    let (first, second) = (first.ended(3).await, second.ended(3).await);
    server.stop().await;
    downstream.stop().await;
    // The requests of the two servers may end in different orders.
    for record in &first {
        let trace = &record.start().trace;
        let mut calls = second.iter().map(|called| &called.start().trace);
        let span_id = record.calls.slowest()[0].span_id;
        let called = calls.find(|called| called.parent_id == Some(span_id)).expect("a call");
        assert_eq!(trace.trace_id.to_string(), TRACE);
        assert_eq!(trace.parent_id.map(|id| id.to_string()).as_deref(), Some("00f067aa0ba902b7"));
        assert!(trace.flags.is_sampled() && !trace.flags.is_random());
        assert_eq!(called.trace_id, trace.trace_id);
    }
}
