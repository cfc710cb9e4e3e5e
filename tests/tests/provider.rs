//! Tests of an application's own `TracerProvider`, of samplers that read a request, and without
//! OpenTelemetry.

use std::{
    convert::Infallible,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        mpsc::{Sender, channel},
    },
    task::{self, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use obs_core::{
    Observer, Outcome,
    adapter::{BodyObservation, BodyRule, HttpVersion, ObservedBody, RequestHead},
    otel::{
        Otel, RequestPropagator,
        opentelemetry::{
            Context, KeyValue, Value,
            propagation::TextMapPropagator as _,
            trace::{
                Link, Span as _, SpanId, SpanKind, Status, TraceContextExt as _, TraceId, TraceState,
                Tracer as _, TracerProvider as _,
            },
        },
        opentelemetry_sdk::{
            error::OTelSdkResult,
            trace::{
                Sampler, SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample, SpanData,
                SpanExporter,
            },
        },
    },
};
use obs_tests::{
    collector::Collector,
    watch::{BOUND, Watch},
};

#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().expect("no panic").extend(batch);
        Ok(())
    }
}

/// The name and the attributes that a sampler received.
type Look = (String, Vec<KeyValue>);

#[derive(Clone, Debug, Default)]
struct Looks(Arc<Mutex<Vec<Look>>>);

impl ShouldSample for Looks {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        assert_eq!(*kind, SpanKind::Server);
        self.0.lock().expect("no panic").push((name.to_owned(), attributes.to_vec()));
        let decision = SamplingDecision::Drop;
        SamplingResult { decision, attributes: Vec::new(), trace_state: TraceState::default() }
    }
}

fn request(observer: &Observer) {
    let mut headers = HeaderMap::new();
    headers.insert("host", http::HeaderValue::from_static("shop.example:8443"));
    headers.insert("user-agent", http::HeaderValue::from_static("curl"));
    headers.insert("x-tenant", http::HeaderValue::from_static("yes"));
    let head = RequestHead::new("GET", "/items/7", &headers)
        .query(Some("page=2"))
        .version(HttpVersion::Http2)
        .peer(Some(([192, 0, 2, 7], 4711).into()));
    let mut observation = observer.start(&head);
    observation.set_route("/items/{id}");
    observation.responded(200, &());
    observation.finish(Outcome::Completed);
}

/// The conventions for HTTP server spans require these attributes when a span is created, for
/// samplers.
#[test]
fn a_sampler_gets_the_attributes_that_the_conventions_require() {
    let collector = Collector::start();
    let looks = Looks::default();
    let otel = Otel::new().endpoint(collector.endpoint()).sampler(looks.clone());
    let watch = Watch::with(|builder| builder.otel(otel));
    request(&watch.observer);
    let seen = looks.0.lock().expect("no panic").pop().expect("it was asked");
    assert_eq!(seen.0, "GET", "the route is not known yet, and the path is not a name");
    let mut names: Vec<_> = seen.1.iter().map(|attribute| attribute.key.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "client.address",
            "http.request.header.x-tenant",
            "http.request.method",
            "network.peer.address",
            "network.peer.port",
            "network.protocol.version",
            "server.address",
            "server.port",
            "url.path",
            "url.query",
            "url.scheme",
            "user_agent.original",
        ]
    );
    let value = |name: &str| {
        seen.1.iter().find(|attribute| attribute.key.as_str() == name).expect("it").value.clone()
    };
    assert_eq!((value("server.address"), value("server.port")), ("shop.example".into(), Value::I64(8443)));
    assert_eq!(value("network.protocol.version"), "2".into());
    assert!(watch.observer.shutdown(BOUND).flushed);
    assert!(collector.spans().is_empty());
}

/// The exporter of the provider gets the spans. The provider sets the ids and the sampling
/// decision.
#[test]
fn an_own_provider_exports_the_spans() {
    let kept = Kept::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(kept.clone()).build();
    let watch = Watch::with(|builder| builder.otel(provider.clone()));
    request(&watch.observer);
    watch.observer.tracer_provider().tracer("application").in_span("own", |_| ());
    let report = watch.observer.shutdown(BOUND);
    assert!(report.flushed, "{report:?}");
    let spans = kept.0.lock().expect("no panic").clone();
    assert_eq!(spans.len(), 2);
    assert_eq!(spans[0].name, "GET /items/{id}");
    assert_eq!(spans[0].status, Status::Unset);
    let event = &watch.lines()[0];
    assert_eq!(event["span_id"], spans[0].span_context.span_id().to_string());
    assert_eq!(event["trace_id"], spans[0].span_context.trace_id().to_string());

    // After its shutdown there are no spans, and requests get ids from obs.
    provider.shutdown().expect("shut down");
    request(&watch.observer);
    assert_eq!(kept.0.lock().expect("no panic").len(), 2);
    let event = &watch.lines()[1];
    assert_eq!(event["trace_id"].as_str().map(str::len), Some(32));
}

/// An exporter that hangs does not delay the shutdown.
#[test]
fn an_exporter_that_hangs_does_not_delay_the_shutdown() {
    #[derive(Debug)]
    struct Stuck;
    impl SpanExporter for Stuck {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            std::future::pending().await
        }
    }
    let provider = SdkTracerProvider::builder().with_batch_exporter(Stuck).build();
    let watch = Watch::with(|builder| builder.otel(provider));
    request(&watch.observer);
    assert!(!watch.observer.shutdown(Duration::from_millis(100)).flushed);
}

