//! The endings of a call, for each client.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use http::Method;
use obs_core::{Outcome, output::Record};
use obs_tests::peers::{
    abrupt,
    answer::answering,
    proxy,
    slow::{slow_body, slow_response},
    tls::{ANOTHER_HOST, answering_over_tls},
    unreachable,
};
use tokio::sync::Notify;

use super::{
    exchange::{Answer, Exchange, Upload},
    kinds::{ALL, BoxError, ClientKind, REQWEST},
    seen::{Call, Seen, in_request},
};

/// The time limit of a step that must exceed it. What comes before this step is much faster.
const SHORT: Duration = Duration::from_secs(1);

async fn send(kind: ClientKind, exchange: &Exchange) -> (Result<Answer, BoxError>, Seen) {
    in_request(|builder| builder, async |observer| kind.send(observer, exchange).await).await
}

/// Checks an exchange that yields a whole response.
async fn responds(exchange: &Exchange, status: u16, body: &str, expected: Call) {
    for kind in ALL {
        let (answer, seen) = send(kind, exchange).await;
        let answer = answer.unwrap_or_else(|error| panic!("{kind:?}: {error:?}"));
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{kind:?}");
        assert!(answer.url.is_none_or(|url| url == exchange.url), "{kind:?}");
        seen.check(&format!("{kind:?}"), &[expected]);
        let call = seen.calls()[0].call().unwrap();
        assert_eq!(call.end.response_bytes, body.len() as u64, "{kind:?}");
        assert_eq!(seen.calls()[0].outcome, Outcome::Completed);
        assert!(call.end.version.is_some() && call.end.peer.is_some(), "{kind:?}: {call:?}");
    }
}

/// Checks an exchange that fails.
async fn fails(kinds: &[ClientKind], exchange: &Exchange, expected: Call) {
    // Concurrently, because some wait for a time limit.
    let sent = kinds.iter().map(async |kind| (kind, send(*kind, exchange).await));
    for (kind, (answer, seen)) in join_all(sent).await {
        let error = answer.expect_err("a failure");
        seen.check(&format!("{kind:?}: {error:?}"), &[expected]);
        if expected.error != Some("cancelled") {
            let report = seen.calls()[0].error.as_ref().expect("a report");
            assert!(!report.message.contains("http://"), "{kind:?}: {report:?}");
        }
    }
}

#[tokio::test]
async fn a_success() {
    let peer = answering(201, "paid");
    let exchange = Exchange::post(peer.url("/payments"), Upload::Whole(Bytes::from_static(b"{}")));
    responds(&exchange, 201, "paid", Call::success(201)).await;
    assert!(peer.received().iter().all(|request| request.body == b"{}" && request.complete));
}

#[tokio::test]
async fn a_success_over_http2() {
    let peer = answering(200, "paid");
    let exchange = Exchange { http2: true, ..Exchange::get(peer.url("/payments")) };
    responds(&exchange, 200, "paid", Call::success(200)).await;
}

#[tokio::test]
async fn a_response_without_a_body() {
    let peer = answering(200, "not sent");
    let exchange = Exchange { method: Method::HEAD, ..Exchange::get(peer.url("/payments")) };
    responds(&exchange, 200, "", Call::success(200)).await;
    let peer = answering(204, "");
    responds(&Exchange::get(peer.url("/payments")), 204, "", Call::success(204)).await;
}

#[tokio::test]
async fn an_error_status() {
    for (status, error) in [(404, "404"), (429, "429"), (503, "503")] {
        let peer = answering(status, "sorry");
        let expected = Call { error: Some(error), ..Call::success(status) };
        responds(&Exchange::get(peer.url("/payments")), status, "sorry", expected).await;
    }
}

#[tokio::test]
async fn a_streamed_upload() {
    let peer = answering(200, "paid");
    let exchange = Exchange::post(peer.url("/payments"), Upload::Parts(vec![Ok("one "), Ok("two")]));
    responds(&exchange, 200, "paid", Call::success(200)).await;
    assert!(peer.received().iter().all(|request| request.body == b"one two"));
}

#[tokio::test]
async fn a_streamed_upload_that_fails() {
    let peer = answering(200, "paid");
    let exchange = Exchange::post(peer.url("/payments"), Upload::Parts(vec![Ok("one "), Err("no more")]));
    fails(&ALL, &exchange, Call::failed("body")).await;
}

#[tokio::test]
async fn a_refused_connection() {
    let refusing = unreachable::refusing();
    let exchange = Exchange::get(format!("http://{}/payments?token=hunter2", refusing.addr()));
    fails(&ALL, &exchange, Call::failed("connect")).await;
}

#[tokio::test]
async fn a_name_that_does_not_exist() {
    let exchange = Exchange::get(format!("http://{}/payments", unreachable::UNRESOLVED));
    fails(&ALL, &exchange, Call::failed("dns")).await;
}

#[tokio::test]
async fn a_connection_that_takes_too_long() {
    let full = unreachable::full();
    let url = format!("http://{}/payments", full.addr());
    let exchange = Exchange { connect_timeout: Some(SHORT), ..Exchange::get(url) };
    fails(&ALL, &exchange, Call::failed("connect_timeout")).await;
}

#[tokio::test]
async fn a_certificate_of_another_host() {
    let (peer, authority) = answering_over_tls(&[ANOTHER_HOST], "paid");
    let exchange = Exchange { authority: Some(authority), ..Exchange::get(peer.url("/payments")) };
    fails(&ALL, &exchange, Call::failed("tls")).await;
    assert!(peer.received().is_empty());
}

