//! Tests of the collector that other tests use.

use std::{
    io::{Read, Write},
    net::TcpStream,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use futures_util::FutureExt;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use obs_tests::{
    client::Client,
    collector::{Behaviour, Collector},
    watch::until,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value::Value as Any},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span},
};
use prost::Message;
use serde_json::json;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

fn attribute(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Any::StringValue(value.to_owned()))
}

fn span(id: u8) -> Span {
    Span {
        trace_id: vec![0xab; 16],
        span_id: vec![id; 8],
        name: format!("GET /{id}"),
        kind: span::SpanKind::Server.into(),
        start_time_unix_nano: 1_000,
        end_time_unix_nano: 2_000,
        ..Span::default()
    }
}

fn message(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope = InstrumentationScope { name: "obs".to_owned(), ..Default::default() };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..Default::default() }];
    let resource = Some(Resource { attributes: vec![text("service.name", "shop")], ..Default::default() });
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource, scope_spans, ..Default::default() }],
    }
}

fn post(message: &ExportTraceServiceRequest) -> Request<Full<Bytes>> {
    let request = Request::post("/v1/traces").header("content-type", "application/x-protobuf");
    request.body(Full::from(message.encode_to_vec())).expect("a valid request")
}

/// Sends a request without a runtime, and reads until the socket is closed.
fn exchange(collector: &Collector, message: &ExportTraceServiceRequest) -> String {
    let mut stream = TcpStream::connect(collector.addr()).expect("it listens");
    let body = message.encode_to_vec();
    let head = "POST /v1/traces HTTP/1.1\r\nhost: test\r\nconnection: close\r\n";
    write!(stream, "{head}content-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n", body.len())
        .and_then(|()| stream.write_all(&body))
        .expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("closed, and not reset");
    String::from_utf8_lossy(&answer).into_owned()
}

/// The message of a failing check.
fn failure(check: impl FnOnce()) -> String {
    let failed = catch_unwind(AssertUnwindSafe(check)).expect_err("it fails");
    *failed.downcast().expect("a text")
}

/// The error that a span causes.
fn error(change: impl FnOnce(&mut Span)) -> String {
    let collector = Collector::start();
    let mut span = span(1);
    change(&mut span);
    assert!(exchange(&collector, &message(vec![span])).starts_with("HTTP/1.1 200 "));
    let errors = collector.take_errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors[0].clone()
}

#[tokio::test]
async fn a_span_is_received_as_it_was_sent() {
    let collector = Collector::start();
    assert_eq!(collector.endpoint(), format!("http://{}", collector.addr()));
    let list = ["a", "b"].map(|text| AnyValue { value: Some(Any::StringValue(text.to_owned())) });
    let sent = Span {
        parent_span_id: vec![9; 8],
        trace_state: "a=1".to_owned(),
        flags: 0x301,
        attributes: vec![
            text("http.route", "/items/{id}"),
            attribute("http.response.status_code", Any::IntValue(500)),
            attribute("share", Any::DoubleValue(0.5)),
            attribute("not.a.number", Any::DoubleValue(f64::NAN)),
            attribute("cached", Any::BoolValue(true)),
            attribute("list", Any::ArrayValue(ArrayValue { values: list.to_vec() })),
        ],
        dropped_attributes_count: 3,
        events: vec![span::Event {
            time_unix_nano: 1_500,
            name: "exception".to_owned(),
            attributes: vec![text("exception.type", "panic")],
            dropped_attributes_count: 0,
        }],
        links: vec![span::Link {
            trace_id: vec![0xcd; 16],
            span_id: vec![0xef; 8],
            attributes: vec![text("why", "batch")],
            ..span::Link::default()
        }],
        status: Some(Status { code: 2, message: "no stock".to_owned() }),
        ..span(1)
    };
    let message = message(vec![sent, span(2)]);
    let mut client = Client::connect(collector.addr(), false).await;
    let answer = client.send(post(&message)).await.expect("an answer");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/x-protobuf")));
    assert_eq!(answer.body, "", "a full success has an empty body");

    let spans = collector.wait(2).await;
    assert_eq!(spans, collector.spans());
    let [first, second] = &spans[..] else { panic!("two: {spans:#?}") };
    assert_eq!((first.resource["service.name"].as_str(), first.scope.as_str()), (Some("shop"), "obs"));
    assert_eq!((first.name.as_str(), first.kind), ("GET /1", "SERVER"));
    assert_eq!((first.trace_id.as_str(), first.span_id.as_str()), (&*"ab".repeat(16), &*"01".repeat(8)));
    assert_eq!(first.parent_span_id.as_deref(), Some(&*"09".repeat(8)));
    assert_eq!((first.parent_is_remote, first.flags, first.trace_state.as_str()), (Some(true), 0x301, "a=1"));
    assert_eq!((first.start_nanos, first.end_nanos), (1_000, 2_000));
    assert_eq!(first.status, ("ERROR", "no stock".to_owned()));
    first
        .has("http.route", "/items/{id}")
        .has("http.response.status_code", 500)
        .has("share", 0.5)
        .has("not.a.number", "NaN")
        .has("cached", true)
        .has("list", json!(["a", "b"]))
        .has_no("url.path")
        .exactly(
            &["http.route", "http.response.status_code", "share", "list"],
            &["cached", "not.a.number", "x"],
        );
    assert_eq!((first.events[0].name.as_str(), first.events[0].nanos), ("exception", 1_500));
    assert_eq!(first.events[0].attributes["exception.type"], "panic");
    assert_eq!(first.links[0].trace_id, "cd".repeat(16));
    assert_eq!(first.links[0].attributes["why"], "batch");
    let dropped = (first.dropped_attributes, first.dropped_events, first.dropped_links);
    assert_eq!(dropped, (3, 0, 0));
    assert_eq!((second.parent_span_id.as_ref(), second.parent_is_remote), (None, None));
    assert_eq!(second.status, ("UNSET", String::new()));
    second.only(&[]);

    let received = &collector.received()[0];
    assert_eq!(received.body, message.encode_to_vec());
    assert_eq!((received.gzip, received.size), (false, message.encoded_len()));
    assert!(received.is_canonical());
    assert_eq!(collector.headers()[0]["content-type"], "application/x-protobuf");
}

