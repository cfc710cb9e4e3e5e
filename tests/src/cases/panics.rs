//! Cases of panics. Each panic is recorded once with its location, the client gets a response, and
//! the server continues.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use obs_core::{Answer, Outcome, PanicPolicy, current};

use super::exchange_with;
use crate::{
    app::CANARIES,
    client::{get, request},
    stacks::{Setup, Stack},
    watch::{Expected, Watch, until},
};

/// Checks a panic before the response: the response is a problem document with the request id.
async fn answered(stack: Stack, path: &'static str, message: &str) {
    answered_to(stack, path, get(path), message).await;
}

async fn answered_to(stack: Stack, path: &'static str, request: Request<Full<Bytes>>, message: &str) {
    let watch = Watch::default();
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    let answer = client.send(request).await.expect("an answer");
    assert_eq!(answer.status, 500);
    assert_eq!(answer.header("grpc-status"), None);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(problem["status"], 500);
    assert_eq!(problem["request_id"].as_str(), answer.header("x-request-id"));

    // The same connection still works.
    let next = client.send(get("/plain")).await.expect("an answer");
    assert_eq!(next.status, 200);
    let records = watch.ended(2).await;
    let panic = records[0].panic.as_ref().expect("a panic");
    assert_eq!(panic.message, message);
    let location = panic.location.as_ref().expect("a location");
    assert!(location.file.ends_with("tests/src/app.rs"), "{location}");
    let backtrace = panic.backtrace.as_ref().expect("a backtrace").to_string();
    assert!(backtrace.contains("app.rs"), "{backtrace}");

    client.disconnect().await;
    server.stop().await;
    // Without a router, nothing set the route before `call` panicked.
    let mut expected = Expected::completed(500, path, answer.body.len() as u64).outcome(Outcome::Panicked);
    if path == "/panic-call" && !stack.has_router() {
        expected = expected.unmatched();
    }
    watch.check(&[expected, Expected::completed(200, "/plain", 5)]);
    assert_eq!(watch.metric("http_request_errors_total", r#"error_type="panic""#), 1.0);
    let lines = watch.lines();
    assert_eq!(lines[0]["error.message"], message);
    assert_eq!(lines[0]["error.location"], location.to_string());
}

pub async fn in_call(stack: Stack) {
    answered(stack, "/panic-call", "in call").await;
}

pub async fn before_an_await(stack: Stack) {
    answered(stack, "/panic-before", "before an await").await;
}

pub async fn after_an_await(stack: Stack) {
    answered(stack, "/panic-after", "after an await").await;
}

/// A GET is HTTP, whatever content type it claims, and its answer is HTTP.
pub async fn claimed_as_grpc(stack: Stack) {
    let mut request = get("/panic-before");
    request.headers_mut().insert("content-type", http::HeaderValue::from_static("application/grpc+proto"));
    answered_to(stack, "/panic-before", request, "before an await").await;
}

/// The answer to HEAD declares the length that GET has.
pub async fn head(stack: Stack) {
    let watch = Watch::default();
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    let got = client.send(get("/panic-before")).await.expect("an answer");
    let head = client.send(request("HEAD", "/panic-before")).await.expect("an answer");
    assert_eq!((head.status, head.body.len()), (500, 0));
    let length = got.body.len().to_string();
    assert_eq!(head.header("content-length"), Some(length.as_str()));
    client.disconnect().await;
    server.stop().await;
}

/// The application's own answer replaces ours, to GET and HEAD. The request is still a panic.
pub async fn own_answer(stack: Stack) {
    let policy = PanicPolicy::with(|panic| {
        let id = current().id().expect("the scope of a request").to_string();
        Answer::new(503, "text/plain", format!("{}, {id}", panic.message))
            .header("Retry-After", "5")
            .header("X-Request-Id", "not the id of this request")
            .header("content-length", "1")
            .header("two words", "an invalid name")
            .header("x-invalid", "two\r\nlines")
    });
    let watch = Watch::with(|builder| builder.panic_policy(policy));
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    let mut expected = Vec::new();
    for (path, message) in
        [("/panic-call", "in call"), ("/panic-before", "before an await"), ("/panic-after", "after an await")]
    {
        let got = client.send(get(path)).await.expect("an answer");
        assert_eq!((got.status, got.header("content-type")), (503, Some("text/plain")));
        let id = got.header("x-request-id").expect("an id");
        assert_eq!(got.body, format!("{message}, {id}"));
        assert_eq!((got.header("retry-after"), got.header("x-invalid")), (Some("5"), None));
        let head = client.send(request("HEAD", path)).await.expect("an answer");
        assert_eq!((head.status, head.body.len()), (503, 0));
        assert_eq!(head.header("content-length"), Some(got.body.len().to_string().as_str()));
        for bytes in [got.body.len() as u64, 0] {
            let expected_end = Expected::completed(503, path, bytes).outcome(Outcome::Panicked);
            let no_route = path == "/panic-call" && !stack.has_router();
            expected.push(if no_route { expected_end.unmatched() } else { expected_end });
        }
    }
    client.disconnect().await;
    server.stop().await;
    watch.check(&expected);
    assert_eq!(watch.metric("http_request_errors_total", r#"error_type="panic""#), 6.0);
    assert_eq!(watch.metric("http_requests_total", r#"status="503""#), 6.0);
    assert_eq!(watch.lines()[2]["error.message"], "before an await");
}

/// An answer that panics itself is replaced by ours. The first panic is the one that is recorded.
pub async fn own_answer_that_panics(stack: Stack) {
    let policy = PanicPolicy::with(|_| panic!("in the answer"));
    let watch = Watch::with(|builder| builder.panic_policy(policy));
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    for _ in 0..2 {
        let answer = client.send(get("/panic-before")).await.expect("an answer");
        assert_eq!((answer.status, answer.header("content-type")), (500, Some("application/problem+json")));
    }
    assert_eq!(client.send(get("/plain")).await.expect("the server continues").status, 200);
    for record in &watch.ended(3).await[..2] {
        let panic = record.panic.as_ref().expect("a panic");
        assert_eq!((record.outcome, &*panic.message), (Outcome::Panicked, "before an await"));
        assert!(panic.location.as_ref().is_some_and(|location| location.file.ends_with("tests/src/app.rs")));
    }
    client.disconnect().await;
    server.stop().await;
}

/// The secrets in the message of a panic are masked before the application's answer gets it.
pub async fn own_answer_without_secrets(stack: Stack) {
    let policy = PanicPolicy::with(|panic| Answer::new(500, "text/plain", panic.message.clone()));
    let watch = Watch::with(|builder| builder.panic_policy(policy));
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    let answer = client.send(get("/canary-panic/7")).await.expect("an answer");
    let body = std::str::from_utf8(&answer.body).expect("a text");
    assert!(body.contains(" has "), "{body}");
    for secret in CANARIES {
        assert!(!body.contains(secret), "{body}");
    }
    client.disconnect().await;
    server.stop().await;
}

/// With the policy `Resume`, the connection breaks as it would without obs, and the panic is still
/// recorded.
pub async fn resumed(stack: Stack) {
    let watch = Watch::with(|builder| builder.panic_policy(PanicPolicy::Resume));
    let expected = Expected::completed(500, "/panic-after", 0).outcome(Outcome::Panicked).no_status();
    let setup = Setup::new(&watch);
    let answer = exchange_with(stack, setup, &watch, get("/panic-after"), expected).await;
    assert!(answer.is_err(), "{answer:?}");
    assert_eq!(watch.metric("http_requests_total", r#"status="500""#), 1.0);
}

pub async fn in_body(stack: Stack) {
    let watch = Watch::default();
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    let answer = client.send(get("/panic-body")).await;
    assert!(answer.is_err(), "the stream is aborted: {answer:?}");
    let record = &watch.ended(1).await[0];
    assert_eq!(record.panic.as_ref().expect("a panic").message, "in the body");
    client.disconnect().await;
    // The server continues.
    let mut client = server.connect().await;
    assert_eq!(client.send(get("/plain")).await.expect("an answer").status, 200);
    watch.ended(2).await;
    client.disconnect().await;
    server.stop().await;
    let panicked = Expected::completed(200, "/panic-body", 3).outcome(Outcome::Panicked);
    watch.check(&[panicked, Expected::completed(200, "/plain", 5)]);
}

/// The client disconnects, and a destructor in the handler panics.
pub async fn in_drop(stack: Stack) {
    let watch = Watch::default();
    let server = stack.serve(Setup::new(&watch)).await;
    let entered = server.world.clone();
    let mut client = server.connect().await;
    let leaving = tokio::spawn(async move {
        tokio::select! {
            answer = client.open(get("/panic-drop")) => panic!("an answer: {answer:?}"),
            () = until(|| entered.entered.load(std::sync::atomic::Ordering::SeqCst) == 1) => {}
        }
        client.disconnect().await;
    });
    leaving.await.expect("left");
    watch.ended(1).await;
    let mut client = server.connect().await;
    assert_eq!(client.send(get("/plain")).await.expect("the server continues").status, 200);
    watch.ended(2).await;
    client.disconnect().await;
    server.stop().await;
    let panicked = Expected::completed(500, "/panic-drop", 0).outcome(Outcome::Panicked).no_status();
    watch.check(&[panicked, Expected::completed(200, "/plain", 5)]);
}

/// A panic in the destructor of a body changes nothing: the whole response was sent before.
pub async fn in_body_drop(stack: Stack) {
    let watch = Watch::default();
    let expected = Expected::completed(200, "/panic-body-drop", 3);
    let setup = Setup::new(&watch);
    let answer = exchange_with(stack, setup, &watch, get("/panic-body-drop"), expected).await;
    assert_eq!(answer.expect("a response").body, "one");
}
