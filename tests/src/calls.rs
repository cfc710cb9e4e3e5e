//! The calls that a client makes in a request, and all that the outputs show of them.

use std::net::SocketAddr;

use obs_core::{Observer, ObserverBuilder, Outcome, adapter::RequestHead, otel::Otel};
use serde_json::{Map, Value, json};

use crate::{
    collector::{Collector, Span},
    watch::Watch,
};

/// The headers of the request in which the calls are made.
const CALLER: [(&str, &str); 3] = [
    ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ("baggage", "tenant=blue"),
    ("x-request-id", "order-1"),
];

/// The trace of the request in which the calls are made.
pub const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// An observer in memory, whose spans go to a collector.
pub struct Calls {
    pub watch: Watch,
    collector: Collector,
}

/// All that the outputs show of one request and its calls.
#[derive(Debug)]
pub struct Shown {
    /// The event of the request.
    pub event: Value,
    /// The spans of the calls, in the order in which they started.
    pub spans: Vec<Span>,
}

/// An expected call.
#[derive(Clone, Debug)]
pub struct ExpectedCall {
    dependency: String,
    operation: &'static str,
    status: Option<u16>,
    error_type: Option<&'static str>,
    resend: u32,
    attributes: Map<String, Value>,
}

impl Default for Calls {
    fn default() -> Self {
        Self::with(|builder| builder)
    }
}

impl Calls {
    #[must_use]
    pub fn with(settings: impl FnOnce(ObserverBuilder) -> ObserverBuilder) -> Self {
        let collector = Collector::start();
        let otel = Otel::new().endpoint(collector.endpoint());
        Self { watch: Watch::with(|builder| settings(builder.otel(otel))), collector }
    }

    #[must_use]
    pub const fn observer(&self) -> &Observer {
        &self.watch.observer
    }

    /// Runs a handler in a request, and returns its result and all that the outputs show.
    pub async fn in_request<T>(&self, handler: impl Future<Output = T>) -> (T, Shown) {
        let mut headers = http::HeaderMap::new();
        for (name, value) in CALLER {
            headers.insert(name, http::HeaderValue::from_static(value));
        }
        let mut request = self.observer().start(&RequestHead::new("POST", "/orders", &headers));
        request.set_route("/orders");
        let result = request.work().scope(handler).await;
        request.responded(200, &());
        request.finish(Outcome::Completed);
        (result, self.shown().await)
    }

    async fn shown(&self) -> Shown {
        let event = self.watch.lines().pop().expect("an event");
        let calls = event["calls"].as_array().into_iter().flatten();
        let n: u64 = calls.map(|calls| calls["count"].as_u64().expect("a number")).sum();
        let spans = self.collector.wait(usize::try_from(n).expect("few") + 1).await;
        let mut of_calls: Vec<_> = spans.into_iter().filter(|span| span.kind == "CLIENT").collect();
        of_calls.sort_by_key(|span| span.start_nanos);
        Shown { event, spans: of_calls }
    }

    /// Checks that exactly these calls of HTTP are in the event, the spans and the metrics.
    #[track_caller]
    pub fn check_http(&self, shown: &Shown, expected: &[ExpectedCall]) {
        self.check(shown, expected);
        for call in expected {
            let status = call.status.map_or("none".to_owned(), |status| status.to_string());
            let labels =
                [("method", call.operation), ("dependency", &*call.dependency), ("status", &*status)];
            let same = |other: &&ExpectedCall| {
                (other.operation, &other.dependency, other.status)
                    == (call.operation, &call.dependency, call.status)
            };
            let n = expected.iter().filter(same).count();
            self.watch.sum("http_client_request_duration_seconds_count", &labels).is(n as f64);
        }
        self.check_metrics(
            "http_client_request_duration_seconds",
            "http_client_requests_in_flight",
            expected,
        );
        self.check_errors("http_client_errors_total", expected);
    }

