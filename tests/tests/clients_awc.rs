//! Tests of observed clients of awc: each way in which a call can end, as the event, the spans and
//! the metrics show it.

use std::{future::poll_fn, sync::Arc, task::Poll, time::Duration};

use awc::{
    Client, ClientRequest, Connector,
    error::{ConnectError, PayloadError, SendRequestError, WsClientError},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use h2::Reason;
use obs_client::AwcMiddleware;
use obs_tests::{
    calls::{Calls, ExpectedCall, Shown},
    peers::{
        Peer, abrupt,
        answer::answering,
        fails_first::{Failure, RECOVERED, failing_first},
        http2,
        redirect::{ARRIVED, redirecting},
        slow::{BEFORE, slow_body},
        tls::{ANOTHER_HOST, answering_over_tls},
        unreachable,
    },
    watch::BOUND,
};
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

/// A client whose only timeout is far away.
fn client(calls: &Calls) -> Client {
    Client::builder().timeout(BOUND).wrap(AwcMiddleware::new(calls.observer())).finish()
}

/// Sends a request, and reads the body of the response.
async fn read(request: ClientRequest) -> Result<(u16, Bytes), SendRequestError> {
    let mut response = request.send().await?;
    let body = response.body().await.expect("a body");
    Ok((response.status().as_u16(), body))
}

/// Sends a request that fails, and checks that it is shown as the expected call.
async fn fails(calls: &Calls, request: ClientRequest, expected: ExpectedCall) -> SendRequestError {
    let (sent, shown) = calls.in_request(async { request.send().await.map(drop) }).await;
    calls.check_http(&shown, &[expected]);
    sent.expect_err("it fails")
}

/// Checks the headers that a peer has received from the call with this number.
fn check_headers(peer: &Peer, request: usize, shown: &Shown, call: usize, is_internal: bool) {
    let received = &peer.received()[request];
    assert_eq!(received.header("traceparent"), Some(&*shown.traceparent(call)));
    let extra = (received.header("baggage"), received.header("x-request-id"));
    assert_eq!(extra, if is_internal { (Some("tenant=blue"), Some("order-1")) } else { (None, None) });
}

#[actix_web::test]
async fn a_response_ends_with_its_body() {
    for status in [200, 204, 404, 503] {
        let (calls, peer) = (Calls::default(), answering(status, ""));
        let url = peer.url("/items?id=1");
        let (answer, shown) = calls.in_request(read(client(&calls).get(&url))).await;
        assert_eq!(answer.expect("an answer").0, status);
        calls.check_http(&shown, &[ExpectedCall::http("GET", &url).responded(status)]);
        check_headers(&peer, 0, &shown, 0, true);
    }
    let (calls, peer) = (Calls::default(), answering(200, "served"));
    let url = peer.url("/");
    let made = async {
        let client = client(&calls);
        let answer = read(client.get(&url)).await.expect("an answer");
        assert_eq!(answer.1, "served");
        // A response without a body ends with its head.
        let head = client.head(&url).send().await.expect("an answer");
        assert_eq!(head.headers().get("content-length").expect("a length"), "6");
        head
    };
    let (head, shown) = calls.in_request(made).await;
    let [get, head_call] = ["GET", "HEAD"].map(|method| ExpectedCall::http(method, &url).responded(200));
    calls.check_http(&shown, &[get, head_call]);
    drop(head);
}

#[actix_web::test]
async fn a_dependency_can_have_a_name() {
    let (calls, peer) = (Calls::default(), answering(200, "served"));
    let middleware = AwcMiddleware::new(calls.observer()).named("payments");
    let client = Client::builder().wrap(middleware).finish();
    let url = peer.url("/");
    let (answer, shown) = calls.in_request(read(client.get(&url))).await;
    assert_eq!(answer.expect("an answer").1, "served");
    calls.check_http(&shown, &[ExpectedCall::http("GET", &url).named("payments").responded(200)]);
}

#[actix_web::test]
async fn uploads_and_frozen_requests_are_observed() {
    let (calls, peer) = (Calls::default(), answering(201, "thanks"));
    let url = peer.url("/");
    let parts =
        stream::iter(["one ", "two"]).map(|part| Ok::<_, PayloadError>(Bytes::from_static(part.as_bytes())));
    let made = async {
        let client = client(&calls);
        let mut answer = client.post(&url).send_stream(Box::pin(parts)).await.expect("an answer");
        assert_eq!(answer.body().await.expect("a body"), "thanks");
        let frozen = client.put(&url).insert_header(("baggage", "own=1")).freeze().expect("a request");
        for _ in 0..2 {
            let mut answer = frozen.send_body("again").await.expect("an answer");
            assert_eq!(answer.body().await.expect("a body"), "thanks");
        }
    };
    let ((), shown) = calls.in_request(made).await;
    let expected = ["POST", "PUT", "PUT"].map(|method| ExpectedCall::http(method, &url).responded(201));
    calls.check_http(&shown, &expected);
    let bodies: Vec<_> = peer.received().into_iter().map(|request| request.body).collect();
    assert_eq!(bodies, [&b"one two"[..], b"again", b"again"]);
    (0..3).for_each(|number| check_headers(&peer, number, &shown, number, true));
}

#[actix_web::test]
async fn a_peer_that_cannot_be_reached_is_named_by_its_failure() {
    let calls = Calls::default();
    let refusing = unreachable::refusing();
    let url = format!("http://{}/", refusing.addr());
    let expected = ExpectedCall::http("GET", &url).failed("connect");
    let error = fails(&calls, client(&calls).get(&url), expected).await;
    assert!(matches!(error, SendRequestError::Connect(ConnectError::Io(_))), "{error:?}");

    let calls = Calls::default();
    let url = format!("http://{}/", unreachable::UNRESOLVED);
    let expected = ExpectedCall::http("GET", &url).failed("dns");
    fails(&calls, client(&calls).get(&url), expected).await;

    let calls = Calls::default();
    let full = unreachable::full();
    let connector = Connector::new().timeout(Duration::from_millis(50));
    let client = Client::builder().connector(connector).wrap(AwcMiddleware::new(calls.observer())).finish();
    let url = format!("http://{}/", full.addr());
    let expected = ExpectedCall::http("GET", &url).failed("connect_timeout");
    fails(&calls, client.get(&url), expected).await;
}

#[actix_web::test]
async fn a_certificate_for_another_host_is_a_failure_of_tls() {
    for (names, fits) in [(["localhost"], true), ([ANOTHER_HOST], false)] {
        let calls = Calls::default();
        let (peer, authority) = answering_over_tls(&names, "safe");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).expect("PEM")).expect("an authority");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has what they need")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = Connector::new().rustls_0_23(Arc::new(config));
        let client =
            Client::builder().connector(connector).wrap(AwcMiddleware::new(calls.observer())).finish();
        let url = format!("https://localhost:{}/", peer.addr().port());
        let expected = ExpectedCall::http("GET", &url);
        if fits {
            let (answer, shown) = calls.in_request(read(client.get(&url))).await;
            assert_eq!(answer.expect("an answer").1, "safe");
            calls.check_http(&shown, &[expected.responded(200)]);
            check_headers(&peer, 0, &shown, 0, true);
        } else {
            fails(&calls, client.get(&url), expected.failed("tls")).await;
        }
    }
}

