//! An incoming request that makes calls, and everything that its observer shows of them.

use std::collections::BTreeMap;

use obs_core::{
    Observer, ObserverBuilder, Outcome,
    adapter::RequestHead,
    otel::Otel,
    output::{CallTarget, Record},
};
use obs_tests::{
    collector::{Collector, Span},
    peers::ReceivedRequest,
    watch::{BOUND, Watch},
};
use serde_json::Value;

use super::kinds::NAME;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The observer's view of one incoming request.
pub(crate) struct Seen {
    calls: Vec<Record>,
    event: Value,
    spans: Vec<Span>,
    watch: Watch,
}

/// An expected call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<&'static str>,
    pub(crate) resend: u32,
}

impl Call {
    pub(crate) const fn success(status: u16) -> Self {
        Self { status: Some(status), error: None, resend: 0 }
    }

    pub(crate) const fn failed(error: &'static str) -> Self {
        Self { status: None, error: Some(error), resend: 0 }
    }

    /// The response had a head.
    pub(crate) const fn after(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    pub(crate) const fn resend(mut self, attempts: u32) -> Self {
        self.resend = attempts;
        self
    }
}

/// Runs a future in an incoming request, and returns its result and the observer's view.
pub(crate) async fn in_request<T>(
    settings: impl FnOnce(ObserverBuilder) -> ObserverBuilder,
    run: impl AsyncFnOnce(&Observer) -> T,
) -> (T, Seen) {
    let collector = Collector::start();
    let otel = Otel::new().endpoint(collector.endpoint());
    let watch = Watch::with(|builder| settings(builder.otel(otel)));
    let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let headers: http::HeaderMap =
        [("traceparent", traceparent.as_str()), ("baggage", "tenant=blue"), ("x-request-id", "order-1")]
            .into_iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
    let mut observation = watch.observer.start(&RequestHead::new("POST", "/orders", &headers));
    let result = observation.work().scope(run(&watch.observer)).await;
    observation.set_route("/orders");
    observation.responded(200, &());
    observation.finish(Outcome::Completed);

    let mut events = watch.lines();
    assert_eq!(events.len(), 1, "calls have no event of their own: {events:#?}");
    let calls = watch.calls();

    let report = watch.observer.shutdown(BOUND);
    assert!(report.flushed, "{report:?}");
    let seen = Seen { calls, event: events.remove(0), spans: collector.spans(), watch };

    (result, seen)
}

impl Seen {
    /// Checks that the calls are these, in records, metrics, the event and spans.
    #[track_caller]
    pub(crate) fn check(&self, what: &str, expected: &[Call]) {
        let calls: Vec<_> = self.calls.iter().map(call).collect();
        assert_eq!(calls, expected, "the records of {what}: {:#?}", self.calls);
        self.check_metrics(what, expected);
        self.check_event(what, expected);
        self.check_spans(what, expected);
    }

    #[track_caller]
    fn check_metrics(&self, what: &str, expected: &[Call]) {
        let mut by_status = BTreeMap::<_, f64>::new();
        let mut by_error = BTreeMap::<_, f64>::new();
        for call in expected {
            *by_status.entry(call.status).or_default() += 1.0;
            if let Some(error) = call.error {
                *by_error.entry(error).or_default() += 1.0;
            }
        }
        const DURATION: &str = "http_client_request_duration_seconds_count";
        for (status, count) in by_status {
            let status = status.map_or("none".to_owned(), |status| status.to_string());
            let labels = [("dependency", NAME), ("status", status.as_str())];
            assert_eq!(self.sum(DURATION, &labels), count, "{DURATION} of {status} of {what}");
        }
        assert_eq!(self.sum(DURATION, &[]), expected.len() as f64, "{DURATION} of {what}");
        const ERRORS: &str = "http_client_errors_total";
        for (error, count) in &by_error {
            let labels = [("dependency", NAME), ("error_type", *error)];
            assert_eq!(self.sum(ERRORS, &labels), *count, "{ERRORS} of {error} of {what}");
        }
        assert_eq!(self.sum(ERRORS, &[]), by_error.values().sum::<f64>(), "{ERRORS} of {what}");
        let in_flight = self.sum("http_client_requests_in_flight", &[("dependency", NAME)]);
        assert_eq!(in_flight, 0.0, "calls in flight of {what}");
    }

