//! Tests that spans are the same with and without OpenTelemetry's SDK. By default a span is written
//! from the record of its request. With an application's own sampler or provider, the SDK makes it.

use std::{
    future::Future as _,
    io,
    pin::pin,
    task::{self, Poll, Waker},
};

use http::HeaderMap;
use obs_core::{
    ObserverBuilder, Outcome,
    adapter::{HttpVersion, Observation, RequestHead},
    otel::{
        Otel,
        opentelemetry::{
            Context, KeyValue,
            trace::{SpanContext, Status, TraceContextExt as _},
        },
        opentelemetry_sdk::trace::Sampler,
    },
};
use obs_tests::{
    collector::{Collector, Span},
    sampler::UnknownSampler,
    watch::{BOUND, Watch},
};

#[derive(Debug)]
struct Outer(io::Error);
impl std::fmt::Display for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cannot buy")
    }
}
impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

/// Sends some requests of a caller, and returns their spans without the values that differ between
/// runs.
fn spans(
    parent: &'static str,
    otel: impl Fn(Otel) -> Otel,
    settings: impl Fn(ObserverBuilder) -> ObserverBuilder,
) -> Vec<Span> {
    let collector = Collector::start();
    let otel = otel(Otel::new().endpoint(collector.endpoint()));
    let watch = Watch::with(|builder| settings(builder.otel(otel)));
    let headers = |headers: &[(&'static str, &'static str)]| -> HeaderMap {
        headers
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
            .collect()
    };
    let traced = [
        ("traceparent", parent),
        ("tracestate", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        ("baggage", "tenant=blue"),
        ("user-agent", "agent/1.0 \"x\""),
        ("host", "shop.example:8443"),
        ("x-tenant", "one, two"),
    ];
    let grpc = [("content-type", "application/grpc"), ("te", "trailers"), ("x-tenant", "told")];
    let run = |method: &str, path: &str, headers: &HeaderMap, serve: &dyn Fn(Observation)| {
        let head = RequestHead::new(method, path, headers).query(Some("page=2&token=hunter2"));
        let version = if headers.contains_key("te") { HttpVersion::Http2 } else { HttpVersion::Http11 };
        let head = head.version(version).peer(Some(([192, 0, 2, 7], 4711).into()));
        serve(watch.observer.start(&head));
    };
    let done = |mut observation: Observation, status: u16| {
        observation.set_route("/items/{id}");
        observation.responded(status, &());
        observation.finish(Outcome::Completed);
    };
    run("GET", "/items/7", &headers(&traced), &|observation| done(observation, 200));
    run("GET", "/items/7", &headers(&[("traceparent", traced[0].1)]), &|observation| done(observation, 404));
    run("BREW", "/items/\u{fc}", &headers(&traced), &|observation| {
        observation.work().error(&Outer(io::Error::other("bank is closed")));
        done(observation, 503);
    });
    run("GET", "/items/7", &headers(&traced), &|observation| drop(observation));
    run("POST", "/items/7", &headers(&traced), &|observation| {
        let handle = observation.work();
        handle.set("bool", true);
        handle.set("small", -1_i64);
        handle.set("large", u64::MAX);
        handle.set("fits", 300_u64);
        handle.set("share", 0.1);
        handle.set("text", "\u{fc}".repeat(2_000));
        handle.set("http.route", "not a field's");
        handle.set("http.request.header.x", "nor this");
        handle.user("jane");
        done(observation, 201);
    });
    run("PUT", "/items/7", &headers(&traced), &|observation| {
        let (observation, panicked) = observation.run(|| panic!("no such item"));
        drop(panicked.map(|()| unreachable!()).map_err(|panic| observation.panicked(panic)));
    });
    for status in [Status::Ok, Status::error("the application's word"), Status::Unset] {
        run("GET", "/items/7", &headers(&traced), &|observation| {
            observation.work().set("field", "ours");
            observation.work().run(|| {
                let context = Context::current();
                let span = context.span();
                assert!(span.is_recording());
                let attributes = [("step", "one"), ("step", "two"), ("url.path", "/mine")];
                for (name, value) in
                    attributes.into_iter().chain([("http.route", "/mine"), ("field", "mine")])
                {
                    span.set_attribute(KeyValue::new(name, value));
                }
                span.set_attribute(KeyValue::new("list", 7));
                span.update_name("mine");
                span.add_event("bought", vec![KeyValue::new("items", 3)]);
                let other = SpanContext::new(
                    1_u128.into(),
                    2_u64.into(),
                    Default::default(),
                    true,
                    Default::default(),
                );
                span.add_link(other, vec![KeyValue::new("why", "because")]);
                span.set_status(status.clone());
            });
            done(observation, 500);
        });
    }
    run("POST", "/shop.Items/Buy", &headers(&grpc), &|mut observation| {
        observation.responded(200, &headers(&[("content-type", "application/grpc"), ("grpc-status", "5")]));
        observation.finish(Outcome::Completed);
    });
    // The middleware itself responds to this probe. The probe fails, so it has a span.
    watch.observer.start_draining();
    let sampled = headers(&traced);
    let head = RequestHead::new("GET", "/readyz", &sampled);
    let observation = watch.observer.start(&head);
    let endpoint = observation.endpoint().expect("an endpoint");
    let answered =
        pin!(observation.answer(endpoint, &head)).poll(&mut task::Context::from_waker(Waker::noop()));
    let Poll::Ready((mut observation, Ok(answer))) = answered else { panic!("nothing to wait for") };
    observation.responded(answer.status(), &());
    observation.finish(Outcome::Completed);
    let report = watch.observer.shutdown(BOUND);
    assert!(report.flushed && report.output("spans").unwrap_or_default().lost == 0, "{report:?}");
    collector.spans().into_iter().map(normalised).collect()
}

/// Removes the span id, the times and the frames of backtraces.
fn normalised(mut span: Span) -> Span {
    assert!(span.start_nanos > 0 && span.end_nanos >= span.start_nanos, "{span:#?}");
    span.span_id.clear();
    if span.parent_span_id.is_none() {
        span.trace_id.clear();
    }
    (span.start_nanos, span.end_nanos) = (0, 0);
    // The SDK does not support the random flag of trace ids (Trace Context level 2), so it does not
    // set it.
    span.flags &= !2;
    span.resource.retain(|name, _| !name.starts_with("service.instance") && name != "process.pid");
    for event in &mut span.events {
        event.nanos = 0;
        if let Some(place) = event.attributes.get_mut("exception.stacktrace") {
            let text = place.as_str().expect("a text");
            *place = text.lines().next().into();
        }
    }
    span
}

#[test]
fn spans_are_the_same_with_and_without_the_sdk() {
    type Settings = fn(ObserverBuilder) -> ObserverBuilder;
    // With the second settings, the trace of the caller is linked, not continued.
    let settings: [Settings; 2] = [|builder| builder, |builder| builder.public_endpoint(|_| true)];
    for settings in settings {
        let ours = spans(SAMPLED, |otel| otel, settings);
        let sdk = spans(
            SAMPLED,
            |otel| otel.sampler(UnknownSampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))),
            settings,
        );
        assert_eq!(ours.len(), 11);
        let names = |spans: &[Span]| spans.iter().map(|span| span.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&ours), names(&sdk));
        for (ours, sdk) in ours.iter().zip(&sdk) {
            assert_eq!(ours, sdk);
        }
        assert_eq!(ours.len(), sdk.len());
    }
}

/// A sampler that ignores its caller decides by itself, also for a probe that fails.
#[test]
fn spans_are_the_same_for_an_unsampled_caller() {
    let ours = spans(UNSAMPLED, |otel| otel.sampler(Sampler::AlwaysOn), |builder| builder);
    let sdk = spans(UNSAMPLED, |otel| otel.sampler(UnknownSampler(Sampler::AlwaysOn)), |builder| builder);
    assert_eq!(ours, sdk);
    assert!(ours.len() == 11 && ours.iter().all(|span| span.flags & 1 == 1), "{ours:#?}");
}
