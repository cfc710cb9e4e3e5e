//! Tests of the peers that behave badly: a plain client sees what the name of each peer promises.

use std::{
    error::Error,
    io::{self, ErrorKind},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response, Version};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use obs_tests::{
    client::{Answer, Client, get, in_pieces, post},
    peers::{
        Peer, abrupt,
        answer::answering,
        fails_first::{Failure, RECOVERED, failing_first},
        http2, proxy,
        redirect::{ARRIVED, redirecting},
        slow::{AFTER, BEFORE, slow_body, slow_response},
        tls::{ANOTHER_HOST, answering_over_tls},
        unreachable,
    },
    watch::{BOUND, until},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        CertificateError, ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

async fn send(peer: &Peer, http2: bool, request: Request<Full<Bytes>>) -> hyper::Result<Answer> {
    Client::connect(peer.addr(), http2).await.send(request).await
}

/// The head of a response. The client comes with it, because dropping it closes the connection.
async fn open(peer: &Peer) -> (Client, Response<Incoming>) {
    let mut client = Client::connect(peer.addr(), false).await;
    let response = client.open(get("/")).await.expect("a head");
    (client, response)
}

/// The first source of an error that has this type.
fn source<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> &'a E {
    std::iter::successors(Some(error), |&error| error.source())
        .find_map(|error| error.downcast_ref())
        .unwrap_or_else(|| panic!("no such source in {error:?}"))
}

#[tokio::test]
async fn an_answer_has_the_status_and_the_body_and_the_request_is_recorded() {
    let peer = answering(503, "busy");
    for (n, http2) in [(1, false), (2, true)] {
        let mut request = post("/items?id=1", "{}");
        request.headers_mut().append("baggage", "a=1".parse().expect("a value"));
        let answer = send(&peer, http2, request).await.expect("an answer");
        assert_eq!((answer.status, answer.text()), (503, "busy"));
        let received = peer.wait_for(n).await.pop().expect("a request");
        assert_eq!((received.method.as_str(), received.target.path()), ("POST", "/items"));
        assert_eq!(received.target.query(), Some("id=1"));
        assert_eq!(received.version, if http2 { Version::HTTP_2 } else { Version::HTTP_11 });
        assert_eq!(received.header("baggage"), Some("a=1"));
        assert_eq!(received.header("content-type"), Some("application/json"));
        assert_eq!((received.body.as_slice(), received.complete), (&b"{}"[..], true));
        assert_eq!((received.connection, peer.connections()), (n - 1, n));
    }
}

#[tokio::test]
async fn an_upload_is_recorded_while_it_runs() {
    let peer = answering(200, "thanks");
    let (release, released) = tokio::sync::oneshot::channel();
    let last = async {
        released.await.expect("the test sends it");
        "two"
    };
    let parts = stream::iter(["one "]).chain(stream::once(last));
    let body = StreamBody::new(parts.map(|part| Ok(Frame::data(Bytes::from_static(part.as_bytes())))));
    let mut client = Client::connect(peer.addr(), false).await;
    let sent = client.send(Request::post("/upload").body(body).expect("a valid request"));
    let running = async {
        until(|| peer.received().first().is_some_and(|request| request.body == b"one ")).await;
        assert!(!peer.received()[0].complete, "the upload runs");
        release.send(()).expect("the upload waits");
    };
    let (answer, ()) = tokio::join!(sent, running);
    assert_eq!(answer.expect("an answer").text(), "thanks");
    let received = peer.received().remove(0);
    assert_eq!((received.body.as_slice(), received.complete), (&b"one two"[..], true));
    assert_eq!(received.header("transfer-encoding"), Some("chunked"));

    let mut client = Client::connect(peer.addr(), true).await;
    client.send(in_pieces("/upload", ["a", "b"])).await.expect("an answer");
    assert_eq!(peer.received()[1].body, b"ab");
}