/// A panic in the application's sampler harms neither this request nor the next.
#[test]
fn a_sampler_that_panics_harms_no_request() {
    #[derive(Clone, Debug)]
    struct Panics;
    impl ShouldSample for Panics {
        fn should_sample(
            &self,
            _: Option<&Context>,
            _: TraceId,
            _: &str,
            _: &SpanKind,
            _: &[KeyValue],
            _: &[Link],
        ) -> SamplingResult {
            panic!("no sample")
        }
    }
    let collector = Collector::start();
    let otel = Otel::new().endpoint(collector.endpoint()).sampler(Panics);
    let watch = Watch::with(|builder| builder.otel(otel));
    request(&watch.observer);
    request(&watch.observer);
    let events = watch.lines();
    assert_eq!(events.len(), 2);
    assert_ne!(events[0]["trace_id"], events[1]["trace_id"], "no id is used twice");
    assert!(watch.metric("obs_sink_errors_total", r#"sink="spans""#) >= 2.0);
    assert!(collector.spans().is_empty());
}

/// The span is also current while the body is polled and dropped.
#[test]
fn the_span_is_current_in_the_body() {
    let kept = Kept::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(kept.clone()).build();
    let watch = Watch::with(|builder| builder.otel(provider));
    let mut observation = watch.observer.start(&RequestHead::new("GET", "/", &()));
    observation.responded(200, &());
    let span_id = observation.start().trace.span_id.to_string();
    let is_current = || assert_eq!(Context::current().span().span_context().span_id().to_string(), span_id);
    let mut body = BodyObservation::new(observation, BodyRule::polled());
    let polled = body.poll(|| {
        is_current();
        Err::<Vec<u8>, _>(())
    });
    assert_eq!(polled, Err(()));
    body.drop_in(is_current);
    assert!(!Context::current().span().span_context().is_valid());
    body.ended();
    assert_eq!(kept.0.lock().expect("no panic").len(), 1);
}

/// The span is current in each poll of an `http_body::Body`.
#[test]
fn the_span_is_current_in_each_poll_of_a_body() {
    struct Looks(Sender<SpanId>);
    impl Body for Looks {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut task::Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let _ = self.0.send(Context::current().span().span_context().span_id());
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"hello")))))
        }
    }
    for sampler in [Sampler::AlwaysOn, Sampler::AlwaysOff] {
        let provider = SdkTracerProvider::builder().with_sampler(sampler).build();
        let watch = Watch::with(|builder| builder.otel(provider));
        let observation = watch.observer.start(&RequestHead::new("GET", "/", &()));
        let span_id = observation.start().trace.span_id.to_string();
        let (send, seen) = channel();
        let response = ObservedBody::respond(observation, http::Response::new(Looks(send)), |_, _, _| {
            BodyRule::polled()
        });
        let mut body = pin!(response.into_body());
        for _ in 0..2 {
            assert!(body.as_mut().poll_frame(&mut task::Context::from_waker(Waker::noop())).is_ready());
        }
        assert_eq!(seen.try_iter().map(|id| id.to_string()).collect::<Vec<_>>(), [&*span_id, &*span_id]);
        assert!(!Context::current().span().span_context().is_valid());
    }
}

/// If the outer one of two observers starts the span of a request, the handle of the inner one uses
/// that span, too.
#[test]
fn the_inner_observer_uses_the_span_of_the_outer_one() {
    let kept = Kept::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(kept.clone()).build();
    let outer = Watch::with(|builder| builder.otel(provider.clone()));
    let inner = Watch::default();
    let observation = outer.observer.start(&RequestHead::new("GET", "/", &()));
    let handle = observation.work();
    let within = inner.observer.start_within(&RequestHead::new("GET", "/", &()), Some(&handle));
    let mut headers = HeaderMap::new();
    within.work().run(|| {
        provider.tracer("application").in_span("own", |_| obs_core::current().inject_http(&mut headers));
    });
    within.finish(Outcome::Completed);
    observation.finish(Outcome::Completed);
    let spans = kept.0.lock().expect("no panic").clone();
    assert_eq!((spans[0].name.as_ref(), spans.len()), ("own", 2));
    assert_eq!(spans[0].parent_span_id, spans[1].span_context.span_id());
    let injected = headers["traceparent"].to_str().expect("text");
    assert!(injected.contains(&spans[0].span_context.span_id().to_string()), "{injected}");
}

/// Without OpenTelemetry, the same code runs, and its spans record nothing.
#[test]
fn without_opentelemetry_spans_record_nothing() {
    let watch = Watch::default();
    request(&watch.observer);
    let tracer = watch.observer.tracer_provider().tracer("application");
    assert!(!tracer.start("nothing").is_recording());
    let observation = watch.observer.start(&RequestHead::new("GET", "/", &()));
    observation.work().run(|| {
        tracer.in_span("nothing", |context| assert!(!context.span().span_context().is_valid()));
        // Libraries still pass the trace of the request on.
        let mut carried = std::collections::HashMap::new();
        RequestPropagator::new(&watch.observer).inject(&mut carried);
        assert_eq!(carried["traceparent"], observation.start().trace.traceparent());
    });
    observation.finish(Outcome::Completed);
    let report = watch.observer.shutdown(BOUND);
    assert_eq!(
        (
            report.output("spans").unwrap_or_default().delivered,
            report.output("spans").unwrap_or_default().lost
        ),
        (0, 0)
    );
    assert!(!watch.observer.metrics_text().contains("obs_spans"));
}