#[test]
fn missing_and_unknown_attributes_are_named() {
    let collector = Collector::start();
    let attributes = vec![text("a", "1"), text("b", "2")];
    let _ = exchange(&collector, &message(vec![Span { attributes, ..span(1) }]));
    let span = collector.wait_for(1).remove(0);
    let failed = failure(|| _ = span.exactly(&["a", "c"], &["d"]));
    assert!(failed.contains(r#"missing ["c"], unknown ["b"]"#), "{failed}");
    assert!(failure(|| _ = span.has("a", "2")).contains(r#"a of "GET /1""#));
    assert!(failure(|| _ = span.has_no("a")).contains(r#"a of "GET /1""#));
}

#[tokio::test]
async fn gzip_is_decompressed() {
    let collector = Collector::start();
    let message = message((1..50).map(span).collect());
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&message.encode_to_vec()).expect("packed");
    let packed = encoder.finish().expect("packed");
    let size = packed.len();
    let mut client = Client::connect(collector.addr(), false).await;
    let send = |body: Vec<u8>| {
        let mut request = post(&message).map(|_| Full::from(body));
        request.headers_mut().insert("content-encoding", "gzip".parse().expect("a value"));
        request
    };
    assert_eq!(client.send(send(packed.clone())).await.expect("an answer").status, 200);
    assert_eq!(collector.wait(49).await.len(), 49);
    let received = &collector.received()[0];
    assert_eq!((received.gzip, received.size, received.message == message), (true, size, true));
    assert!(size < message.encoded_len());

    let longer = [&packed[..], b"more"].concat();
    for (body, error) in [(longer, "more bytes after"), (b"no gzip".to_vec(), "gzip that cannot be read")] {
        assert_eq!(client.send(send(body)).await.expect("an answer").status, 400);
        let errors = collector.take_errors();
        assert!(errors.len() == 1 && errors[0].contains(error), "{errors:?}");
    }
}

#[tokio::test]
async fn prepared_behaviours_precede_the_permanent_one() {
    let collector = Collector::start();
    collector.answer(Behaviour::Status { code: 400, retry_after: None });
    collector
        .then(Behaviour::Status { code: 503, retry_after: Some(7) })
        .then(Behaviour::Reject { spans: 1, message: "too old".to_owned() });
    let mut client = Client::connect(collector.addr(), false).await;

    let answer = client.send(post(&message(vec![span(1)]))).await.expect("an answer");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("7")));
    assert_eq!(collector.spans(), []);

    let answer = client.send(post(&message(vec![span(1)]))).await.expect("an answer");
    let partial = ExportTraceServiceResponse::decode(answer.body).expect("a message").partial_success;
    let partial = partial.expect("a partial success");
    assert_eq!((answer.status, partial.rejected_spans, &*partial.error_message), (200, 1, "too old"));
    assert_eq!(collector.wait(1).await.len(), 1, "spans that were not accepted may be sent again");

    let answer = client.send(post(&message(vec![span(2)]))).await.expect("an answer");
    assert_eq!((answer.status, answer.header("retry-after")), (400, None));
    collector.answer(Behaviour::Accept);
    let answer = client.send(post(&message(vec![span(2)]))).await.expect("an answer");
    assert_eq!(answer.status, 200);
    let accepted: Vec<_> = collector.received().iter().map(|request| request.accepted).collect();
    assert_eq!(accepted, [false, true, false, true]);
    assert_eq!((collector.requests(), collector.connections()), (4, 1));
}

#[tokio::test]
async fn it_hangs_until_it_stops_and_restarts_at_the_same_address() {
    let collector = Collector::start();
    collector.then(Behaviour::Hang);
    let mut client = Client::connect(collector.addr(), false).await;
    let message = message(vec![span(1)]);
    let mut answer = Box::pin(client.send(post(&message)));
    let received = tokio::select! {
        received = collector.wait_requests(1) => received,
        answer = &mut answer => panic!("a response: {answer:?}"),
    };
    assert_eq!((received.len(), received[0].accepted), (1, false));
    assert!((&mut answer).now_or_never().is_none(), "no response yet");
    collector.refuse();
    answer.await.expect_err("the connection is closed");

    for _ in 0..3 {
        let refused = TcpStream::connect(collector.addr()).expect_err("nobody listens");
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        collector.refuse();
    }
    for _ in 0..2 {
        collector.listen_again();
    }
    let mut client = Client::connect(collector.addr(), false).await;
    assert_eq!(client.send(post(&message)).await.expect("an answer").status, 200);
    assert_eq!(collector.wait(1).await.len(), 1);
}

#[test]
fn it_closes_in_the_middle_of_a_response() {
    let collector = Collector::start();
    collector.then(Behaviour::CloseInHead).then(Behaviour::CloseInBody);
    let message = message(vec![span(1)]);

    let answer = exchange(&collector, &message);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && !answer.contains("\r\n\r\n"), "{answer:?}");

    let answer = exchange(&collector, &message);
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole head");
    let length = head.split("content-length: ").nth(1).expect("a length").lines().next().expect("a number");
    let length: usize = length.parse().expect("a number");
    assert!(!body.is_empty() && body.len() < length, "{answer:?}");

    assert_eq!(collector.wait_for_requests(2).len(), 2);
    assert_eq!(collector.spans(), [], "no client was told that they are accepted");
    assert!(exchange(&collector, &message).ends_with("\r\n\r\n"));
    assert_eq!(collector.wait_for(1).len(), 1);
}

#[tokio::test]
async fn tls_has_its_own_authority() {
    let (collector, authority) = Collector::start_tls();
    assert_eq!(collector.endpoint(), format!("https://localhost:{}", collector.addr().port()));
    let connect = async |roots: RootCertStore, name: &'static str| {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = tokio::net::TcpStream::connect(collector.addr()).await.expect("it listens");
        let name = ServerName::try_from(name).expect("a name");
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    };
    let error = connect(RootCertStore::empty(), "localhost").await.expect_err("nobody knows it");
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    for (id, name) in [(1, "localhost"), (2, "127.0.0.1")] {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(authority.as_bytes()).expect("PEM");
        roots.add(authority).expect("an authority");
        let stream = connect(roots, name).await.expect("trusted");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1");
        tokio::spawn(async { drop(connection.await) });
        let mut request = post(&message(vec![span(id)]));
        request.headers_mut().insert("host", "localhost".parse().expect("a value"));
        let answer = sender.send_request(request).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.collect().await.expect("a body").to_bytes(), "");
        assert_eq!(collector.wait(id.into()).await.len(), usize::from(id));
    }
    assert_eq!(collector.connections(), 3);
}

