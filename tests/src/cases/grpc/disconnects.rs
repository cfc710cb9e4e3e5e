//! Cases of callers that cancel a call, and of calls whose deadline has passed.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use obs_core::{Outcome, output::Record};
use tonic::Request;

use super::{
    expected::{ExpectedCall, Running},
    texts,
};
use crate::{
    caller::Caller,
    stacks::{Framework, Stack},
    watch::until,
};

fn within(timeout: Duration) -> Request<String> {
    let mut request = Request::new("it".to_owned());
    request.set_timeout(timeout);
    request
}

/// The caller cancels before the response, and long before the deadline.
pub async fn cancelled(stack: Stack) {
    let mut running = Running::start(stack).await;
    let world = Arc::clone(&running.server.world);
    tokio::select! {
        answer = running.caller.unary("Hang", within(Duration::from_secs(3600))) => panic!("an answer: {answer:?}"),
        () = until(|| world.entered.load(Ordering::SeqCst) == 1) => {}
    }
    let ended = running.end(1).await;
    ExpectedCall::ended("/test.Shop/Hang", Outcome::CancelledBeforeResponse).without_a_head().check(&ended);
    assert_eq!(ended.events[0]["grpc.timeout_ms"], 3_600_000.0);
}

/// The caller cancels in the middle of a stream.
pub async fn cancelled_within_a_stream(stack: Stack) {
    let mut running = Running::start(stack).await;
    let mut answers = running.caller.stream("HangWithin", texts(["all"])).await.expect("a head");
    assert_eq!(answers.message().await.expect("an answer").as_deref(), Some("one"));
    drop(answers);
    let ended = running.end(1).await;
    let expected = ExpectedCall::ended("/test.Shop/HangWithin", Outcome::CancelledInBody);
    expected.messages(1, &["one"]).stream().check(&ended);
}

const DEADLINE: Duration = Duration::from_millis(50);

/// tonic's server enforces the caller's deadline, outside the layer. On axum, only the caller
/// enforces it.
pub async fn deadline(stack: Stack) {
    let running = Running::start(stack).await;
    let world = Arc::clone(&running.server.world);
    let client = running.server.connect().await;
    let mut caller = Caller::without_a_clock(&client);
    let call = caller.unary("Hang", within(DEADLINE));
    if stack.framework == Framework::Tonic {
        call.await.expect_err("a status");
    } else {
        tokio::select! {
            answer = call => panic!("an answer: {answer:?}"),
            () = async {
                until(|| world.entered.load(Ordering::SeqCst) == 1).await;
                tokio::time::sleep(DEADLINE).await;
            } => {}
        }
    }
    drop(caller);
    client.disconnect().await;
    let ended = running.end(1).await;
    ExpectedCall::ended("/test.Shop/Hang", Outcome::DeadlineExceeded).without_a_head().check(&ended);
    assert_eq!(ended.events[0]["grpc.timeout_ms"], 50.0);
}

/// tonic's client also enforces the deadline, and its clock starts earlier than ours.
pub async fn deadline_of_the_client(stack: Stack) {
    let mut running = Running::start(stack).await;
    running.caller.unary("Hang", within(Duration::from_secs(2))).await.expect_err("a status");
    let ended = running.end(1).await;
    ExpectedCall::ended("/test.Shop/Hang", Outcome::DeadlineExceeded).without_a_head().check(&ended);
}

/// A passed deadline is never taken for a cancellation, in a thousand tries. The callers enforce
/// their deadlines.
pub async fn a_thousand_deadlines(stack: Stack) {
    const CALLS: usize = 1_000;
    let running = Running::start(stack).await;
    let world = Arc::clone(&running.server.world);
    let mut callers = Vec::new();
    // A connection carries at most 200 streams at a time.
    for _ in 0..CALLS / 100 {
        callers.push(Caller::connect(running.server.addr).await);
    }
    let mut calls = FuturesUnordered::new();
    for n in 0..CALLS {
        let mut caller = callers[n % callers.len()].clone();
        calls.push(async move { caller.unary("Hang", within(Duration::from_secs(20))).await.is_err() });
        while world.entered.load(Ordering::SeqCst) <= n {
            tokio::select! {
                biased;
                _ = calls.next() => panic!("a call ended before all had started"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    while let Some(failed) = calls.next().await {
        assert!(failed);
    }
    let ended = running.end(CALLS).await;
    let late = |record: &&Record| record.outcome == Outcome::DeadlineExceeded;
    assert_eq!(ended.records.iter().filter(late).count(), CALLS);
}

/// tonic enforces deadlines only until the head of the response. Other clients also cancel in the
/// middle of a stream.
pub async fn deadline_within_a_stream(stack: Stack) {
    /// Enough time for the head, even on a busy machine.
    const DEADLINE: Duration = Duration::from_secs(2);
    let running = Running::start(stack).await;
    let mut request = Request::new(texts(["all"]));
    request.set_timeout(DEADLINE);
    let client = running.server.connect().await;
    let mut caller = Caller::without_a_clock(&client);
    let mut answers = caller.stream("HangWithin", request).await.expect("a head");
    assert_eq!(answers.message().await.expect("an answer").as_deref(), Some("one"));
    tokio::time::sleep(DEADLINE).await;
    drop((answers, caller));
    client.disconnect().await;
    let ended = running.end(1).await;
    let expected = ExpectedCall::ended("/test.Shop/HangWithin", Outcome::DeadlineExceeded);
    expected.messages(1, &["one"]).stream().check(&ended);
}
