//! Tests of observed channels of tonic: each kind of call and each way in which a call can end, as
//! the event, the spans and the metrics show it.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use obs_client::{ChannelExt, ClientExt};
use obs_core::Observer;
use obs_tests::{
    caller::Caller,
    calls::{Calls, ExpectedCall, Shown},
    peers::{
        answer::answering,
        http2,
        tls::{ANOTHER_HOST, answering_over_tls},
        unreachable,
    },
    stacks::{Framework, Server, Setup, Stack},
    watch::{Watch, until},
};
use tokio::sync::mpsc;
use tonic::{
    Code, Request,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};
use tower::Layer;

/// An observer for the client, another one for the service, and the service.
struct Pair {
    calls: Calls,
    service: Watch,
    server: Server,
}

impl Pair {
    async fn start() -> Self {
        let (calls, service) = (Calls::default(), Watch::default());
        let stack = Stack { framework: Framework::Tonic, http2: true };
        let server = stack.serve(Setup::new(&service)).await;
        Self { calls, service, server }
    }

    fn caller(&self) -> Caller {
        caller(self.calls.observer(), &endpoint(self.server.addr))
    }

    fn expected(&self, method: &'static str) -> ExpectedCall {
        ExpectedCall::grpc(method, self.server.addr)
    }

    /// Checks the call, and that the service's event continues it.
    async fn check(&self, shown: &Shown, expected: ExpectedCall) {
        self.calls.check_grpc(shown, &[expected]);
        self.service.ended(1).await;
        let event = self.service.lines().pop().expect("an event");
        assert_eq!(event["trace_id"], obs_tests::calls::TRACE, "{event:#}");
        assert_eq!(event["parent_span_id"], *shown.spans[0].span_id, "{event:#}");
        assert_eq!(event["request_id"], "order-1", "{event:#}");
    }
}

fn endpoint(addr: SocketAddr) -> Endpoint {
    Channel::from_shared(format!("http://{addr}")).expect("a URL")
}

/// A caller whose dependency has the host as its name.
fn caller(observer: &Observer, endpoint: &Endpoint) -> Caller {
    Caller::over(observer.client_layer().origin(endpoint.uri()).layer(endpoint.connect_lazy()))
}

fn texts<const N: usize>(texts: [&str; N]) -> impl stream::Stream<Item = String> + Send + use<N> {
    stream::iter(texts.map(str::to_owned))
}

fn within(timeout: Duration) -> Request<String> {
    let mut request = Request::new("it".to_owned());
    request.set_timeout(timeout);
    request
}

/// A deadline that passes in a test.
const SOON: Duration = Duration::from_millis(50);
/// A deadline that passes after the head of a response has come.
const LATER: Duration = Duration::from_millis(500);
/// A deadline that does not pass in a test.
const FAR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_unary_call_has_the_status_of_its_head_or_its_trailers() {
    for (method, status) in [
        ("test.Shop/Get", "OK"),
        ("test.Shop/Missing", "NOT_FOUND"),
        ("test.Shop/Broken", "INTERNAL"),
        ("test.Shop/Panic", "INTERNAL"),
        ("test.Shop/Unknown", "UNIMPLEMENTED"),
    ] {
        let pair = Pair::start().await;
        let path = format!("/{method}");
        let mut caller = pair.caller();
        let (answer, shown) = pair.calls.in_request(caller.unary(&path, "hello".to_owned())).await;
        match answer {
            Ok(answer) => assert_eq!(answer.get_ref(), "hello"),
            Err(failed) => assert_ne!(failed.code(), Code::Ok),
        }
        pair.check(&shown, pair.expected(method).grpc_status(Some(200), status)).await;
    }
}