    /// The sum of all samples with these labels.
    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let page = self.watch.observer.metrics_text();
        let samples = page.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        });
        samples.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    #[track_caller]
    fn check_event(&self, what: &str, expected: &[Call]) {
        let event = &self.event;
        let summed = event["calls"].as_array().unwrap_or_else(|| panic!("calls of {what} in {event:#}"));
        assert_eq!(summed.len(), 1, "one dependency of {what}: {event:#}");
        assert_eq!(summed[0]["dependency"], NAME, "{what}");
        assert_eq!(summed[0]["count"], expected.len(), "{what}: {event:#}");
        let errors = expected.iter().filter(|call| call.error.is_some()).count();
        assert_eq!(summed[0]["errors"].as_u64().unwrap_or(0), errors as u64, "{what}: {event:#}");
        let single = event["slowest_calls"].as_array().unwrap();
        assert_eq!(single.len(), expected.len(), "{what}: {event:#}");
        for ((entry, expected), record) in single.iter().zip(expected).zip(&self.calls) {
            assert_eq!(entry["dependency"], NAME);
            assert_eq!(entry["status"].as_u64(), expected.status.map(u64::from), "{what}: {entry:#}");
            assert_eq!(entry["error.type"].as_str(), expected.error, "{what}: {entry:#}");
            assert_eq!(
                entry["resend_count"].as_u64().unwrap_or(0),
                u64::from(expected.resend),
                "{what}: {entry:#}"
            );
            assert_eq!(entry["span_id"].as_str(), Some(span_id(record).as_str()), "{what}: {entry:#}");
            assert_eq!(entry["time_to_head_ms"].is_number(), expected.status.is_some(), "{what}: {entry:#}");
        }
    }

    #[track_caller]
    fn check_spans(&self, what: &str, expected: &[Call]) {
        let server = self.spans.iter().find(|span| span.kind == "SERVER").expect("the request's span");
        let clients: Vec<_> = self.spans.iter().filter(|span| span.kind == "CLIENT").collect();
        assert_eq!(clients.len(), expected.len(), "the spans of {what}: {:#?}", self.spans);
        for (expected, record) in expected.iter().zip(&self.calls) {
            let span = clients.iter().find(|span| span.span_id == span_id(record)).expect("its span");
            assert_eq!(span.parent_span_id.as_deref(), Some(server.span_id.as_str()), "siblings: {what}");
            assert_eq!(span.trace_id, TRACE, "{what}");
            let attribute = |name: &str| span.attributes.get(name).cloned().unwrap_or_default();
            assert_eq!(attribute("error.type").as_str(), expected.error, "{what}: {span:#?}");
            assert_eq!(attribute("http.response.status_code").as_u64(), expected.status.map(u64::from));
            let resend = attribute("http.request.resend_count").as_u64();
            assert_eq!(resend, Some(u64::from(expected.resend)).filter(|n| *n > 0), "{what}: {span:#?}");
            let status = if expected.error.is_some() { "ERROR" } else { "UNSET" };
            assert_eq!(span.status.0, status, "{what}: {span:#?}");
            let required =
                ["http.request.method", "peer.service", "server.address", "server.port", "url.full"];
            let allowed = [
                "error.type",
                "http.request.resend_count",
                "http.response.status_code",
                "network.peer.address",
                "network.peer.port",
                "network.protocol.version",
            ];
            span.exactly(&required, &allowed);
            assert!(!format!("{span:?}").contains("hunter2"), "a secret: {span:#?}");
        }
        assert!(!self.event.to_string().contains("hunter2"), "a secret: {:#}", self.event);
    }

    /// Checks that a received request continues the trace as a child of this call.
    #[track_caller]
    pub(crate) fn is_parent(&self, call: usize, request: &ReceivedRequest) {
        let parent = format!("00-{TRACE}-{}-01", span_id(&self.calls[call]));
        assert_eq!(request.header("traceparent"), Some(parent.as_str()), "{request:#?}");
    }

    /// The records of the calls.
    pub(crate) fn calls(&self) -> &[Record] {
        &self.calls
    }
}

/// Checks that a request has baggage and the request id, or none of them.
#[track_caller]
pub(crate) fn check_internal(what: &str, request: &ReceivedRequest, internal: bool) {
    assert_eq!(request.header("baggage"), internal.then_some("tenant=blue"), "{what}: {request:#?}");
    assert_eq!(request.header("x-request-id"), internal.then_some("order-1"), "{what}: {request:#?}");
}

fn call(record: &Record) -> Call {
    let call = record.call().unwrap();
    let CallTarget::Http(http) = &call.start.target else { panic!("an HTTP call: {record:#?}") };
    Call { status: call.end.status, error: call.end.error_type(), resend: http.resend }
}

fn span_id(record: &Record) -> String {
    record.start().trace.span_id.to_string()
}