    /// Checks that exactly these calls of gRPC are in the event, the spans and the metrics.
    #[track_caller]
    pub fn check_grpc(&self, shown: &Shown, expected: &[ExpectedCall]) {
        self.check(shown, expected);
        for call in expected {
            let status = call.attributes.get("rpc.response.status_code").and_then(Value::as_str);
            let labels = [
                ("rpc_method", call.operation),
                ("dependency", &*call.dependency),
                ("grpc_status", status.unwrap_or("none")),
            ];
            self.watch.sum("rpc_client_call_duration_seconds_count", &labels).is(1.0);
        }
        self.check_metrics("rpc_client_call_duration_seconds", "rpc_client_calls_in_flight", expected);
        self.check_errors("rpc_client_errors_total", expected);
    }

    #[track_caller]
    fn check_metrics(&self, duration: &str, in_flight: &str, expected: &[ExpectedCall]) {
        let n = self.watch.metric(&format!("{duration}_count"), "");
        assert_eq!(n, expected.len() as f64, "one histogram count per call");
        assert_eq!(self.watch.metric(in_flight, ""), 0.0, "nothing is in flight");
    }

    #[track_caller]
    fn check_errors(&self, name: &str, expected: &[ExpectedCall]) {
        let failed: Vec<_> = expected.iter().filter(|call| call.error_type.is_some()).collect();
        assert_eq!(self.watch.metric(name, ""), failed.len() as f64, "one error per failed call");
        for call in &failed {
            let same = |other: &&&ExpectedCall| {
                (&other.dependency, other.error_type) == (&call.dependency, call.error_type)
            };
            let n = failed.iter().filter(same).count();
            let labels =
                [("dependency", &*call.dependency), ("error_type", call.error_type.unwrap_or_default())];
            self.watch.sum(name, &labels).is(n as f64);
        }
    }

    #[track_caller]
    fn check(&self, shown: &Shown, expected: &[ExpectedCall]) {
        let Shown { event, spans } = shown;
        assert_eq!(spans.len(), expected.len(), "{spans:#?}");
        let total: u64 = shown.totals().map(|calls| calls["count"].as_u64().expect("a number")).sum();
        assert_eq!(total, expected.len() as u64, "{event:#}");
        for (span, call) in spans.iter().zip(expected) {
            assert_eq!((span.name.as_str(), span.kind), (call.operation, "CLIENT"));
            assert_eq!((&*span.trace_id, span.parent_span_id.as_deref()), (TRACE, event["span_id"].as_str()));
            let attributes: Map<_, _> = span.attributes.clone().into_iter().collect();
            assert_eq!(attributes, call.attributes, "attributes of {span:#?}");
            let status = if call.error_type.is_some() { "ERROR" } else { "UNSET" };
            assert_eq!(span.status.0, status, "{span:#?}");
            call.check_entry(shown.entry(&span.span_id));
        }
        for call in expected {
            let same = expected.iter().filter(|other| other.dependency == call.dependency);
            let errors = same.clone().filter(|other| other.error_type.is_some()).count();
            let found = shown.totals().find(|calls| calls["dependency"] == *call.dependency);
            let found = found.unwrap_or_else(|| panic!("{} in {event:#}", call.dependency));
            assert_eq!(
                (&found["count"], &found["errors"]),
                (&same.count().into(), &errors.into()),
                "{found}"
            );
        }
    }
}

impl Shown {
    fn totals(&self) -> impl Iterator<Item = &Value> {
        self.event["calls"].as_array().into_iter().flatten()
    }

    /// The entry of a call in the event, by the id of its span.
    #[track_caller]
    fn entry(&self, span: &str) -> &Value {
        let mut calls = self.event["slowest_calls"].as_array().into_iter().flatten();
        calls.find(|call| call["span_id"] == span).unwrap_or_else(|| panic!("{span} in {:#}", self.event))
    }

    /// The `traceparent` that the call with this number sends.
    #[must_use]
    pub fn traceparent(&self, number: usize) -> String {
        format!("00-{TRACE}-{}-01", self.spans[number].span_id)
    }
}

impl ExpectedCall {
    /// A call of HTTP to an address. The URL has no default port.
    #[must_use]
    pub fn http(method: &'static str, url: &str) -> Self {
        let uri: http::Uri = url.parse().expect("a URL");
        let (host, port) = (uri.host().expect("a host"), uri.port_u16());
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let attributes = json!({
            "http.request.method": method,
            "url.full": url,
            "server.address": host,
            "server.port": port.unwrap_or(default),
        });
        Self::new(uri.authority().expect("an authority").as_str(), method, attributes)
    }