#[tokio::test]
async fn a_success_over_tls() {
    let (peer, authority) = answering_over_tls(&["127.0.0.1"], "paid");
    let exchange = Exchange { authority: Some(authority), ..Exchange::get(peer.url("/payments")) };
    responds(&exchange, 200, "paid", Call::success(200)).await;
}

#[tokio::test]
async fn a_head_that_takes_too_long() {
    let (peer, _gate) = slow_response();
    let exchange = Exchange { timeout: Some(SHORT), ..Exchange::get(peer.url("/payments")) };
    fails(&ALL, &exchange, Call::failed("timeout")).await;
}

#[tokio::test]
async fn a_body_that_takes_too_long() {
    let peer = abrupt::stalled_body();
    let exchange = Exchange { timeout: Some(SHORT), ..Exchange::get(peer.url("/payments")) };
    fails(&REQWEST, &exchange, Call::failed("timeout").after(200)).await;
}

#[tokio::test]
async fn a_reset() {
    let peer = abrupt::resetting();
    fails(&ALL, &Exchange::get(peer.url("/payments")), Call::failed("reset")).await;
    let peer = abrupt::resetting_in_body();
    fails(&ALL, &Exchange::get(peer.url("/payments")), Call::failed("reset").after(200)).await;
}

#[tokio::test]
async fn a_response_that_ends_too_early() {
    for peer in [abrupt::closing(), abrupt::closing_in_head()] {
        fails(&ALL, &Exchange::get(peer.url("/payments")), Call::failed("incomplete")).await;
    }
    for peer in [abrupt::short_body(), abrupt::unfinished_chunks()] {
        fails(&ALL, &Exchange::get(peer.url("/payments")), Call::failed("incomplete").after(200)).await;
    }
}

#[tokio::test]
async fn a_response_that_is_not_http() {
    let peer = abrupt::not_http();
    fails(&ALL, &Exchange::get(peer.url("/payments")), Call::failed("decode")).await;
}

#[tokio::test]
async fn a_future_that_is_dropped() {
    for kind in ALL {
        let (peer, _gate) = slow_response();
        let exchange = Exchange::get(peer.url("/payments"));
        let ((), seen) = in_request(
            |builder| builder,
            async |observer| {
                tokio::select! {
                    answer = kind.send(observer, &exchange) => panic!("a response: {answer:?}"),
                    _ = peer.wait_for(1) => {}
                }
            },
        )
        .await;
        seen.check(&format!("{kind:?}"), &[Call::failed("cancelled")]);
        assert_eq!(seen.calls()[0].outcome, Outcome::CancelledBeforeResponse);
    }
}

#[tokio::test]
async fn a_body_that_is_dropped() {
    for kind in ALL {
        let (peer, _gate) = slow_body();
        let head = Arc::new(Notify::new());
        let exchange = Exchange { at_head: Some(Arc::clone(&head)), ..Exchange::get(peer.url("/payments")) };
        let ((), seen) = in_request(
            |builder| builder,
            async |observer| {
                tokio::select! {
                    answer = kind.send(observer, &exchange) => panic!("a response: {answer:?}"),
                    () = head.notified() => {}
                }
            },
        )
        .await;
        seen.check(&format!("{kind:?}"), &[Call::failed("cancelled").after(200)]);
        assert_eq!(seen.calls()[0].outcome, Outcome::CancelledInBody);
    }
}

#[tokio::test]
async fn a_slow_body() {
    for kind in ALL {
        let (peer, gate) = slow_body();
        let head = Arc::new(Notify::new());
        let exchange = Exchange { at_head: Some(Arc::clone(&head)), ..Exchange::get(peer.url("/payments")) };
        let (answer, seen) = in_request(
            |builder| builder,
            async |observer| {
                let open = async {
                    head.notified().await;
                    gate.open();
                };
                tokio::join!(kind.send(observer, &exchange), open).0
            },
        )
        .await;
        assert_eq!(answer.unwrap().body, "before after", "{kind:?}");
        seen.check(&format!("{kind:?}"), &[Call::success(200)]);
        let record: &Record = &seen.calls()[0];
        let end = record.call().unwrap().end;
        assert_eq!(end.response_bytes, 12, "{kind:?}");
        assert!(end.time_to_head.unwrap() < record.duration, "{kind:?}: the body counts");
    }
}

#[tokio::test]
async fn a_proxy() {
    let peer = answering(200, "paid");
    let through = proxy::forwarding_to(peer.addr());
    // The call is to the host of the URL. The proxy resolves it.
    let exchange =
        Exchange { proxy: Some(through.url("")), ..Exchange::get("http://payments.test/payments") };
    for kind in REQWEST {
        let (answer, seen) = send(kind, &exchange).await;
        assert_eq!(answer.unwrap().body, "paid", "{kind:?}");
        seen.check(&format!("{kind:?}"), &[Call::success(200)]);
        let server = seen.calls()[0].call().unwrap().start.server().unwrap().to_string();
        assert_eq!(server, "payments.test:80", "{kind:?}");
        seen.is_parent(0, peer.received().last().unwrap());
    }

    let rejecting = proxy::rejecting(407);
    let exchange = Exchange { proxy: Some(rejecting.url("")), ..exchange };
    for kind in REQWEST {
        let (answer, seen) = send(kind, &exchange).await;
        assert_eq!(answer.unwrap().status, 407, "{kind:?}");
        seen.check(&format!("{kind:?}"), &[Call { error: Some("407"), ..Call::success(407) }]);
    }
    // A tunnel that is refused is no response of the host.
    let exchange = Exchange { url: "https://payments.test/payments".to_owned(), ..exchange };
    fails(&REQWEST, &exchange, Call::failed("connect")).await;
}
