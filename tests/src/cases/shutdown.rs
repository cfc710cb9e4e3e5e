//! Cases of the graceful shutdown.

use std::{sync::atomic::Ordering, time::Duration};

use obs_core::Outcome;

use crate::{
    client::get,
    stacks::{Setup, Stack},
    watch::{BOUND, Expected, Watch, until},
};

/// The server first reports not ready but still serves. Then it accepts no new connections, and
/// waits for the running request.
pub async fn waits_for_requests(stack: Stack) {
    // Enough time for two probes, even on a busy machine.
    let watch = Watch::with(|builder| builder.drain_delay(Duration::from_secs(3)).drain_timeout(BOUND));
    let mut server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    let world = server.world.clone();
    let running = tokio::spawn(async move { client.send(get("/gate")).await });
    until(|| world.entered.load(Ordering::SeqCst) == 1).await;

    let mut probe = server.connect().await;
    assert_eq!(probe.send(get("/readyz")).await.expect("an answer").status, 200);
    server.request_shutdown();
    until(|| watch.observer.is_draining()).await;
    assert_eq!(probe.send(get("/readyz")).await.expect("still serving").status, 503);
    assert_eq!(probe.send(get("/livez")).await.expect("still serving").status, 200);
    probe.disconnect().await;

    // The listener closes after the delay, while the request still runs.
    let addr = server.addr;
    let stopped = tokio::spawn(server.stop());
    refuses(addr).await;
    assert_eq!(watch.observer.in_flight(), 1);
    assert!(!stopped.is_finished());
    world.gate.add_permits(1);
    let answer = running.await.expect("no panic").expect("the request ends normally");
    assert_eq!(answer.body, "opened");
    stopped.await.expect("the server ends");
    watch.check(&[
        Expected::completed(200, "/readyz", 18),
        Expected::completed(503, "/readyz", 21),
        Expected::completed(200, "/livez", 17),
        Expected::completed(200, "/gate", 6),
    ]);
}

/// Waits until the listener at `addr` is closed.
async fn refuses(addr: std::net::SocketAddr) {
    let wait = async {
        while tokio::net::TcpStream::connect(addr).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(BOUND, wait).await.expect("the listener closes");
}

/// Requests that still run after the timeout are aborted, and each is recorded.
pub async fn aborts_requests_after_the_timeout(stack: Stack) {
    let watch = Watch::with(|builder| builder.drain_timeout(Duration::from_secs(1)));
    let mut server = stack.serve(Setup::new(&watch)).await;
    let (mut hanging, mut streaming) = (server.connect().await, server.connect().await);
    let hanging = tokio::spawn(async move { hanging.send(get("/gate")).await });
    until(|| server.world.entered.load(Ordering::SeqCst) == 1).await;
    let streaming = tokio::spawn(async move { streaming.send(get("/endless")).await });
    until(|| server.world.entered.load(Ordering::SeqCst) == 2).await;

    server.request_shutdown();
    server.stop().await;
    let records = watch.ended(2).await;
    assert!(hanging.await.expect("no panic").is_err());
    assert!(streaming.await.expect("no panic").is_err());
    let mut outcomes: Vec<_> = records.iter().map(|record| record.outcome).collect();
    outcomes.sort_by_key(|outcome| outcome.as_str());
    assert_eq!(outcomes, [Outcome::CancelledBeforeResponse, Outcome::CancelledInBody]);
    assert!(records.iter().all(|record| record.draining), "the records are marked as draining: {records:#?}");
    assert_eq!(watch.observer.in_flight(), 0);
    assert!(watch.lines().iter().all(|line| line["draining"] == true));
}

/// An idle connection does not delay the shutdown.
pub async fn closes_idle_connections(stack: Stack) {
    let watch = Watch::with(|builder| builder.drain_timeout(BOUND));
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    client.send(get("/plain")).await.expect("a response");
    server.stop().await;
    watch.check(&[Expected::completed(200, "/plain", 5)]);
    client.disconnect().await;
}
