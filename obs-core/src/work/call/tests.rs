//! Calls in a request: what is recorded of them, and what is sent.

use std::{
    future::{Future, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use crate::{
    http::{head::RequestHead, headers::HeaderLookup},
    record::{call::CallFailure, finished::Record, outcome::Outcome},
    testing::TestObserver,
    work::{
        call::{head::CallHead, observation::CallObservation},
        scope::current,
    },
};

struct Caller;
impl HeaderLookup for Caller {
    fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
        match name {
            "traceparent" => f(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            "tracestate" => f(b"a=1"),
            "baggage" => f(b"tenant=blue"),
            "x-request-id" => f(b"mine"),
            _ => {}
        }
    }
}

/// Runs `handler` in a request, and returns the record of the request.
fn request(test: &TestObserver, handler: impl FnOnce()) -> Record {
    let mut observation = test.observer().start(&RequestHead::new("GET", "/", &Caller));
    observation.set_route("/");
    let (mut observation, result) = observation.run(handler);
    result.expect("no panic");
    observation.responded(200, &());
    observation.finish(Outcome::Completed);
    test.records().pop().expect("a record")
}

fn headers(inject: impl FnOnce(&mut dyn FnMut(&str, &str))) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    inject(&mut |name, value| headers.push((name.to_owned(), value.to_owned())));
    headers
}

fn value<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

const EXTERNAL: CallHead<'static> = CallHead::http("GET", "https", "api.example.com");
const INTERNAL: CallHead<'static> = CallHead::http("GET", "http", "payments");

fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// The names and counts of the dependencies of a request.
fn counts(record: &Record) -> Vec<(&str, u32)> {
    record.calls.by_dependency().iter().map(|calls| (calls.dependency.as_str(), calls.count)).collect()
}

#[test]
fn each_call_has_a_span_id_of_its_own_which_it_sends() {
    let test = TestObserver::new();
    let mut sent = Vec::new();
    let record = request(&test, || {
        for head in [INTERNAL, EXTERNAL] {
            let mut call = test.observer().start_call(&head.path("/a").query(Some("token=abc&b=1")));
            sent.push(headers(|set| call.inject(set)));
            call.responded(200, &());
            call.finish();
        }
    });
    let trace = &record.start().trace;
    let spans: Vec<_> = record.calls.slowest().iter().map(|call| call.span_id).collect();
    assert_ne!(spans[0], spans[1]);
    for (headers, span) in sent.iter().zip(&spans) {
        let expected = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{span}-01");
        assert_eq!(value(headers, "traceparent"), Some(expected.as_str()));
        assert_eq!(value(headers, "tracestate"), Some("a=1"));
    }
    // Only an internal host gets baggage and the request id.
    assert_eq!(value(&sent[0], "baggage"), Some("tenant=blue"));
    assert_eq!(value(&sent[0], "x-request-id"), Some("mine"));
    assert_eq!((value(&sent[1], "baggage"), value(&sent[1], "x-request-id")), (None, None));
    for call in test.calls() {
        assert_eq!(call.start().trace.parent_id, Some(trace.span_id));
        assert_eq!(call.start().id.as_str(), "mine");
    }
    assert_eq!(counts(&record), [("payments", 1), ("api.example.com", 1)]);
}

#[test]
fn a_url_has_no_secrets() {
    let test = TestObserver::new();
    let head = EXTERNAL.port(Some(8443)).path("/a").query(Some("token=abc&b=1"));
    drop(test.observer().start_call(&head));
    let call = test.calls().pop().expect("a call");
    let crate::record::call::CallTarget::Http(http) = &call.call().expect("a call").start.target else {
        panic!("it is an HTTP call");
    };
    assert_eq!(&*http.url, "https://api.example.com:8443/a?token=REDACTED&b=1");
    assert_eq!(call.call().expect("a call").start.dependency.as_str(), "api.example.com:8443");
}

#[test]
fn a_call_without_work_begins_a_trace() {
    let test = TestObserver::new();
    let mut call = test.observer().start_call(&INTERNAL);
    let sent = headers(|set| call.inject(set));
    call.responded(503, &());
    call.finish();
    let record = test.calls().pop().expect("a call");
    let trace = &record.start().trace;
    assert_eq!((trace.parent_id, record.error_type()), (None, Some("503")));
    let expected = format!("00-{}-{}-03", trace.trace_id, trace.span_id);
    assert_eq!(value(&sent, "traceparent"), Some(expected.as_str()));
    assert_eq!(value(&sent, "x-request-id"), None, "there is no request");
}

#[test]
fn failures_and_drops_are_told_apart() {
    let test = TestObserver::new();
    let observer = test.observer();
    drop(observer.start_call(&INTERNAL));
    let mut answered = observer.start_call(&INTERNAL);
    answered.responded(200, &());
    drop(answered);
    let mut refused = observer.start_call(&INTERNAL);
    refused.failed(CallFailure::Connect, None);
    refused.failed(CallFailure::Body, None);
    drop(refused);
    let mut truncated = observer.start_call(&INTERNAL);
    truncated.responded(200, &());
    truncated.failed(CallFailure::Incomplete, None);
    truncated.finish();
    let seen: Vec<_> = test.calls().iter().map(|call| (call.outcome, call.error_type())).collect();
    assert_eq!(
        seen,
        [
            (Outcome::CancelledBeforeResponse, Some("cancelled")),
            (Outcome::CancelledInBody, Some("cancelled")),
            (Outcome::ServiceError, Some("connect")),
            (Outcome::Truncated, Some("incomplete")),
        ]
    );
    for (error_type, count) in [("cancelled", 2.0), ("connect", 1.0), ("incomplete", 1.0)] {
        test.metric("http_client_errors_total", &[("dependency", "payments"), ("error_type", error_type)])
            .is(count);
    }
    let durations = "http_client_request_duration_seconds_count";
    test.metric(durations, &[("dependency", "payments"), ("method", "GET"), ("status", "none")]).is(2.0);
    test.metric(durations, &[("dependency", "payments"), ("method", "GET"), ("status", "200")]).is(2.0);
    test.metric("http_client_requests_in_flight", &[("dependency", "payments")]).is(0.0);
}

#[test]
fn calls_in_flight_are_counted() {
    let test = TestObserver::new();
    let running = test.observer().start_call(&INTERNAL);
    test.metric("http_client_requests_in_flight", &[("dependency", "payments")]).is(1.0);
    running.finish();
    test.metric("http_client_requests_in_flight", &[("dependency", "payments")]).is(0.0);
}

#[test]
fn a_call_by_hand_around_an_observed_one_only_names_it() {
    let test = TestObserver::new();
    let record = request(&test, || {
        let observed = async {
            let mut call = test.observer().start_call(&EXTERNAL);
            call.responded(500, &());
            call.finish();
            Ok::<_, ()>(())
        };
        let by_hand = current().call("stripe").operation("POST /charges");
        assert_eq!(poll(by_hand.observe(observed)), Poll::Ready(Ok(())));
        // The same with a guard alone, if both have one name.
        let by_hand = current().call("payments");
        test.observer().start_call(&INTERNAL).finish();
        drop(by_hand);
    });
    assert_eq!(counts(&record), [("stripe", 1), ("payments", 1)]);
    assert_eq!(test.calls().len(), 2);
    assert_eq!(record.calls.slowest()[0].error_type, Some("500"));
}

#[test]
fn calls_inside_of_an_observed_call_do_not_count_twice() {
    let test = TestObserver::new();
    let record = request(&test, || {
        let observer = test.observer();
        let mut call = observer.start_call(&INTERNAL);
        call.enter(|| {
            drop(current().call("payments"));
            let inner = observer.start_call(&INTERNAL);
            assert_eq!(headers(|set| inner.inject(set)), [], "the outer call has set them");
            inner.finish();
            // A token from another host is a call of its own.
            observer.start_call(&EXTERNAL).finish();
        });
        call.responded(200, &());
        call.finish();
        // After the observed call, calls by hand count again.
        drop(current().call("payments"));
    });
    assert_eq!(counts(&record), [("api.example.com", 1), ("payments", 2)]);
}

#[test]
fn a_request_inside_of_a_call_has_calls_of_its_own() {
    let test = TestObserver::new();
    let observer = test.observer();
    let mut call = observer.start_call(&INTERNAL);
    let record = call.enter(|| request(&test, || observer.start_call(&INTERNAL).finish()));
    call.finish();
    assert_eq!(counts(&record), [("payments", 1)]);
}

#[test]
fn a_call_by_hand_sends_its_own_span_id() {
    let test = TestObserver::new();
    let mut sent = Vec::new();
    let record = request(&test, || {
        let call =
            current().call("payments").inject(|name, value| sent.push((name.to_owned(), value.to_owned())));
        assert_eq!(poll(call.observe(ready(Err::<(), _>(())))), Poll::Ready(Err(())));
        let unpolled = current().call("cache").observe(std::future::pending::<Result<(), ()>>());
        assert!(poll(unpolled).is_pending(), "and then it is dropped");
    });
    let slowest = record.calls.slowest();
    let payments = slowest.iter().find(|call| call.dependency.as_str() == "payments").expect("a call");
    assert!(value(&sent, "traceparent").expect("a header").contains(&payments.span_id.to_string()));
    assert_eq!(value(&sent, "baggage"), Some("tenant=blue"));
    assert_eq!(payments.error_type, Some("failed"));
    let cache = slowest.iter().find(|call| call.dependency.as_str() == "cache").expect("a call");
    assert_eq!(cache.error_type, Some("cancelled"));
    test.metric("dependency_call_duration_seconds_count", &[("dependency", "payments")]).is(1.0);
}

#[test]
fn injected_headers_alone_are_a_call_without_a_duration() {
    let test = TestObserver::new();
    let (mut first, mut second, mut in_call) = (Vec::new(), Vec::new(), Vec::new());
    let record = request(&test, || {
        first = headers(|set| current().inject(set));
        second = headers(|set| current().inject(set));
        let call = current().call("payments");
        in_call = headers(|set| current().inject(set));
        drop(call);
    });
    let calls = record.calls.slowest();
    assert_eq!(counts(&record), [("unnamed", 2), ("payments", 1)]);
    for (headers, place) in [(&first, 0), (&second, 1), (&in_call, 2)] {
        let traceparent = value(headers, "traceparent").expect("a header");
        assert!(traceparent.contains(&calls[place].span_id.to_string()), "{traceparent}");
        assert_eq!(value(headers, "x-request-id"), Some("mine"));
    }
    assert_ne!(value(&first, "traceparent"), value(&second, "traceparent"));
    assert_eq!((calls[0].duration, calls[2].duration.is_some()), (None, true));
    let event = test.events().pop().expect("an event");
    assert!(event.json()["slowest_calls"][0].get("duration_ms").is_none(), "{event:?}");
}

#[test]
fn a_span_is_the_parent_of_what_runs_inside_of_it() {
    let test = TestObserver::new();
    let mut span_id = None;
    let record = request(&test, || {
        let reserved = crate::work::span_guard::span("reserve stock").set("sku", "a-7");
        span_id = reserved.trace().map(|trace| trace.span_id);
        let work = async {
            current().set("left", 3);
            test.observer().start_call(&INTERNAL).finish();
            assert_eq!(current().trace().map(|trace| trace.span_id), span_id);
            Err::<(), _>("none left")
        };
        assert_eq!(poll(reserved.observe(work)), Poll::Ready(Err("none left")));
        assert_eq!(current().span("price").run(|| 7), 7);
        drop(current().span("price"));
    });
    assert_eq!(test.calls()[0].start().trace.parent_id, span_id);
    assert_eq!(counts(&record), [("payments", 1)]);
    assert_eq!(record.fields.get("left"), Some(&3.into()), "fields are those of the request");
    let spans: Vec<_> = record.spans().iter().map(|span| (&*span.name, span.count, span.errors)).collect();
    assert_eq!(spans, [("reserve stock", 1, 1), ("price", 2, 0)]);
    let event = test.events().pop().expect("an event");
    assert_eq!(event.json()["spans"][0]["name"], "reserve stock");
}

#[test]
fn without_work_spans_and_calls_by_hand_do_nothing() {
    assert_eq!(crate::work::span_guard::span("price").run(|| 7), 7);
    assert!(current().call("payments").trace().is_none());
    assert_eq!(headers(|set| current().inject(set)), []);
}

#[test]
fn a_grpc_call_that_is_cancelled_after_its_deadline_has_exceeded_it() {
    struct Status(&'static str);
    impl HeaderLookup for Status {
        fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
            if name == "grpc-status" {
                f(self.0.as_bytes());
            }
        }
    }
    let (late, early) = (&b"1n"[..], &b"1H"[..]);
    type End = (&'static str, fn(&mut CallObservation));
    let ends: [End; 5] = [
        ("a drop", |_| {}),
        ("CANCELLED", |call| call.trailers(&Status("1"))),
        ("DEADLINE_EXCEEDED", |call| call.trailers(&Status("4"))),
        ("NOT_FOUND", |call| call.trailers(&Status("5"))),
        ("a refused connection", |call| call.failed(CallFailure::Connect, None)),
    ];
    let expected = [
        (late, "timeout DEADLINE_EXCEEDED"),
        (early, "cancelled CANCELLED"),
        (late, "timeout DEADLINE_EXCEEDED"),
        (early, "CANCELLED CANCELLED"),
        (late, "timeout DEADLINE_EXCEEDED"),
        (early, "DEADLINE_EXCEEDED DEADLINE_EXCEEDED"),
        (late, "NOT_FOUND NOT_FOUND"),
        (early, "NOT_FOUND NOT_FOUND"),
        (late, "connect UNAVAILABLE"),
        (early, "connect UNAVAILABLE"),
    ];
    for ((end, finish), expected) in ends.iter().zip(expected.chunks(2)) {
        for (timeout, expected) in expected {
            let test = TestObserver::new();
            let head = CallHead::grpc("/a.B/C", "http", "payments").grpc_timeout(Some(timeout));
            let mut call = test.observer().start_call(&head);
            finish(&mut call);
            if *end == "a drop" {
                drop(call)
            } else {
                call.finish()
            }
            let record = test.calls().pop().expect("a call");
            let status = record.call().expect("a call").end.grpc_status.expect("a status");
            let shown = format!("{} {}", record.error_type().expect("an error"), status.as_str());
            assert_eq!(shown, *expected, "{end}");
        }
    }
}
