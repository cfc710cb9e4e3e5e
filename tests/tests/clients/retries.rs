//! Requests that a server has not processed, and that are sent again.

use h2::Reason;
use obs_tests::peers::{Peer, http2};

use super::{
    exchange::{Answer, Exchange, Upload},
    kinds::{BoxError, ClientKind, REQWEST},
    seen::{Call, Seen, in_request},
};

async fn send(kind: ClientKind, peer: &Peer, upload: Upload) -> (Result<Answer, BoxError>, Seen) {
    let exchange = Exchange { http2: true, ..Exchange::post(peer.url("/payments"), upload) };
    in_request(|builder| builder, async |observer| kind.send(observer, &exchange).await).await
}

#[tokio::test]
async fn a_refused_request_is_sent_again_at_most_twice() {
    type Make = fn(usize) -> Peer;
    for make in [http2::refusing_streams as Make, http2::going_away] {
        for kind in REQWEST {
            let peer = make(2);
            let (answer, seen) = send(kind, &peer, Upload::Whole("{}".into())).await;
            assert_eq!(answer.unwrap().body, http2::SERVED, "{kind:?}");
            let received = peer.received();
            assert_eq!(received.len(), 3, "{kind:?}");
            if kind.sees_attempts() {
                let refused = Call::failed("reset");
                let expected = [refused, refused.resend(1), Call::success(200).resend(2)];
                seen.check(&format!("{kind:?}"), &expected);
                for (n, request) in received.iter().enumerate() {
                    seen.is_parent(n, request);
                }
            } else {
                seen.check(&format!("{kind:?}"), &[Call::success(200)]);
            }

            let peer = make(3);
            let (answer, seen) = send(kind, &peer, Upload::Whole("{}".into())).await;
            answer.expect_err("three refusals");
            assert_eq!(peer.received().len(), 3, "{kind:?}");
            let calls = if kind.sees_attempts() { 3 } else { 1 };
            let expected: Vec<_> = (0..calls).map(|n| Call::failed("reset").resend(n)).collect();
            seen.check(&format!("{kind:?}"), &expected);
        }
    }
}

#[tokio::test]
async fn a_stream_is_not_sent_again() {
    for kind in REQWEST {
        let peer = http2::refusing_streams(1);
        let (answer, seen) = send(kind, &peer, Upload::Parts(vec![Ok("{}")])).await;
        answer.expect_err("a refusal");
        assert_eq!(peer.received().len(), 1, "{kind:?}");
        seen.check(&format!("{kind:?}"), &[Call::failed("reset")]);
    }
}

#[tokio::test]
async fn a_request_that_may_have_been_processed_is_not_sent_again() {
    for kind in REQWEST {
        let peer = http2::resetting_streams(1, Reason::INTERNAL_ERROR);
        let (answer, seen) = send(kind, &peer, Upload::Whole("{}".into())).await;
        answer.expect_err("a reset");
        assert_eq!(peer.received().len(), 1, "{kind:?}");
        seen.check(&format!("{kind:?}"), &[Call::failed("reset")]);
    }
}