#[tokio::test]
async fn a_channel_can_have_a_name() {
    let pair = Pair::start().await;
    let channel = pair.calls.observer().channel(&endpoint(pair.server.addr), "inventory");
    let mut caller = Caller::over(channel);
    let (answer, shown) = pair.calls.in_request(caller.unary("Get", "hello".to_owned())).await;
    assert_eq!(answer.expect("an answer").get_ref(), "hello");
    pair.check(&shown, pair.expected("test.Shop/Get").named("inventory").grpc_status(Some(200), "OK")).await;
}

#[tokio::test]
async fn streams_end_with_their_last_message() {
    let streams: [(_, &[&str], &[&str]); 3] = [
        ("test.Shop/Join", &["one", "two"], &["one two"]),
        ("test.Shop/List", &["all"], &["one", "two", "three"]),
        ("test.Shop/Echo", &["one", "two"], &["one", "two"]),
    ];
    for (method, requests, answers) in streams {
        let pair = Pair::start().await;
        let path = format!("/{method}");
        let requests: Vec<_> = requests.iter().map(|&text| text.to_owned()).collect();
        let mut caller = pair.caller();
        let (read, shown) = pair.calls.in_request(caller.read(&path, stream::iter(requests))).await;
        assert_eq!(read.expect("answers"), answers);
        pair.check(&shown, pair.expected(method).grpc_status(Some(200), "OK")).await;
    }
}

#[tokio::test]
async fn a_stream_is_measured_to_its_end() {
    let pair = Pair::start().await;
    let (send, mut receive) = mpsc::channel::<String>(1);
    let requests = stream::poll_fn(move |cx| receive.poll_recv(cx));
    let mut caller = pair.caller();
    let made = async {
        let mut answers = caller.stream("Echo", requests).await.expect("a head");
        for text in ["one", "two"] {
            send.send(text.to_owned()).await.expect("it is read");
            assert_eq!(answers.message().await.expect("an answer").as_deref(), Some(text));
            let in_flight = pair.calls.watch.metric("rpc_client_calls_in_flight", "");
            assert_eq!(in_flight, 1.0, "the call runs on");
        }
        drop(send);
        assert_eq!(answers.message().await.expect("the end"), None);
    };
    let ((), shown) = pair.calls.in_request(made).await;
    pair.check(&shown, pair.expected("test.Shop/Echo").grpc_status(Some(200), "OK")).await;
}

#[tokio::test]
async fn a_stream_that_fails_has_the_status_of_its_trailers() {
    for method in ["test.Shop/Break", "test.Shop/BreakAfterOne", "test.Shop/BreakAtOnce"] {
        let pair = Pair::start().await;
        let path = format!("/{method}");
        let mut caller = pair.caller();
        let (read, shown) = pair.calls.in_request(caller.read(&path, texts(["all"]))).await;
        assert_eq!(read.expect_err("a status").code(), Code::Unavailable);
        pair.check(&shown, pair.expected(method).grpc_status(Some(200), "UNAVAILABLE")).await;
    }
}

/// tonic's client and tonic's server report a deadline as a cancelled call.
#[tokio::test]
async fn a_deadline_is_told_from_a_cancelled_call() {
    let pair = Pair::start().await;
    let mut caller = pair.caller();
    let (answer, shown) = pair.calls.in_request(caller.unary("Hang", within(SOON))).await;
    assert_eq!(answer.expect_err("a status").code(), Code::Cancelled);
    // The status of the server and the timer of the client race.
    let http = shown.event["slowest_calls"][0]["status"].as_u64().map(|_| 200);
    let expected = pair.expected("test.Shop/Hang").grpc_status(http, "DEADLINE_EXCEEDED").failed("timeout");
    pair.calls.check_grpc(&shown, &[expected]);

    let pair = Pair::start().await;
    let world = Arc::clone(&pair.server.world);
    let mut caller = pair.caller();
    let made = async {
        tokio::select! {
            answer = caller.unary("Hang", within(FAR)) => panic!("an answer: {answer:?}"),
            () = until(|| world.entered.load(Ordering::SeqCst) == 1) => {}
        }
    };
    let ((), shown) = pair.calls.in_request(made).await;
    let expected = pair.expected("test.Shop/Hang").grpc_status(None, "CANCELLED").failed("cancelled");
    pair.check(&shown, expected).await;
}

