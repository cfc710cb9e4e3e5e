//! Cases of spans as a collector receives them: one for each request, by the conventions, for each
//! ending.

use std::collections::BTreeSet;

use http::HeaderValue;
use obs_core::{
    Events, ObserverBuilder,
    otel::{Otel, opentelemetry_sdk::trace::Sampler},
};

use crate::{
    client::{get, request},
    collector::{Collector, Span},
    stacks::{Framework, Setup, Stack},
    watch::{BOUND, Watch},
};

/// The attributes that each HTTP span has here. There is always a peer and a host.
const ALWAYS: [&str; 9] = [
    "client.address",
    "http.request.method",
    "network.peer.address",
    "network.peer.port",
    "network.protocol.version",
    "server.address",
    "server.port",
    "url.path",
    "url.scheme",
];

/// An observer that exports its spans to a collector.
pub(super) struct Traced {
    pub(super) watch: Watch,
    pub(super) collector: Collector,
}

impl Traced {
    pub(super) fn new() -> Self {
        Self::with(|otel| otel, |builder| builder)
    }

    pub(super) fn with(
        otel: impl FnOnce(Otel) -> Otel,
        settings: impl FnOnce(ObserverBuilder) -> ObserverBuilder,
    ) -> Self {
        let collector = Collector::start();
        let otel = otel(Otel::new().endpoint(collector.endpoint()));
        let watch = Watch::with(|builder| settings(builder.otel(otel)));
        Self { watch, collector }
    }

    /// Returns the spans in the order of their ends. Checks that each span agrees with its event.
    pub(super) fn spans(&self) -> Vec<Span> {
        let report = self.watch.observer.shutdown(BOUND);
        assert!(report.flushed, "{report:?}");
        let mut spans = self.collector.spans();
        assert_eq!(report.output("spans").unwrap_or_default().delivered, spans.len() as u64);
        assert_eq!(report.output("spans").unwrap_or_default().lost, 0);
        spans.sort_by_key(|span| span.end_nanos);
        let events = self.watch.lines();
        for span in spans.iter().filter(|span| span.kind == "SERVER") {
            let of_span = |event: &&serde_json::Value| event["span_id"] == span.span_id.as_str();
            let event = events.iter().find(of_span).expect("an event with the span's id");
            assert_eq!(event["trace_id"], span.trace_id.as_str());
            assert_eq!(event["parent_span_id"].as_str(), span.parent_span_id.as_deref());
            let grpc = span.attributes.contains_key("rpc.system.name");
            for name in [if grpc { "rpc.response.status_code" } else { "http.route" }, "error.type"] {
                // The 503 of a probe is not a failure of the service, but the conventions for spans
                // make each 5xx an error.
                if name == "error.type" && event["probe"] == true {
                    continue;
                }
                // The conventions name the panic of a call by its status.
                if grpc
                    && name == "error.type"
                    && event["outcome"] == "panic"
                    && event.get("rpc.response.status_code").is_some()
                {
                    assert_eq!(event.get("rpc.response.status_code"), span.attributes.get(name));
                    continue;
                }
                assert_eq!(event.get(name), span.attributes.get(name), "{name} of {span:#?}");
            }
            let millis = (span.end_nanos - span.start_nanos) as f64 / 1e6;
            let in_event = event["duration_ms"].as_f64().expect("a duration");
            assert!((millis - in_event).abs() < 0.002, "the same duration: {millis} and {in_event}");
        }
        spans
    }
}

/// A request and the expected span of its ending.
struct Ending {
    method: &'static str,
    path: &'static str,
    name: &'static str,
    status: Option<u16>,
    error: Option<&'static str>,
}

const fn ending(method: &'static str, path: &'static str, name: &'static str, status: u16) -> Ending {
    Ending { method, path, name, status: Some(status), error: None }
}

impl Ending {
    const fn error(mut self, error: &'static str) -> Self {
        self.error = Some(error);
        self
    }

