//! The facts of one call, checked in each output: its record, its event, the metrics and its span.

use crate::of_request::OfRequest as _;
use obs_core::{
    Outcome,
    output::{GrpcCall, Record},
};
use prost::Message;
use serde_json::Value;

use crate::{
    caller::Caller,
    cases::spans::Traced,
    collector::Span,
    stacks::{Server, Setup, Stack},
    watch::Expected,
};

/// The attributes that each gRPC span has here.
const ALWAYS: [&str; 9] = [
    "client.address",
    "network.peer.address",
    "network.peer.port",
    "network.protocol.name",
    "network.protocol.version",
    "rpc.method",
    "rpc.system.name",
    "server.address",
    "server.port",
];

/// A running server, with tonic's client.
pub(super) struct Running {
    pub(super) traced: Traced,
    pub(super) server: Server,
    pub(super) caller: Caller,
}

impl Running {
    pub(super) async fn start(stack: Stack) -> Self {
        Self::with(stack, Traced::new()).await
    }

    pub(super) async fn with(stack: Stack, traced: Traced) -> Self {
        let server = stack.serve(Setup::new(&traced.watch)).await;
        let caller = Caller::connect(server.addr).await;
        Self { traced, server, caller }
    }

    /// Waits until `n` calls have ended, and stops the server.
    pub(super) async fn end(self, n: usize) -> Ended {
        let Self { traced, server, caller } = self;
        let records = traced.watch.ended(n).await;
        drop(caller);
        server.stop().await;
        let spans = traced.spans();
        let events = traced.watch.lines();
        assert_eq!((records.len(), events.len(), spans.len()), (n, n, n));
        Ended { traced, records, events, spans }
    }
}

/// All output of the calls that have ended.
pub(super) struct Ended {
    pub(super) traced: Traced,
    pub(super) records: Vec<Record>,
    pub(super) events: Vec<Value>,
    pub(super) spans: Vec<Span>,
}

/// The expected ending of a call.
pub(super) struct ExpectedCall {
    /// The path of the called method.
    path: &'static str,
    known: bool,
    outcome: Outcome,
    http: Option<u16>,
    status: Option<&'static str>,
    requests: u64,
    answers: &'static [&'static str],
    stream: bool,
    error_type: Option<&'static str>,
    message: Option<&'static str>,
}

impl ExpectedCall {
    /// A call that gets a response, and ends with this gRPC status.
    pub(super) const fn answered(path: &'static str, status: &'static str) -> Self {
        Self {
            path,
            known: true,
            outcome: Outcome::Completed,
            http: Some(200),
            status: Some(status),
            requests: 1,
            answers: &[],
            stream: false,
            error_type: None,
            message: None,
        }
    }

    /// A call that ends without a status, in the middle of its response.
    pub(super) const fn ended(path: &'static str, outcome: Outcome) -> Self {
        let answered = Self::answered(path, "");
        Self { outcome, status: None, error_type: Some(outcome.as_str()), ..answered }
    }

    /// Expects no head of a response.
    pub(super) const fn without_a_head(mut self) -> Self {
        self.http = None;
        self
    }

    pub(super) const fn unknown(mut self) -> Self {
        self.known = false;
        self
    }

    pub(super) const fn status(mut self, status: &'static str) -> Self {
        self.status = Some(status);
        self
    }