/// The timeout of an endpoint is no header. tonic reports it as a cancelled call, too.
#[tokio::test]
async fn the_timeout_of_an_endpoint_is_a_deadline() {
    let pair = Pair::start().await;
    let mut caller = caller(pair.calls.observer(), &endpoint(pair.server.addr).timeout(SOON));
    let (answer, shown) = pair.calls.in_request(caller.unary("Hang", "it".to_owned())).await;
    assert_eq!(answer.expect_err("a status").code(), Code::Cancelled);
    let expected = pair.expected("test.Shop/Hang").grpc_status(None, "DEADLINE_EXCEEDED").failed("timeout");
    pair.calls.check_grpc(&shown, &[expected]);
}

/// tonic has no deadline for a stream: the application drops it.
#[tokio::test]
async fn a_stream_that_is_dropped_is_late_or_cancelled() {
    for (timeout, status, failure) in
        [(LATER, "DEADLINE_EXCEEDED", "timeout"), (FAR, "CANCELLED", "cancelled")]
    {
        let pair = Pair::start().await;
        let mut caller = pair.caller();
        let mut requests = Request::new(texts(["all"]));
        requests.set_timeout(timeout);
        let made = async {
            let mut answers = caller.stream("HangWithin", requests).await.expect("a head");
            assert_eq!(answers.message().await.expect("an answer").as_deref(), Some("one"));
            let waited = tokio::time::timeout(LATER, answers.message()).await;
            assert!(waited.is_err(), "nothing comes: {waited:?}");
        };
        let ((), shown) = pair.calls.in_request(made).await;
        let expected = pair.expected("test.Shop/HangWithin").grpc_status(Some(200), status);
        pair.check(&shown, expected.failed(failure)).await;
    }
}

/// Makes a call that fails without a service, and checks the call. Returns the status.
async fn fails(
    addr: SocketAddr,
    settings: impl FnOnce(Endpoint) -> Endpoint,
    expected: ExpectedCall,
) -> Code {
    let calls = Calls::default();
    let mut caller = caller(calls.observer(), &settings(endpoint(addr)));
    let (answer, shown) = calls.in_request(caller.unary("Get", "it".to_owned())).await;
    calls.check_grpc(&shown, &[expected]);
    answer.expect_err("a status").code()
}

#[tokio::test]
async fn a_peer_that_cannot_be_reached_is_named_by_its_failure() {
    let refusing = unreachable::refusing();
    let expected = |addr| ExpectedCall::grpc("test.Shop/Get", addr).grpc_status(None, "UNAVAILABLE");
    let code = fails(refusing.addr(), |it| it, expected(refusing.addr()).failed("connect")).await;
    assert_eq!(code, Code::Unavailable);

    let full = unreachable::full();
    let code = fails(
        full.addr(),
        |endpoint| endpoint.connect_timeout(SOON),
        expected(full.addr()).failed("connect_timeout"),
    )
    .await;
    assert_eq!(code, Code::Unavailable);

    let calls = Calls::default();
    let endpoint = Endpoint::from_shared(format!("http://{}", unreachable::UNRESOLVED)).expect("a URL");
    let mut caller = caller(calls.observer(), &endpoint);
    let (answer, shown) = calls.in_request(caller.unary("Get", "it".to_owned())).await;
    assert_eq!(answer.expect_err("a status").code(), Code::Unavailable);
    let expected = ExpectedCall::grpc_of_host("test.Shop/Get", unreachable::UNRESOLVED);
    calls.check_grpc(&shown, &[expected.grpc_status(None, "UNAVAILABLE").failed("dns")]);
}