#[tokio::test]
async fn a_redirect_leads_to_the_same_and_to_another_peer() {
    let other = redirecting(302, "/other");
    for location in ["/end", &other.url("/end")] {
        let peer = redirecting(307, location);
        let answer = send(&peer, false, get("/")).await.expect("an answer");
        assert_eq!((answer.status, answer.header("location")), (307, Some(location)));
        let answer = send(&peer, false, get("/end")).await.expect("an answer");
        assert_eq!((answer.status, answer.text()), (200, ARRIVED));
    }
}

#[tokio::test]
async fn a_peer_recovers_after_its_failures() {
    for failure in [Failure::Status(503), Failure::Reset, Failure::Close] {
        let peer = failing_first(2, failure);
        for _ in 0..2 {
            let sent = send(&peer, false, post("/", "{}")).await;
            match failure {
                Failure::Status(status) => {
                    let answer = sent.expect("an answer");
                    assert_eq!((answer.status, answer.header("retry-after")), (status, Some("0")));
                }
                Failure::Reset => {
                    let error = sent.expect_err("a reset");
                    assert_eq!(source::<io::Error>(&error).kind(), ErrorKind::ConnectionReset, "{error:?}");
                }
                Failure::Close => assert!(sent.expect_err("a close").is_incomplete_message()),
            }
        }
        let answer = send(&peer, false, get("/")).await.expect("an answer");
        assert_eq!((answer.status, answer.text()), (200, RECOVERED));
        assert_eq!((peer.received().len(), peer.received()[0].body.as_slice()), (3, &b"{}"[..]));
    }
}

#[tokio::test]
async fn a_slow_response_comes_when_the_test_releases_it() {
    let (peer, gate) = slow_response();
    let mut client = Client::connect(peer.addr(), false).await;
    let mut sent = std::pin::pin!(client.send(get("/")));
    let early = async { drop(peer.wait_for(1).await) };
    tokio::select! {
        biased;
        answer = &mut sent => panic!("no answer before the gate is open: {answer:?}"),
        () = early => {}
    }
    gate.open();
    assert_eq!(sent.await.expect("an answer").text(), AFTER);
}

#[tokio::test]
async fn a_slow_body_ends_when_the_test_releases_it() {
    for http2 in [false, true] {
        let (peer, gate) = slow_body();
        let mut client = Client::connect(peer.addr(), http2).await;
        let mut body = client.open(get("/")).await.expect("a head").into_body();
        let first = body.frame().await.expect("a frame").expect("data").into_data().expect("data");
        assert_eq!(first, BEFORE);
        let early = timeout(Duration::from_millis(50), body.frame()).await;
        assert!(early.is_err(), "nothing comes before the gate is open: {early:?}");
        gate.open();
        assert_eq!(body.collect().await.expect("the end").to_bytes(), AFTER);
    }
}

#[tokio::test]
async fn a_response_that_does_not_come_or_has_no_end_is_silent() {
    let peer = abrupt::silent();
    let answer = timeout(Duration::from_millis(50), send(&peer, false, get("/quiet")));
    assert!(answer.await.is_err(), "no answer");
    assert_eq!(peer.wait_for(1).await[0].target.path(), "/quiet");

    let peer = abrupt::stalled_body();
    let (_client, response) = open(&peer).await;
    let mut body = response.into_body();
    let first = body.frame().await.expect("a frame").expect("data").into_data().expect("data");
    assert_eq!(first, abrupt::PART);
    assert!(timeout(Duration::from_millis(50), body.frame()).await.is_err(), "no more");
}

#[tokio::test]
async fn a_connection_ends_before_the_response() {
    let reset = send(&abrupt::resetting(), false, post("/", "{}")).await.expect_err("a reset");
    assert_eq!(source::<io::Error>(&reset).kind(), ErrorKind::ConnectionReset, "{reset:?}");
    for peer in [abrupt::closing(), abrupt::closing_in_head()] {
        let closed = send(&peer, false, get("/")).await.expect_err("a close");
        assert!(closed.is_incomplete_message(), "{closed:?}");
        assert_eq!(peer.received().len(), 1);
    }
    let wrong = send(&abrupt::not_http(), false, get("/")).await.expect_err("not HTTP");
    assert!(wrong.is_parse(), "{wrong:?}");
}