    fn check(&self, span: &Span) {
        assert_eq!((span.kind, span.name.as_str()), ("SERVER", self.name), "{span:#?}");
        let mut keys = ALWAYS.to_vec();
        if self.name.contains('/') {
            keys.push("http.route");
            span.has("http.route", self.name.split_once(' ').expect("a route").1);
        }
        match self.status {
            Some(status) => {
                keys.push("http.response.status_code");
                span.has("http.response.status_code", status);
            }
            None => drop(span.has_no("http.response.status_code")),
        }
        match self.error {
            Some(error) => {
                keys.push("error.type");
                span.has("error.type", error);
                assert_eq!(span.status.0, "ERROR", "{span:#?}");
            }
            None => assert_eq!(span.status, ("UNSET", String::new()), "{span:#?}"),
        }
        // A field that the handler sets is an attribute, too.
        span.exactly(&keys, &["greeting", "url.query"]);
        span.has("url.path", self.path.split('?').next().expect("a path"));
        span.has("url.scheme", "http");
        span.has("client.address", "127.0.0.0").has("network.peer.address", "127.0.0.0");
    }
}

/// Tests a table of requests, with each ending that the client can wait for.
pub async fn every_ending(stack: Stack) {
    let mut endings = vec![
        ending("GET", "/plain", "GET /plain", 200),
        ending("HEAD", "/plain", "HEAD /plain", 200),
        ending("GET", "/empty", "GET /empty", 200),
        ending("GET", "/no-content", "GET /no-content", 204),
        ending("GET", "/not-modified", "GET /not-modified", 304),
        ending("GET", "/items/7?page=2&token=hunter2", "GET /items/{id}", 200),
        ending("GET", "/teapot", "GET /teapot", 418),
        ending("GET", "/nowhere", "GET", 404),
        ending("GET", "/chunked", "GET /chunked", 200),
        ending("GET", "/sse", "GET /sse", 200),
        ending("GET", "/fail", "GET /fail", 500).error("obs_tests::app::OutOfStock"),
        ending("GET", "/fail-kind", "GET /fail-kind", 502).error("bank_is_closed"),
        ending("GET", "/panic-before", "GET /panic-before", 500).error("panic"),
        ending("GET", "/panic-after", "GET /panic-after", 500).error("panic"),
        ending("GET", "/panic-body", "GET /panic-body", 200).error("panic"),
        ending("GET", "/body-error", "GET /body-error", 200).error("body_error"),
        ending("GET", "/short", "GET /short", 200).error("truncated"),
    ];
    if stack.has_service_errors() {
        let mut broken = ending("GET", "/service-error", "GET /service-error", 0).error("service_error");
        broken.status = None;
        endings.push(broken);
    }
    let traced = Traced::new();
    let server = stack.serve(Setup::new(&traced.watch)).await;
    for (n, ending) in endings.iter().enumerate() {
        let mut client = server.connect().await;
        // Some endings break the connection.
        let _ = client.send(request(ending.method, ending.path)).await;
        traced.watch.ended(n + 1).await;
        client.disconnect().await;
    }
    server.stop().await;
    let spans = traced.spans();
    assert_eq!(spans.len(), endings.len(), "one span per request");
    for (ending, span) in endings.iter().zip(&spans) {
        ending.check(span);
        span.has("network.protocol.version", if stack.http2 { "2" } else { "1.1" });
        assert_eq!((span.parent_span_id.as_deref(), span.flags & 1), (None, 1));
        assert_eq!((span.dropped_attributes, span.dropped_events, span.dropped_links), (0, 0, 0));
    }
    let of =
        |path: &str| &spans[endings.iter().position(|ending| ending.path == path).expect("it was asked")];
    of("/items/7?page=2&token=hunter2").has("url.query", "page=2&token=REDACTED");
    let exception = &of("/fail").events[0];
    assert_eq!(exception.name, "exception");
    assert_eq!(exception.attributes["exception.type"], "obs_tests::app::OutOfStock");
    assert_eq!(exception.attributes["exception.message"], "out of stock");
    let sources = exception.attributes["exception.stacktrace"].as_str().expect("text");
    assert!(sources.starts_with("caused by: an error occurred"), "{sources}");
    let panic = &of("/panic-before").events[0];
    assert_eq!(panic.attributes["exception.type"], "panic");
    assert_eq!(panic.attributes["exception.message"], "before an await");
    let stack = panic.attributes["exception.stacktrace"].as_str().expect("text");
    assert!(stack.contains("tests/src/app.rs:") && stack.lines().count() > 5, "{stack}");
    assert_eq!(of("/panic-before").status.1, "before an await");
}