#[actix_web::test]
async fn a_connection_that_ends_early_is_named_by_its_failure() {
    for (peer, failure) in [
        (abrupt::resetting(), "reset"),
        (abrupt::closing(), "incomplete"),
        (abrupt::closing_in_head(), "incomplete"),
        (abrupt::not_http(), "decode"),
    ] {
        let calls = Calls::default();
        let url = peer.url("/");
        let expected = ExpectedCall::http("GET", &url).failed(failure);
        fails(&calls, client(&calls).get(&url), expected).await;
        check_headers_of_failed(&peer);
    }
}

fn check_headers_of_failed(peer: &Peer) {
    assert!(peer.received()[0].header("traceparent").is_some());
}

/// The URL of a peer of HTTP/2. A client of awc without TLS uses HTTP/2 for `https`, in plain text:
/// its feature `dangerous-h2c`.
fn https(peer: &Peer) -> String {
    format!("https://{}/", peer.addr())
}

#[actix_web::test]
async fn streams_of_http2_are_observed() {
    let (calls, peer) = (Calls::default(), answering(200, "served"));
    let url = https(&peer);
    let (answer, shown) = calls.in_request(read(client(&calls).get(&url))).await;
    assert_eq!(answer.expect("an answer"), (200, "served".into()));
    calls.check_http(&shown, &[ExpectedCall::http("GET", &url).responded_over("2", 200)]);
    check_headers(&peer, 0, &shown, 0, true);

    for peer in [http2::refusing_streams(1), http2::going_away(1)] {
        let calls = Calls::default();
        let url = https(&peer);
        let expected = ExpectedCall::http("GET", &url).failed("reset");
        fails(&calls, client(&calls).get(&url), expected).await;
        check_headers_of_failed(&peer);
    }

    let calls = Calls::default();
    let (peer, gate) = http2::resetting_in_body(Bytes::from_static(b"part"), Reason::INTERNAL_ERROR);
    let url = https(&peer);
    let made = async {
        let mut answer = client(&calls).get(&url).send().await.expect("a head");
        assert_eq!(answer.next().await.expect("a chunk").expect("bytes"), "part");
        gate.open();
        answer.next().await.expect("an end").map(drop)
    };
    let (end, shown) = calls.in_request(made).await;
    assert!(matches!(end, Err(PayloadError::Http2Payload(_))), "{end:?}");
    calls.check_http(&shown, &[ExpectedCall::http("GET", &url).responded_over("2", 200).failed("reset")]);
}