#[tokio::test]
async fn a_connection_ends_inside_of_the_body() {
    let peers = [abrupt::resetting_in_body(), abrupt::short_body(), abrupt::unfinished_chunks()];
    for (peer, kind) in
        peers.iter().zip([ErrorKind::ConnectionReset, ErrorKind::UnexpectedEof, ErrorKind::UnexpectedEof])
    {
        let (_client, response) = open(peer).await;
        assert_eq!(response.status(), 200);
        let mut body = response.into_body();
        let first = body.frame().await.expect("a frame").expect("data").into_data().expect("data");
        assert_eq!(first, abrupt::PART);
        let error = body.frame().await.expect("a frame").expect_err("the end is missing");
        assert_eq!(source::<io::Error>(&error).kind(), kind, "{error:?}");
    }
}

#[tokio::test]
async fn an_unreachable_address_fails_in_its_way() {
    let refusing = unreachable::refusing();
    let error = TcpStream::connect(refusing.addr()).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);

    let full = unreachable::full();
    let connected = timeout(Duration::from_millis(100), TcpStream::connect(full.addr()));
    assert!(connected.await.is_err(), "no reply");

    let found = timeout(BOUND, tokio::net::lookup_host((unreachable::UNRESOLVED, 80))).await;
    assert!(found.expect("a reply of the resolver").is_err(), "the name does not resolve");
}