    /// Sets the number of request messages, and the texts of the response messages.
    pub(super) const fn messages(mut self, requests: u64, answers: &'static [&'static str]) -> Self {
        (self.requests, self.answers) = (requests, answers);
        self
    }

    pub(super) const fn stream(mut self) -> Self {
        self.stream = true;
        self
    }

    /// Expects a failure of the service, with this error type.
    pub(super) const fn failure(mut self, error_type: &'static str) -> Self {
        self.error_type = Some(error_type);
        self
    }

    pub(super) const fn message(mut self, message: &'static str) -> Self {
        self.message = Some(message);
        self
    }

    /// Checks the only call.
    pub(super) fn check(&self, ended: &Ended) {
        let bytes = self.answers.iter().map(|text| 5 + (*text).to_owned().encoded_len() as u64).sum();
        let mut expected = Expected::completed(200, self.path, bytes).outcome(self.outcome);
        if !self.known {
            expected = expected.unmatched();
        }
        if self.http.is_none() {
            expected = expected.no_status();
        }
        if self.stream {
            expected = expected.stream();
        }
        ended.traced.watch.check(&[expected]);
        self.check_record(&ended.records[0]);
        self.check_event(&ended.events[0]);
        self.check_metrics(ended);
        self.check_span(&ended.spans[0]);
    }

    fn check_record(&self, record: &Record) {
        let call = record.end().grpc.as_ref().expect("a call");
        let GrpcCall { status, request_messages, response_messages, .. } = call;
        assert_eq!(status.map(|status| status.as_str()), self.status, "{call:?}");
        assert_eq!((*request_messages, *response_messages), (Some(self.requests), self.answers.len() as u64));
        assert!(record.head().peer.is_some_and(|peer| peer.ip().is_loopback()));
        assert_eq!(record.error_type(), self.error_type);
    }

    fn check_event(&self, event: &Value) {
        let method = self.known.then(|| &self.path[1..]);
        let texts = [
            ("rpc.system.name", Some("grpc")),
            ("rpc.method", method),
            ("rpc.response.status_code", self.status),
            ("error.message", self.message),
        ];
        for (name, text) in texts {
            assert_eq!(event[name].as_str(), text, "{name} of {event:#}");
        }
        assert_eq!(event["grpc.request.messages"], self.requests);
        assert_eq!(event["grpc.response.messages"], self.answers.len());
    }

    fn check_metrics(&self, ended: &Ended) {
        let watch = &ended.traced.watch;
        let endpoint = if self.known { self.path } else { "unmatched" };
        let left = if self.outcome == Outcome::DeadlineExceeded { 504 } else { 499 };
        let http = self.http.unwrap_or(left);
        let grpc = self.status.map(|status| format!(r#",grpc_status="{status}""#)).unwrap_or_default();
        // With the closing brace: there must be no other label.
        let labels = format!(r#"{{method="POST",endpoint="{endpoint}",status="{http}"{grpc}}}"#);
        assert_eq!(watch.metric("http_requests_total", &labels), 1.0, "{labels}");
        let (durations, streams) =
            ("http_request_duration_seconds_count", "http_stream_duration_seconds_count");
        let (there, nowhere) = if self.stream { (streams, durations) } else { (durations, streams) };
        assert_eq!((watch.metric(there, &labels), watch.metric(nowhere, &labels)), (1.0, 0.0));
        if let Some(error_type) = self.error_type {
            let labels = format!(r#"{{method="POST",endpoint="{endpoint}",error_type="{error_type}"}}"#);
            assert_eq!(watch.metric("http_request_errors_total", &labels), 1.0, "{labels}");
        }
    }

    fn check_span(&self, span: &Span) {
        let method = &self.path[1..];
        let name = if self.known { method } else { "grpc" };
        assert_eq!((span.kind, span.name.as_str()), ("SERVER", name));
        let mut keys = ALWAYS.to_vec();
        span.has("rpc.system.name", "grpc").has("rpc.method", if self.known { method } else { "_OTHER" });
        if !self.known {
            keys.push("rpc.method_original");
            span.has("rpc.method_original", method);
        }
        if let Some(status) = self.status {
            keys.push("rpc.response.status_code");
            span.has("rpc.response.status_code", status);
        }
        match self.error_type {
            None => assert_eq!(span.status, ("UNSET", String::new())),
            Some(error_type) => {
                keys.push("error.type");
                // The conventions name a panic by the status that the caller got.
                let panicked = error_type == Outcome::Panicked.as_str();
                span.has("error.type", self.status.filter(|_| panicked).unwrap_or(error_type));
                assert_eq!(span.status, ("ERROR", self.message.unwrap_or_default().to_owned()));
            }
        }
        span.only(&keys);
        span.has("client.address", "127.0.0.0").has("network.peer.address", "127.0.0.0");
        span.has("network.protocol.name", "http").has("network.protocol.version", "2");
    }
}
