//! Cases of bodies that are sent in pieces, and of their endings.

use crate::of_request::OfRequest as _;
use bytes::Bytes;
use obs_core::Outcome;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::exchange;
use crate::{
    app::HUGE,
    client::get,
    stacks::{Framework, Setup, Stack},
    watch::{Expected, Watch, until},
};

pub async fn chunked(stack: Stack) {
    let answer = exchange(stack, get("/chunked"), Expected::completed(200, "/chunked", 11)).await;
    assert_eq!(answer.expect("a response").body, "onetwothree");
}

/// hyper stops after `Content-Length` bytes and never polls the end of the body.
pub async fn sized_stream(stack: Stack) {
    let answer = exchange(stack, get("/sized"), Expected::completed(200, "/sized", 11)).await;
    assert_eq!(answer.expect("a response").body, "onetwothree");
}

pub async fn too_short(stack: Stack) {
    let expected = Expected::completed(200, "/short", 6).outcome(Outcome::Truncated);
    let answer = exchange(stack, get("/short"), expected).await;
    assert!(answer.is_err(), "the client sees the error, too");
}

pub async fn trailers(stack: Stack) {
    let answer = exchange(stack, get("/trailers"), Expected::completed(200, "/trailers", 6)).await;
    let answer = answer.expect("a response");
    assert_eq!(answer.body, "onetwo");
    if stack.http2 {
        // Over HTTP/1, hyper sends only trailers that a `Trailer` header announced.
        assert_eq!(answer.trailers.expect("trailers")["x-checksum"], "42");
    }
}

pub async fn server_sent_events(stack: Stack) {
    let answer = exchange(stack, get("/sse"), Expected::completed(200, "/sse", 18).stream()).await;
    assert_eq!(answer.expect("a response").body, "data: 1\n\ndata: 2\n\n");
}

pub async fn websocket(stack: Stack) {
    let watch = Watch::default();
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    let mut upgrade = get("/ws");
    upgrade.headers_mut().insert("connection", http::HeaderValue::from_static("upgrade"));
    upgrade.headers_mut().insert("upgrade", http::HeaderValue::from_static("websocket"));
    let response = client.open(upgrade).await.expect("a response");
    assert_eq!(response.status(), 101);
    watch.ended(1).await;
    echoes(response).await;
    client.disconnect().await;
    server.stop().await;
    watch.check(&[Expected::completed(101, "/ws", 0).outcome(Outcome::Upgraded).stream()]);
}

/// The extended CONNECT (RFC 8441) that WebSockets use over HTTP/2.
pub async fn connect(stack: Stack) {
    let watch = Watch::default();
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    // The first response brings the server's settings, which allow CONNECT.
    client.send(get("/plain")).await.expect("a response");
    let connect = http::Request::connect("http://test/ws")
        .extension(hyper::ext::Protocol::from_static("websocket"))
        .body(http_body_util::Full::default())
        .expect("a request");
    let mut sender = client.http2_sender().expect("HTTP/2");
    let response =
        sender.send_request(connect.map(http_body_util::BodyExt::boxed_unsync)).await.expect("a response");
    assert_eq!(response.status(), 200);
    watch.ended(2).await;
    echoes(response).await;
    drop(sender);
    client.disconnect().await;
    server.stop().await;
    let upgraded = Expected::completed(200, "/ws", 0).outcome(Outcome::Upgraded).stream();
    watch.check(&[Expected::completed(200, "/plain", 5), upgraded]);
}

/// Checks that the upgraded connection echoes a message.
async fn echoes(response: http::Response<hyper::body::Incoming>) {
    let upgraded = hyper::upgrade::on(response).await.expect("upgraded");
    let mut stream = hyper_util::rt::TokioIo::new(upgraded);
    stream.write_all(b"ping").await.expect("sent");
    let mut echo = [0; 4];
    stream.read_exact(&mut echo).await.expect("echoed");
    assert_eq!(&echo, b"ping");
}

pub async fn body_error(stack: Stack) {
    let watch = Watch::default();
    let expected = Expected::completed(200, "/body-error", 3).outcome(Outcome::BodyError);
    let setup = Setup::new(&watch);
    let answer = super::exchange_with(stack, setup, &watch, get("/body-error"), expected).await;
    assert!(answer.is_err(), "the client sees the error, too");
    assert_eq!(watch.metric("http_request_errors_total", r#"error_type="body_error""#), 1.0);
    // actix wraps the error into its own.
    let line = &watch.lines()[0];
    assert!(
        [&line["error.message"], &line["error.sources"][0]].contains(&&"the disk is gone".into()),
        "{line}"
    );
}

/// One frame of 50 MB arrives whole, although it is sent in chunks.
pub async fn huge_frame(stack: Stack) {
    let answer = exchange(stack, get("/huge"), Expected::completed(200, "/huge", HUGE as u64)).await;
    let body = answer.expect("a response").body;
    assert_eq!(body.len(), HUGE);
    assert!(body.iter().all(|byte| *byte == b'x'));
}

/// A client does not read its response. The server closes the connection and records the request.
/// Idle connections and slow handlers are not affected.
pub async fn unread(stack: Stack) {
    let watch = Watch::with(|builder| builder.stall_timeout(std::time::Duration::from_millis(200)));
    let server = stack.serve(Setup::new(&watch)).await;
    let mut idle = server.connect().await;
    assert_eq!(idle.send(get("/plain")).await.expect("an answer").status, 200);
    let mut slow = server.connect().await;
    let handled = tokio::spawn(async move { slow.send(get("/gate")).await });
    until(|| server.world.entered.load(std::sync::atomic::Ordering::SeqCst) == 1).await;

    let mut client = tokio::net::TcpStream::connect(server.addr).await.expect("the server listens");
    client.write_all(b"GET /huge HTTP/1.1\r\nhost: test\r\n\r\n").await.expect("sent");
    let records = watch.ended(2).await;
    assert_eq!((records[1].outcome, records[1].route_label()), (Outcome::CancelledInBody, "/huge"));
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest).await;
    assert!(rest.len() < HUGE, "the rest was never sent");

    assert_eq!(idle.send(get("/plain")).await.expect("an answer").status, 200);
    server.world.gate.add_permits(1);
    assert_eq!(handled.await.expect("no panic").expect("an answer").status, 200);
    idle.disconnect().await;
    server.stop().await;
}

/// A request body that the handler does not read causes no error.
pub async fn unread_request_body(stack: Stack) {
    let watch = Watch::default();
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    let upload = http::Request::post("/upload")
        .body(http_body_util::Full::new(Bytes::from(vec![0; 100_000])))
        .expect("a request");
    // A server may close the connection early, and then the client may miss the response.
    if let Ok(answer) = client.send(upload).await {
        assert_eq!(answer.status, 200);
    }
    let record = &watch.ended(1).await[0];
    let declared = record.head().body_bytes;
    assert!(declared == Some(100_000) || stack.framework == Framework::Actix && stack.http2, "{declared:?}");
    client.disconnect().await;
    server.stop().await;
    watch.check(&[Expected::completed(200, "/upload", 5)]);
}