    /// A call of gRPC to an address.
    #[must_use]
    pub fn grpc(method: &'static str, addr: SocketAddr) -> Self {
        Self::grpc_of(method, &addr.ip().to_string(), addr.port())
    }

    /// A call of gRPC to a host, at the default port.
    #[must_use]
    pub fn grpc_of_host(method: &'static str, host: &str) -> Self {
        Self::grpc_at(host, method, host, 80)
    }

    /// A call of gRPC to a port of a host.
    #[must_use]
    pub fn grpc_of(method: &'static str, host: &str, port: u16) -> Self {
        Self::grpc_at(&format!("{host}:{port}"), method, host, port)
    }

    fn grpc_at(dependency: &str, method: &'static str, host: &str, port: u16) -> Self {
        let attributes = json!({
            "rpc.system.name": "grpc",
            "rpc.method": method,
            "server.address": host,
            "server.port": port,
        });
        Self::new(dependency, method, attributes)
    }

    fn new(dependency: &str, operation: &'static str, attributes: Value) -> Self {
        let Value::Object(attributes) = attributes else { unreachable!("it is an object") };
        let dependency = dependency.to_owned();
        Self { dependency, operation, status: None, error_type: None, resend: 0, attributes }
    }

    /// A response with this status over HTTP/1.1. A status of 400 or above is an error.
    #[must_use]
    pub fn responded(self, status: u16) -> Self {
        self.responded_over("1.1", status)
    }

    /// A response with this status over this version of HTTP.
    #[must_use]
    pub fn responded_over(mut self, version: &str, status: u16) -> Self {
        self.status = Some(status);
        self.attributes.insert("network.protocol.version".to_owned(), version.into());
        self.attributes.insert("http.response.status_code".to_owned(), status.into());
        match status {
            400.. => self.failed(status.to_string().leak()),
            _ => self,
        }
    }

    /// The status of a gRPC call, after an HTTP response with 200. `None` if the call failed
    /// before.
    #[must_use]
    pub fn grpc_status(mut self, http: Option<u16>, status: &'static str) -> Self {
        self.status = http;
        self.attributes.insert("rpc.response.status_code".to_owned(), status.into());
        if status == "OK" { self } else { self.failed(status) }
    }

    /// A failure of the call.
    #[must_use]
    pub fn failed(mut self, error_type: &'static str) -> Self {
        self.error_type = Some(error_type);
        self.attributes.insert("error.type".to_owned(), error_type.into());
        self
    }

    /// The number of earlier attempts.
    #[must_use]
    pub fn resend(mut self, number: u32) -> Self {
        self.resend = number;
        self.attributes.insert("http.request.resend_count".to_owned(), number.into());
        self
    }

    /// A name that the application gave the dependency.
    #[must_use]
    pub fn named(mut self, dependency: &str) -> Self {
        self.dependency = dependency.to_owned();
        self.attributes.insert("peer.service".to_owned(), dependency.into());
        self
    }

    /// A further attribute of the span.
    #[must_use]
    pub fn attribute(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.attributes.insert(key.to_owned(), value.into());
        self
    }

    /// Checks the entry of this call in the event.
    #[track_caller]
    fn check_entry(&self, entry: &Value) {
        assert_eq!(entry["dependency"], *self.dependency, "{entry}");
        assert_eq!(entry["operation"], self.operation, "{entry}");
        assert_eq!(entry["status"].as_u64(), self.status.map(u64::from), "{entry}");
        assert_eq!(entry["error.type"].as_str(), self.error_type, "{entry}");
        assert_eq!(entry["failed"].as_bool(), self.error_type.map(|_| true), "{entry}");
        assert_eq!(
            entry["resend_count"].as_u64(),
            Some(u64::from(self.resend)).filter(|n| *n > 0),
            "{entry}"
        );
        assert_eq!(entry["time_to_head_ms"].is_null(), self.status.is_none(), "{entry}");
        assert!(entry["duration_ms"].is_number(), "{entry}");
    }
}