#[tokio::test]
async fn a_request_that_is_not_an_export_is_an_error() {
    let collector = Collector::start();
    let mut client = Client::connect(collector.addr(), false).await;
    let body = || message(vec![span(1)]).encode_to_vec();
    let protobuf = || Request::post("/v1/traces").header("content-type", "application/x-protobuf");
    let requests = [
        (404, Request::post("/").body(body())),
        (404, Request::post("/v1/traces/").body(body())),
        (405, Request::put("/v1/traces").body(body())),
        (415, Request::post("/v1/traces").body(body())),
        (415, Request::post("/v1/traces").header("content-type", "application/json").body(body())),
        (400, protobuf().header("content-type", "application/x-protobuf").body(body())),
        (415, protobuf().header("content-encoding", "zstd").body(body())),
        (400, protobuf().body(b"no protobuf".to_vec())),
    ];
    for (status, request) in requests {
        let request = request.expect("a valid request").map(Full::<Bytes>::from);
        let answer = client.send(request).await.expect("an answer");
        assert_eq!(answer.status, status, "{answer:?}");
        let errors = collector.take_errors();
        assert_eq!(errors.len(), 1, "{errors:?}");
    }
    let mut stream = TcpStream::connect(collector.addr()).expect("it listens");
    stream.write_all(b"hello\r\n\r\n").expect("sent");
    stream.read_to_end(&mut Vec::new()).expect("closed");
    until(|| !collector.errors().is_empty()).await;
    assert!(collector.take_errors()[0].starts_with("this is not HTTP/1"));
    assert_eq!(collector.requests(), 0);
}