/// A method that the client invents, and the headers of a client that is not trusted.
pub async fn unknown_method_and_untrusted_headers(stack: Stack) {
    let traced = Traced::new();
    let server = stack.serve(Setup::new(&traced.watch)).await;
    let mut client = server.connect().await;
    let mut brew = request("BREW", "/plain");
    brew.headers_mut().insert("user-agent", HeaderValue::from_static("pot/1.0"));
    brew.headers_mut().insert("x-tenant", HeaderValue::from_static("yes"));
    brew.headers_mut().insert("x-forwarded-for", HeaderValue::from_static("203.0.113.7"));
    client.send(brew).await.expect("a response");
    traced.watch.ended(1).await;
    client.disconnect().await;
    server.stop().await;
    let span = &traced.spans()[0];
    assert!(span.name == "HTTP" || span.name.starts_with("HTTP /"), "{}", span.name);
    span.has("http.request.method", "_OTHER").has("http.request.method_original", "BREW");
    span.has("user_agent.original", "pot/1.0");
    span.has("http.request.header.x-tenant", serde_json::json!(["yes"]));
    span.has("client.address", "127.0.0.0"); // no proxy is trusted
    span.has("server.address", "test").has("server.port", 80);
}

/// A request through a trusted proxy.
pub async fn proxied(stack: Stack) {
    let traced = Traced::with(|otel| otel, |builder| builder.trusted_proxies(["127.0.0.0/8"]));
    let server = stack.serve(Setup::new(&traced.watch)).await;
    let mut client = server.connect().await;
    let proxied = [
        ("forwarded", "for=198.51.100.3, for=\"203.0.113.7:4711\";proto=https;host=shop.example:8443"),
        ("x-forwarded-host", "shop.example"),
    ];
    for (n, (name, value)) in proxied.into_iter().enumerate() {
        let mut request = get("/plain");
        request.headers_mut().insert(name, HeaderValue::from_static(value));
        if name == "x-forwarded-host" {
            request
                .headers_mut()
                .insert("x-forwarded-for", HeaderValue::from_static("203.0.113.7, 127.0.0.9"));
            request.headers_mut().insert("x-forwarded-proto", HeaderValue::from_static("https"));
        }
        client.send(request).await.expect("a response");
        traced.watch.ended(n + 1).await;
    }
    client.disconnect().await;
    server.stop().await;
    let spans = traced.spans();
    for (span, port) in spans.iter().zip([8443, 443]) {
        span.has("client.address", "203.0.113.0").has("network.peer.address", "127.0.0.0");
        span.has("url.scheme", "https").has("server.address", "shop.example").has("server.port", port);
    }
    assert_eq!(traced.watch.lines()[0]["client.address"], "203.0.113.0");
}