#[tokio::test]
async fn a_stream_that_the_peer_resets_is_named_by_its_failure() {
    let message = Bytes::from_static(b"\0\0\0\0\x05\x0a\x03one");
    let (peer, gate) = http2::resetting_in_body(message, h2::Reason::INTERNAL_ERROR);
    let calls = Calls::default();
    let mut caller = caller(calls.observer(), &endpoint(peer.addr()));
    let made = async {
        let mut answers = caller.stream("List", texts(["all"])).await.expect("a head");
        assert_eq!(answers.message().await.expect("an answer").as_deref(), Some("one"));
        gate.open();
        answers.message().await.expect_err("a reset").code()
    };
    let (code, shown) = calls.in_request(made).await;
    assert_eq!(code, Code::Internal);
    let expected = ExpectedCall::grpc("test.Shop/List", peer.addr()).grpc_status(Some(200), "INTERNAL");
    calls.check_grpc(&shown, &[expected.failed("reset")]);
}

#[tokio::test]
async fn a_certificate_for_another_host_is_a_failure_of_tls() {
    let (peer, authority) = answering_over_tls(&[ANOTHER_HOST], "safe");
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority));
    let port = peer.addr().port();
    let endpoint = Endpoint::from_shared(format!("https://localhost:{port}")).expect("a URL");
    let calls = Calls::default();
    let mut caller = caller(calls.observer(), &endpoint.tls_config(tls).expect("a configuration"));
    let (answer, shown) = calls.in_request(caller.unary("Get", "it".to_owned())).await;
    assert_eq!(answer.expect_err("a status").code(), Code::Unavailable);
    let expected = ExpectedCall::grpc_of("test.Shop/Get", "localhost", port);
    calls.check_grpc(&shown, &[expected.grpc_status(None, "UNAVAILABLE").failed("tls")]);
}

/// A proxy in front of the service knows no gRPC.
#[tokio::test]
async fn the_status_of_a_response_that_is_not_grpc_follows_from_http() {
    for (http, status, code) in [
        (503, "UNAVAILABLE", Code::Unavailable),
        (404, "UNIMPLEMENTED", Code::Unimplemented),
        (500, "UNKNOWN", Code::Unknown),
    ] {
        let peer = answering(http, "");
        let expected = ExpectedCall::grpc("test.Shop/Get", peer.addr()).grpc_status(Some(http), status);
        assert_eq!(fails(peer.addr(), |it| it, expected).await, code);
    }
}

/// The status of a stream comes after its messages, so a stream that is not read is cancelled.
#[tokio::test]
async fn a_stream_that_is_not_read_is_cancelled() {
    let pair = Pair::start().await;
    let mut caller = pair.caller();
    let made = async { drop(caller.stream("HangWithin", texts(["all"])).await.expect("a head")) };
    let ((), shown) = pair.calls.in_request(made).await;
    let expected = pair.expected("test.Shop/HangWithin").grpc_status(Some(200), "CANCELLED");
    pair.check(&shown, expected.failed("cancelled")).await;
}

#[tokio::test]
async fn a_stream_that_the_peer_ends_is_named_by_its_failure() {
    let peers = [
        (http2::refusing_streams(1), "UNAVAILABLE", Code::Unavailable),
        (http2::resetting_streams(1, h2::Reason::INTERNAL_ERROR), "INTERNAL", Code::Internal),
        (http2::resetting_streams(1, h2::Reason::CANCEL), "CANCELLED", Code::Cancelled),
        // The peer has not processed the call. The status of tonic does not show this.
        (http2::going_away(1), "UNAVAILABLE", Code::Internal),
    ];
    for (peer, status, of_tonic) in peers {
        let expected = ExpectedCall::grpc("test.Shop/Get", peer.addr()).grpc_status(None, status);
        let code = fails(peer.addr(), |it| it, expected.failed("reset")).await;
        assert_eq!(code, of_tonic, "{status}");
        assert!(peer.received()[0].header("traceparent").is_some());
    }
}