#[test]
fn an_invalid_span_is_an_error() {
    let twice = || vec![text("a", "1"), text("b", "1"), text("a", "1")];
    assert_eq!(error(|s| s.attributes = twice()), r#"span "GET /1": the attribute "a" comes twice"#);
    let event = || span::Event { time_unix_nano: 1, name: "e".to_owned(), ..Default::default() };
    let twice = |s: &mut Span| s.events = vec![span::Event { attributes: twice(), ..event() }];
    assert!(error(twice).contains("comes twice"));
    assert!(
        error(|s| s.events = vec![span::Event { time_unix_nano: 0, ..event() }]).contains("without a time")
    );
    assert!(error(|s| s.trace_id = vec![0; 16]).contains("trace id"));
    assert!(error(|s| s.trace_id = vec![1; 8]).contains("trace id"));
    assert!(error(|s| s.span_id = vec![0; 8]).contains("span id"));
    assert!(error(|s| s.parent_span_id = vec![1; 16]).contains("parent id"));
    assert!(error(|s| s.parent_span_id = s.span_id.clone()).contains("its own parent"));
    assert!(
        error(|s| s.links = vec![span::Link { trace_id: vec![1; 16], ..Default::default() }])
            .contains("link")
    );
    assert!(error(|s| s.end_time_unix_nano = 999).contains("ends before"));
    assert!(error(|s| s.start_time_unix_nano = 0).contains("no start"));
    assert!(error(|s| s.name.clear()).contains("no name"));
    assert!(error(|s| s.kind = 0).contains("kind"));
    assert!(error(|s| s.kind = 17).contains("kind"));
    assert!(error(|s| s.flags = 0x200).contains("flags 0x200"));
    assert!(error(|s| s.flags = 0x400).contains("flags 0x400"));
    assert!(error(|s| s.status = Some(Status { code: 3, ..Default::default() })).contains("status 3"));
    assert!(error(|s| s.status = Some(Status { code: 1, message: "m".to_owned() })).contains("a message"));
    assert!(
        error(|s| s.attributes = vec![KeyValue { key: "a".to_owned(), ..Default::default() }])
            .contains("no common type")
    );
    assert!(error(|s| s.attributes = vec![text("", "")]).contains("without a key"));
    let mixed = [Any::BoolValue(true), Any::IntValue(1)].map(|value| AnyValue { value: Some(value) });
    let mixed = Any::ArrayValue(ArrayValue { values: mixed.to_vec() });
    assert!(error(|s| s.attributes = vec![attribute("mixed", mixed)]).contains(r#""mixed" has a value"#));
}

#[test]
fn an_invalid_request_is_an_error() {
    let collector = Collector::start();
    let mut nameless = message(vec![span(1)]);
    nameless.resource_spans[0].resource = None;
    let nothing = ExportTraceServiceRequest::default();
    // Span 2 is repeated within a request, span 3 in a later request.
    let twice = [message(vec![span(2), span(3), span(2)]), message(vec![span(3)])];
    for message in [&nameless, &nothing, &twice[0], &twice[1]] {
        let _ = exchange(&collector, message);
    }
    collector.wait_for(5);
    let expected = [
        "a resource: no service.name",
        "a request: no spans",
        "the span \"GET /2\" came twice: 0202020202020202",
        "the span \"GET /3\" came twice: 0303030303030303",
    ];
    assert_eq!(collector.errors(), expected);
    assert!(failure(|| drop(collector)).contains("no service.name"), "it fails at the end");
}

#[test]
fn unknown_fields_are_detected() {
    let collector = Collector::start();
    let mut stream = TcpStream::connect(collector.addr()).expect("it listens");
    // The unknown field 9 of the request, with the number 1. Every decoder skips it.
    let body = [message(vec![span(1)]).encode_to_vec(), vec![9 << 3, 1]].concat();
    let head = "POST /v1/traces HTTP/1.1\r\nhost: test\r\ncontent-type: application/x-protobuf\r\n";
    write!(stream, "{head}content-length: {}\r\n\r\n", body.len()).expect("sent");
    stream.write_all(&body).expect("sent");
    collector.wait_for(1);
    assert!(!collector.received()[0].is_canonical());
}