#[actix_web::test]
async fn a_body_that_ends_early_is_named_by_its_failure() {
    // awc shows the application no error if a connection closes inside of a body.
    for (peer, failure, is_error) in [
        (abrupt::resetting_in_body(), Some("reset"), true),
        (abrupt::short_body(), Some("incomplete"), false),
        (abrupt::unfinished_chunks(), None, false),
    ] {
        let calls = Calls::default();
        let url = peer.url("/");
        let made = async {
            let mut answer = client(&calls).get(&url).send().await.expect("a head");
            answer.body().await
        };
        let (body, shown) = calls.in_request(made).await;
        assert_eq!(body.is_err(), is_error, "{body:?}");
        let expected = ExpectedCall::http("GET", &url).responded(200);
        let expected = failure.into_iter().fold(expected, ExpectedCall::failed);
        calls.check_http(&shown, &[expected]);
    }
}

#[actix_web::test]
async fn a_dropped_call_is_cancelled() {
    let calls = Calls::default();
    let peer = abrupt::silent();
    let url = peer.url("/");
    let made = async {
        let mut sent = Box::pin(client(&calls).get(&url).send());
        poll_fn(|cx| {
            assert!(sent.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        let early = async { drop(peer.wait_for(1).await) };
        tokio::select! {
            _ = &mut sent => panic!("no answer"),
            () = early => {}
        }
        drop(sent);
    };
    let ((), shown) = calls.in_request(made).await;
    calls.check_http(&shown, &[ExpectedCall::http("GET", &url).failed("cancelled")]);
    check_headers(&peer, 0, &shown, 0, true);

    // The timeout of the whole request drops the call.
    let calls = Calls::default();
    let (sent, shown) = calls
        .in_request(async {
            client(&calls).get(&url).timeout(Duration::from_millis(50)).send().await.map(drop)
        })
        .await;
    assert!(matches!(sent, Err(SendRequestError::Timeout)), "{sent:?}");
    calls.check_http(&shown, &[ExpectedCall::http("GET", &url).failed("cancelled")]);

    let calls = Calls::default();
    let (peer, _gate) = slow_body();
    let url = peer.url("/");
    let made = async {
        let mut answer = client(&calls).get(&url).send().await.expect("a head");
        let first = answer.next().await.expect("a chunk").expect("bytes");
        assert_eq!(first, BEFORE);
    };
    let ((), shown) = calls.in_request(made).await;
    calls.check_http(&shown, &[ExpectedCall::http("GET", &url).responded(200).failed("cancelled")]);
}

/// An application that does not read the body needs only the head.
#[actix_web::test]
async fn a_body_that_is_not_read_is_no_cancellation() {
    let (calls, peer) = (Calls::default(), answering(200, "not read"));
    let url = peer.url("/");
    let made = async { client(&calls).get(&url).send().await.expect("a head").status().as_u16() };
    let (status, shown) = calls.in_request(made).await;
    assert_eq!(status, 200);
    calls.check_http(&shown, &[ExpectedCall::http("GET", &url).responded(200)]);
}

#[actix_web::test]
async fn a_slow_body_belongs_to_the_call() {
    let calls = Calls::default();
    let (peer, gate) = slow_body();
    let url = peer.url("/");
    let made = async {
        let mut answer = client(&calls).get(&url).send().await.expect("a head");
        let running = calls.watch.metric("http_client_requests_in_flight", "");
        gate.open();
        (running, answer.body().await.expect("a body"))
    };
    let ((running, body), shown) = calls.in_request(made).await;
    assert_eq!((running, &*body), (1.0, &b"before after"[..]));
    calls.check_http(&shown, &[ExpectedCall::http("GET", &url).responded(200)]);
    let call = &shown.event["slowest_calls"][0];
    let [head, all] = ["time_to_head_ms", "duration_ms"].map(|name| call[name].as_f64().expect("a number"));
    assert!(head <= all, "{call}");
}

#[actix_web::test]
async fn each_redirect_is_a_call_of_its_own() {
    let (calls, other) = (Calls::default(), answering(200, ARRIVED));
    for location in ["/end", &other.url("/end")] {
        let calls = Calls::with(|builder| builder);
        let peer = redirecting(302, location);
        let url = peer.url("/");
        let (answer, shown) = calls.in_request(read(client(&calls).get(&url))).await;
        assert_eq!(answer.expect("an answer"), (200, ARRIVED.into()));
        let end = if location == "/end" { peer.url(location) } else { location.to_owned() };
        calls.check_http(
            &shown,
            &[
                ExpectedCall::http("GET", &url).responded(302),
                ExpectedCall::http("GET", &end).resend(1).responded(200),
            ],
        );
        check_headers(&peer, 0, &shown, 0, true);
        let (last, at) = if location == "/end" { (&peer, 1) } else { (&other, 0) };
        check_headers(last, at, &shown, 1, true);
    }

    // A redirect that the client does not follow is a response.
    let peer = redirecting(302, "/end");
    let client = Client::builder().disable_redirects().wrap(AwcMiddleware::new(calls.observer())).finish();
    let url = peer.url("/");
    let made = async { client.get(&url).send().await.expect("an answer").status().as_u16() };
    let (status, shown) = calls.in_request(made).await;
    assert_eq!(status, 302);
    calls.check_http(&shown, &[ExpectedCall::http("GET", &url).responded(302)]);
}

/// The address stays the same across redirects, so one peer is reached by both names.
#[actix_web::test]
async fn a_redirect_to_an_external_host_has_only_the_trace() {
    let calls = Calls::default();
    let peer = redirecting(307, "http://shop.example/end");
    let addr = peer.addr();
    let url = "http://payments.internal/";
    let (answer, shown) = calls.in_request(read(client(&calls).get(url).address(addr))).await;
    assert_eq!(answer.expect("an answer"), (200, ARRIVED.into()));
    let with_peer = |expected: ExpectedCall| {
        expected
            .attribute("network.peer.address", addr.ip().to_string())
            .attribute("network.peer.port", addr.port())
    };
    calls.check_http(
        &shown,
        &[
            with_peer(ExpectedCall::http("GET", url).responded(307)),
            with_peer(ExpectedCall::http("GET", "http://shop.example/end").resend(1).responded(200)),
        ],
    );
    check_headers(&peer, 0, &shown, 0, true);
    check_headers(&peer, 1, &shown, 1, false);
    assert_eq!(peer.received()[1].header("host"), Some("shop.example"));
}

#[actix_web::test]
async fn a_retry_by_the_application_is_a_call_of_its_own() {
    let (calls, peer) = (Calls::default(), failing_first(1, Failure::Status(503)));
    let url = peer.url("/");
    let made = async {
        let client = client(&calls);
        assert_eq!(read(client.get(&url)).await.expect("an answer").0, 503);
        read(client.get(&url)).await.expect("an answer")
    };
    let (answer, shown) = calls.in_request(made).await;
    assert_eq!(answer, (200, RECOVERED.into()));
    let expected = [503, 200].map(|status| ExpectedCall::http("GET", &url).responded(status));
    calls.check_http(&shown, &expected);
    (0..2).for_each(|number| check_headers(&peer, number, &shown, number, true));
}

#[actix_web::test]
async fn a_websocket_is_a_call_until_its_handshake() {
    let (calls, peer) = (Calls::default(), answering(404, ""));
    let url = peer.url("/ws");
    let made = async { client(&calls).ws(&url).connect().await.map(drop) };
    let (connected, shown) = calls.in_request(made).await;
    assert!(matches!(connected, Err(WsClientError::InvalidResponseStatus(_))), "{connected:?}");
    calls.check_http(&shown, &[ExpectedCall::http("GET", &url).responded(404)]);
    check_headers(&peer, 0, &shown, 0, true);
}

#[actix_web::test]
async fn secrets_of_a_url_are_masked() {
    let (calls, peer) = (Calls::default(), answering(200, ""));
    let addr = peer.addr();
    let url = format!("http://{addr}/pay?token=hunter2&item=7");
    let (answer, shown) = calls.in_request(read(client(&calls).get(&url))).await;
    assert_eq!(answer.expect("an answer").0, 200);
    let masked = url.replace("hunter2", "REDACTED");
    let expected = ExpectedCall::http("GET", &url).attribute("url.full", masked).responded(200);
    calls.check_http(&shown, &[expected]);
    assert_eq!(peer.received()[0].target.query(), Some("token=hunter2&item=7"));
    assert!(!shown.event.to_string().contains("hunter2"), "{:#}", shown.event);
}