/// The client disconnects before the head, and within the body.
pub async fn disconnected(stack: Stack) {
    let traced = Traced::new();
    let server = stack.serve(Setup::new(&traced.watch)).await;
    let world = server.world.clone();
    let mut client = server.connect().await;
    let entered = || world.entered.load(std::sync::atomic::Ordering::SeqCst);
    let mut expected = Vec::new();
    if stack.detects_disconnects_in_handler() {
        tokio::select! {
            answer = client.open(get("/gate")) => panic!("an answer: {answer:?}"),
            () = crate::watch::until(|| entered() == 1) => {}
        }
        client.disconnect().await;
        traced.watch.ended(1).await;
        client = server.connect().await;
        expected.push(("GET /gate", "cancelled_before_response"));
    }
    let response = client.open(get("/endless")).await.expect("a response");
    drop(response);
    client.disconnect().await;
    expected.push(("GET /endless", "cancelled_in_body"));
    traced.watch.ended(expected.len()).await;
    server.stop().await;
    let spans = traced.spans();
    assert_eq!(spans.len(), expected.len());
    for (span, (name, error)) in spans.iter().zip(expected) {
        assert_eq!((span.name.as_str(), span.status.0), (name, "ERROR"));
        span.has("error.type", error);
    }
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02";

/// The trace of a caller is continued, with its state and its sampling decision.
pub async fn continued(stack: Stack) {
    let traced =
        Traced::with(|otel| otel, |builder| builder.trace_header(obs_core::TraceHeader::TraceResponse));
    let server = stack.serve(Setup::new(&traced.watch)).await;
    let mut client = server.connect().await;
    let mut responses = Vec::new();
    for (n, parent) in [SAMPLED, UNSAMPLED].into_iter().enumerate() {
        let mut request = get("/plain");
        request.headers_mut().insert("traceparent", HeaderValue::from_static(parent));
        request.headers_mut().insert("tracestate", HeaderValue::from_static("a=1,b=2"));
        let answer = client.send(request).await.expect("a response");
        responses.push(answer.header("traceresponse").expect("the header").to_owned());
        traced.watch.ended(n + 1).await;
    }
    let records = traced.watch.ended(2).await;
    client.disconnect().await;
    server.stop().await;
    let spans = traced.spans();
    assert_eq!(spans.len(), 1, "the caller did not sample the other trace");
    let span = &spans[0];
    assert_eq!((span.trace_id.as_str(), span.trace_state.as_str()), (TRACE, "a=1,b=2"));
    assert_eq!(span.parent_span_id.as_deref(), Some("00f067aa0ba902b7"));
    assert_eq!((span.parent_is_remote, span.flags & 0xff), (Some(true), 3));
    assert_eq!(responses[0], format!("00-{TRACE}-{}-03", span.span_id));
    assert!(!records[1].start().trace.flags.is_sampled());
    assert!(
        responses[1].starts_with(&format!("00-{TRACE}-")) && responses[1].ends_with("-02"),
        "{responses:?}"
    );
    // The exemplar has the trace of the recorded span, not the one that is not recorded.
    let page = crate::scrape::openmetrics(&traced.watch.observer).await;
    // The two requests may be in different buckets, so one of several exemplars has it.
    let exemplars: Vec<_> = page
        .lines()
        .filter(|line| line.starts_with("http_request_duration_seconds_bucket") && line.contains('#'))
        .collect();
    let of_trace = format!(r#"trace_id="{TRACE}""#);
    assert!(exemplars.iter().any(|line| line.contains(&of_trace)), "{exemplars:?}");
}

/// The trace of an untrusted caller is linked, not continued.
pub async fn linked(stack: Stack) {
    let traced = Traced::with(|otel| otel, |builder| builder.public_endpoint(|_| true));
    let server = stack.serve(Setup::new(&traced.watch)).await;
    let mut client = server.connect().await;
    let mut request = get("/plain");
    // The caller's sampling decision is ignored, too.
    request.headers_mut().insert("traceparent", HeaderValue::from_static(UNSAMPLED));
    client.send(request).await.expect("a response");
    traced.watch.ended(1).await;
    client.disconnect().await;
    server.stop().await;
    let span = &traced.spans()[0];
    assert_ne!(span.trace_id, TRACE);
    assert_eq!(span.parent_span_id, None);
    assert_eq!(span.links.len(), 1);
    assert_eq!(
        (span.links[0].trace_id.as_str(), span.links[0].span_id.as_str()),
        (TRACE, "00f067aa0ba902b7")
    );
}

/// The span of a called service is a child of the caller's span.
pub async fn propagated(stack: Stack) {
    let (traced, called) = (Traced::new(), Traced::new());
    let downstream = stack.serve(Setup::new(&called.watch)).await;
    let server = stack.serve(Setup::new(&traced.watch).calls(downstream.addr)).await;
    let mut client = server.connect().await;
    assert_eq!(client.send(get("/call")).await.expect("a response").status, 200);
    traced.watch.ended(1).await;
    called.watch.ended(1).await;
    client.disconnect().await;
    server.stop().await;
    downstream.stop().await;
    let (spans, child) = (traced.spans(), &called.spans()[0]);
    let find = |name: &str| spans.iter().find(|span| span.name == name).expect("a span");
    let (span, call) = (find("GET /call"), find("unnamed"));
    assert_eq!((&child.trace_id, &call.trace_id), (&span.trace_id, &span.trace_id));
    assert_eq!(call.parent_span_id.as_deref(), Some(span.span_id.as_str()));
    assert_eq!(child.parent_span_id.as_deref(), Some(call.span_id.as_str()));
    assert_eq!(call.kind, "CLIENT");
}

/// An unsampled request makes no span, and its calls continue the trace as unsampled.
pub async fn not_sampled(stack: Stack) {
    let traced = Traced::with(|otel| otel.sampler(Sampler::AlwaysOff), |builder| builder);
    let called = Traced::new();
    let downstream = stack.serve(Setup::new(&called.watch)).await;
    let server = stack.serve(Setup::new(&traced.watch).calls(downstream.addr)).await;
    let mut client = server.connect().await;
    assert_eq!(client.send(get("/call")).await.expect("a response").status, 200);
    let record = &traced.watch.ended(1).await[0];
    let child = &called.watch.ended(1).await[0];
    client.disconnect().await;
    server.stop().await;
    downstream.stop().await;
    assert_eq!((traced.spans().len(), called.spans().len()), (0, 0));
    assert_eq!(child.start().trace.trace_id, record.start().trace.trace_id);
    assert_eq!(child.start().trace.parent_id, Some(record.calls.slowest()[0].span_id));
    assert!(!child.start().trace.flags.is_sampled());
    assert_eq!(traced.watch.lines()[0]["trace_id"], record.start().trace.trace_id.to_string());
}

/// At one rate, events and spans come from the same traces. A sampled trace passes its threshold
/// on.
pub async fn sampled_with_events(stack: Stack) {
    const REQUESTS: usize = 300;
    const STATE: &str = "ot=th:8";
    let events = Events::new().sample_rate(0.5);
    let collector = Collector::start();
    let otel = Otel::new().endpoint(collector.endpoint()).sample_rate(0.5);
    let watch = Watch::of_events(events, |builder| builder.otel(otel));
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    for _ in 0..REQUESTS {
        client.send(get("/plain")).await.expect("a response");
    }
    let records = watch.ended(REQUESTS).await;
    client.disconnect().await;
    server.stop().await;
    assert!(watch.observer.shutdown(BOUND).flushed);
    let spans: BTreeSet<_> = collector.spans().into_iter().map(|span| span.trace_id).collect();
    let text = |event: &serde_json::Value| event["trace_id"].as_str().unwrap_or_default().to_owned();
    let events: BTreeSet<_> = watch.lines().iter().map(text).collect();
    assert_eq!(events, spans);
    // Eight standard deviations of a binomial distribution around 150.
    assert!((80..=220).contains(&spans.len()), "{}", spans.len());
    for record in records {
        let trace = &record.start().trace;
        let sampled = spans.contains(&trace.trace_id.to_string());
        assert_eq!(trace.flags.is_sampled(), sampled);
        assert_eq!(trace.state.as_str(), if sampled { STATE } else { "" });
    }
}

/// Probes and scrapes make no span unless they fail. A route of the application at such a path
/// makes a span like any other.
pub async fn endpoints(stack: Stack) {
    let traced = Traced::new();
    let own = stack.framework != Framework::Tower;
    let mut setup = Setup::new(&traced.watch);
    setup.health_route = own.then_some((http::Method::GET, "/health"));
    let server = stack.serve(setup).await;
    let mut client = server.connect().await;
    for path in ["/metrics", "/livez", "/readyz"] {
        assert_eq!(client.send(get(path)).await.expect("a response").status, 200);
    }
    if own {
        assert_eq!(client.send(get("/health")).await.expect("a response").status, 200);
    }
    traced.watch.observer.start_draining();
    let mut request = get("/readyz");
    request.headers_mut().insert("traceparent", HeaderValue::from_static(SAMPLED));
    assert_eq!(client.send(request).await.expect("a response").status, 503);
    traced.watch.ended(4 + usize::from(own)).await;
    client.disconnect().await;
    server.stop().await;
    let spans = traced.spans();
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    let expected: &[_] = if own { &["GET /health", "GET /readyz"] } else { &["GET /readyz"] };
    assert_eq!(names, expected);
    let failed = spans.last().expect("a span");
    failed.has("error.type", "503");
    assert_eq!(failed.status, ("ERROR", String::new()));
    assert_eq!(
        (failed.trace_id.as_str(), failed.parent_span_id.as_deref()),
        (TRACE, Some("00f067aa0ba902b7"))
    );
}

/// Two observers both record a request, but only one span is exported.
pub async fn two_observers(stack: Stack) {
    let traced = Traced::new();
    let inner = Traced::new();
    let server = stack.serve(Setup::new(&traced.watch).inner(&inner.watch.observer)).await;
    let mut client = server.connect().await;
    client.send(get("/plain")).await.expect("a response");
    let outer = &traced.watch.ended(1).await[0];
    let within = &inner.watch.ended(1).await[0];
    client.disconnect().await;
    server.stop().await;
    assert_eq!(outer.start().trace.span_id, within.start().trace.span_id);
    assert_eq!((traced.spans().len(), inner.collector.spans().len()), (1, 0));
}
