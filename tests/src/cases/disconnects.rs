//! Cases of clients that disconnect, and of timeouts.

use crate::of_request::OfRequest as _;
use std::{sync::atomic::Ordering, time::Duration};

use http_body_util::BodyExt;
use obs_core::Outcome;

use super::{exchange, exchange_with};
use crate::{
    app::HUGE,
    client::get,
    stacks::{Framework, Setup, Stack},
    watch::{Expected, Watch, until},
};

pub async fn before_the_head(stack: Stack) {
    let watch = Watch::default();
    let server = stack.serve(Setup::new(&watch)).await;
    let world = server.world.clone();
    let mut client = server.connect().await;
    tokio::select! {
        answer = client.open(get("/gate")) => panic!("an answer: {answer:?}"),
        () = until(|| world.entered.load(Ordering::SeqCst) == 1) => {}
    }
    client.disconnect().await;
    let mut expected =
        Expected::completed(499, "/gate", 0).outcome(Outcome::CancelledBeforeResponse).no_status();
    if !stack.detects_disconnects_in_handler() {
        // actix lets the handler finish. By then it may or may not have noticed that the socket is
        // closed.
        world.gate.add_permits(1);
        let record = &watch.ended(1).await[0];
        assert!([Outcome::Completed, Outcome::CancelledInBody].contains(&record.outcome), "{record:?}");
        expected = Expected::completed(200, "/gate", record.end().response_bytes).outcome(record.outcome);
    }
    watch.ended(1).await;
    server.stop().await;
    watch.check(&[expected]);
    if stack.detects_disconnects_in_handler() {
        let labels = r#"endpoint="/gate",status="499""#;
        assert_eq!(watch.metric("http_requests_total", labels), 1.0);
        let labels = r#"endpoint="/gate",error_type="cancelled_before_response""#;
        assert_eq!(watch.metric("http_request_errors_total", labels), 1.0);
    }
}

/// Reads the first frame of the response to `path`, then disconnects.
async fn in_body(stack: Stack, path: &str) -> Watch {
    let watch = Watch::default();
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    let mut response = client.open(get(path)).await.expect("a response");
    let frame = response.body_mut().frame().await.expect("a frame").expect("no error");
    assert!(frame.is_data());
    drop(response);
    client.disconnect().await;
    watch.ended(1).await;
    server.stop().await;
    watch
}

pub async fn between_small_frames(stack: Stack) {
    let watch = in_body(stack, "/endless").await;
    let expected = Expected::completed(200, "/endless", 0).outcome(Outcome::CancelledInBody);
    watch.check(&[expected.less_than(u64::MAX)]);
    assert!(watch.ended(1).await[0].end().response_bytes >= 1024, "some frames went out");
}

/// hyper would take the whole frame at once. Only the chunks show that a part was not sent.
pub async fn in_one_huge_frame(stack: Stack) {
    let watch = in_body(stack, "/huge").await;
    // actix takes the frame as a whole, so all its bytes are counted.
    let limit = if stack.framework == Framework::Actix { HUGE as u64 + 1 } else { HUGE as u64 };
    let expected = Expected::completed(200, "/huge", 0).outcome(Outcome::CancelledInBody);
    watch.check(&[expected.less_than(limit)]);
}

/// A timeout outside the layer drops the handler. The client gets a response, but the layer does
/// not see it.
pub async fn outer_timeout(stack: Stack) {
    let watch = Watch::default();
    let setup = Setup::new(&watch).outer_timeout(Duration::from_millis(50));
    let expected =
        Expected::completed(499, "/outer-timeout", 0).outcome(Outcome::CancelledBeforeResponse).no_status();
    let answer = exchange_with(stack, setup, &watch, get("/outer-timeout"), expected).await;
    // A plain tower timeout is a service error, and hyper closes the connection.
    if stack.framework != Framework::Tower {
        assert_eq!(answer.expect("a response").status, 504);
    }
}

/// A timeout inside the layer is a response like any other.
pub async fn inner_timeout(stack: Stack) {
    let bytes = if stack.framework == Framework::Actix { 8 } else { 0 };
    let answer = exchange(stack, get("/slow"), Expected::completed(408, "/slow", bytes)).await;
    assert_eq!(answer.expect("a response").status, 408);
}

/// The test kit names each request that still runs, and says which body was not read to its end.
pub async fn unfinished_requests_are_named(stack: Stack) {
    let watch = Watch::default();
    let server = stack.serve(Setup::new(&watch)).await;
    let world = server.world.clone();
    let mut reader = server.connect().await;
    let response = reader.open(get("/endless")).await.expect("a response");
    let mut client = server.connect().await;
    let handled = tokio::spawn(async move { client.send(get("/gate")).await });
    until(|| world.entered.load(Ordering::SeqCst) == 2).await;
    let message = watch.timeout(2).await;
    let expected = "2 requests should have ended within 0ns, but 0 have. Still running: `GET /endless` (the body \
                    of its response, with status 200, was not read to its end), `GET /gate` (there is no \
                    response yet).";
    assert!(message.starts_with(expected), "{message}");

    world.gate.add_permits(1);
    handled.await.expect("no panic").expect("a response");
    drop(response);
    reader.disconnect().await;
    watch.ended(2).await;
    server.stop().await;
    let message = watch.timeout(3).await;
    assert!(message.contains("but 2 have. No request is running."), "{message}");
}