/// Connects with TLS, to `name` at the address of a peer.
async fn secure(peer: &Peer, authority: &str, name: &'static str) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).expect("PEM")).expect("an authority");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has what they need")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(peer.addr()).await.expect("the peer listens");
    let name = ServerName::try_from(name).expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[tokio::test]
async fn a_certificate_fits_its_names_only() {
    let (peer, authority) = answering_over_tls(&["localhost"], "safe");
    assert!(peer.url("/").starts_with("https://127.0.0.1:"), "{}", peer.url("/"));
    let stream = secure(&peer, &authority, "localhost").await.expect("a certificate that fits");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1");
    let connection = tokio::spawn(connection);
    let response = sender.send_request(get("/")).await.expect("an answer");
    assert_eq!(response.into_body().collect().await.expect("the end").to_bytes(), "safe");
    assert_eq!(peer.received().len(), 1);
    connection.abort();

    let (peer, authority) = answering_over_tls(&[ANOTHER_HOST], "safe");
    let error = secure(&peer, &authority, "localhost").await.expect_err("another host");
    let reason = error.get_ref().and_then(|error| error.downcast_ref());
    let Some(tokio_rustls::rustls::Error::InvalidCertificate(reason)) = reason else {
        panic!("a certificate is invalid, not {error:?}")
    };
    assert!(matches!(reason, CertificateError::NotValidForNameContext { .. }), "{reason:?}");
    assert!(peer.received().is_empty(), "no request comes through");
}

#[tokio::test]
async fn streams_are_refused_and_reset() {
    for (peer, reason) in [
        (http2::refusing_streams(1), h2::Reason::REFUSED_STREAM),
        (http2::resetting_streams(1, h2::Reason::INTERNAL_ERROR), h2::Reason::INTERNAL_ERROR),
    ] {
        let mut client = Client::connect(peer.addr(), true).await;
        let error = client.send(get("/first")).await.expect_err("the first stream fails");
        let error = source::<h2::Error>(&error);
        assert!(error.is_reset() && error.is_remote(), "{error:?}");
        assert_eq!(error.reason(), Some(reason));
        // The connection goes on.
        let answer = client.send(get("/second")).await.expect("an answer");
        assert_eq!((answer.status, answer.text()), (200, http2::SERVED));
        let paths = peer.received();
        let paths: Vec<_> = paths.iter().map(|request| request.target.path()).collect();
        assert_eq!((paths.as_slice(), peer.connections()), (&["/first", "/second"][..], 1));
    }
}

#[tokio::test]
async fn a_connection_goes_away() {
    let peer = http2::going_away(1);
    let mut request = get("/first");
    request.headers_mut().insert("x-request-id", "one".parse().expect("a value"));
    let error = send(&peer, true, request).await.expect_err("the connection ends");
    let error = source::<h2::Error>(&error);
    assert!(error.is_go_away() && error.is_remote(), "{error:?}");
    assert_eq!(error.reason(), Some(h2::Reason::NO_ERROR));
    let answer = send(&peer, true, get("/second")).await.expect("an answer");
    assert_eq!((answer.status, answer.text()), (200, http2::SERVED));
    let received = peer.received();
    assert_eq!((received[0].target.path(), received[0].header("x-request-id")), ("/first", Some("one")));
    assert_eq!((received.len(), received[1].connection), (2, 1));
}

#[tokio::test]
async fn a_proxy_forwards_requests_with_a_whole_url() {
    let peer = answering(200, "behind");
    let whole = |url: &str| {
        let request = Request::post(url).header("proxy-authorization", "Basic eDp5").header("x-a", "1");
        request.body(Full::from("sent")).expect("a valid request")
    };
    let named = format!("http://{}/named", unreachable::UNRESOLVED);
    for (proxy, url) in
        [(proxy::forwarding(), peer.url("/items?id=1")), (proxy::forwarding_to(peer.addr()), named)]
    {
        let answer = send(&proxy, false, whole(&url)).await.expect("an answer");
        assert_eq!((answer.status, answer.text()), (200, "behind"));
        let (of_proxy, of_peer) = (proxy.received().remove(0), peer.received().pop().expect("a request"));
        assert_eq!(of_proxy.target.to_string(), url);
        assert_eq!(of_proxy.header("proxy-authorization"), Some("Basic eDp5"));
        assert!(url.ends_with(&of_peer.target.to_string()), "{} of {url}", of_peer.target);
        assert_eq!((of_peer.target.host(), of_peer.body.as_slice()), (None, &b"sent"[..]));
        assert_eq!((of_peer.header("proxy-authorization"), of_peer.header("x-a")), (None, Some("1")));
    }
    let refusing = format!("http://{}/", unreachable::refusing().addr());
    assert_eq!(send(&proxy::forwarding(), false, whole(&refusing)).await.expect("an answer").status, 502);
    let rejecting = proxy::rejecting(407);
    assert_eq!(send(&rejecting, false, whole(&peer.url("/"))).await.expect("an answer").status, 407);
}

#[tokio::test]
async fn a_proxy_makes_tunnels() {
    let peer = answering(200, "behind");
    let proxy = proxy::forwarding();
    let mut client = Client::connect(proxy.addr(), false).await;
    let target = peer.addr().to_string();
    let connect = Request::connect(target.as_str()).body(Full::default()).expect("a valid request");
    let response = client.open(connect).await.expect("a head");
    assert_eq!(response.status(), 200);
    let tunnel = hyper::upgrade::on(response).await.expect("a tunnel");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(tunnel).await.expect("HTTP/1");
    let connection = tokio::spawn(connection);
    let response = sender.send_request(get("/inside")).await.expect("an answer");
    assert_eq!(response.into_body().collect().await.expect("the end").to_bytes(), "behind");
    connection.abort();
    let of_proxy = proxy.received();
    assert_eq!((of_proxy.len(), of_proxy[0].method.as_str()), (1, "CONNECT"));
    assert_eq!(of_proxy[0].target.to_string(), target);
    assert_eq!(peer.received()[0].target.path(), "/inside");
}
