//! Cases of the graceful shutdown.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use obs_core::{Observer, Outcome};
use tokio::task::JoinSet;

use crate::{
    client::{Client, get},
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

    // Each probe has its own connection, because the server announces the end of a connection.
    let (addr, http2) = (server.addr, stack.http2);
    let probe = async |path| {
        let mut client = Client::connect(addr, http2).await;
        client.send(get(path)).await.expect("an answer").status
    };
    assert_eq!(probe("/readyz").await, 200);
    server.request_shutdown();
    until(|| watch.observer.is_draining()).await;
    assert_eq!(probe("/readyz").await, 503, "it still serves");
    assert_eq!(probe("/livez").await, 200, "it still serves");

    // The listener closes after the delay, while the request still runs.
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
async fn refuses(addr: SocketAddr) {
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

/// While the server still accepts requests, it announces the end of each connection: by
/// `Connection: close` over HTTP/1, by GOAWAY over HTTP/2.
pub async fn announces_the_end(stack: Stack) {
    let watch = Watch::with(|builder| builder.drain_delay(Duration::from_secs(3)).drain_timeout(BOUND));
    let mut server = stack.serve(Setup::new(&watch)).await;
    let mut kept = server.connect().await;
    let answer = kept.send(get("/plain")).await.expect("an answer");
    assert_eq!(answer.header("connection"), None);
    assert!(!kept.has_ended());
    let mut idle = server.connect().await;
    idle.send(get("/plain")).await.expect("an answer");

    server.request_shutdown();
    until(|| watch.observer.is_draining()).await;
    let announced = (!stack.http2).then_some("close");
    if !stack.http2 {
        let answer = kept.send(get("/plain")).await.expect("the connection was kept");
        assert_eq!(answer.header("connection"), announced);
    }
    until(|| kept.has_ended()).await;
    let mut new = server.connect().await;
    for path in ["/plain", "/readyz"] {
        if new.has_ended() {
            new = server.connect().await;
        }
        let answer = new.send(get(path)).await.expect("it still serves");
        assert_eq!(answer.header("connection"), announced, "{path}");
        until(|| new.has_ended()).await;
    }
    assert_eq!(idle.has_ended(), stack.http2, "over HTTP/1, only a response can announce the end");
    server.stop().await;
    until(|| idle.has_ended()).await;
}

/// A connection that is open at the end of the delay can still send its first request.
pub async fn answers_a_first_request_after_the_delay(stack: Stack) {
    let watch = Watch::with(|builder| builder.drain_delay(Duration::from_secs(1)).drain_timeout(BOUND));
    let mut server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    server.request_shutdown();
    let addr = server.addr;
    let stopped = tokio::spawn(server.stop());
    refuses(addr).await;
    let answer = client.send(get("/plain")).await.expect("an answer");
    assert_eq!((answer.status, answer.header("connection")), (200, (!stack.http2).then_some("close")));
    stopped.await.expect("the server ends");
    watch.check(&[Expected::completed(200, "/plain", 5)]);
}

/// The number of clients that send requests during a shutdown.
const CLIENTS: u64 = 160;

/// Clients with kept connections lose no request at a shutdown. A client whose connection ends
/// opens another one, until the load balancer has noticed that the service is not ready.
///
/// The variable `OBS_TEST_RUNS` sets the number of runs.
pub async fn loses_no_request(stack: Stack) {
    let runs = std::env::var("OBS_TEST_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(1);
    for run in 0..runs {
        let builder = Observer::builder("test").no_environment().events(obs_core::Events::off());
        let builder = builder.shutdown_timeout(4 * BOUND).drain_delay(Duration::from_secs(3));
        let observer = builder.drain_timeout(BOUND).build().expect("valid");
        let mut server = stack.serve(Setup::of(&observer)).await;
        let (addr, http2) = (server.addr, stack.http2);
        let sent = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&sent);
        // hyper's client drops a request if GOAWAY arrives on another thread while it is being
        // sent. So all clients share one thread.
        let clients = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(send_requests(addr, http2, count))
        });
        until(|| sent.load(Ordering::SeqCst) >= 4 * CLIENTS).await;
        server.request_shutdown();
        let stopped = tokio::spawn(server.stop());
        let lost = clients.await.expect("no panic");
        assert!(lost.is_empty(), "run {run}: {} of {sent:?} requests are lost: {:?}", lost.len(), lost[0]);
        stopped.await.expect("the server ends");
        let page = observer.metrics_text();
        let sample = r#"http_requests_total{method="GET",endpoint="/plain",status="200"} "#;
        let handled = page.lines().find_map(|line| line.strip_prefix(sample)).expect("the metric");
        assert_eq!(handled, sent.load(Ordering::SeqCst).to_string(), "every handled request is answered");
    }
}

/// Runs all clients until they end. Returns the errors of lost requests.
async fn send_requests(addr: SocketAddr, http2: bool, sent: Arc<AtomicU64>) -> Vec<hyper::Error> {
    let noticed = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        // Some clients send often, others rarely.
        let pause = Duration::from_millis(5 + number);
        clients.spawn(keep_sending(addr, http2, pause, Arc::clone(&noticed), Arc::clone(&sent)));
    }
    // The health check of a load balancer.
    clients.spawn(async move {
        let ready = async || Client::connect(addr, http2).await.send(get("/readyz")).await;
        while ready().await?.status == 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        noticed.store(true, Ordering::SeqCst);
        Ok(())
    });
    clients.join_all().await.into_iter().filter_map(Result::err).collect()
}

/// Sends requests until the load balancer has noticed the end.
///
/// # Errors
/// A request was lost.
async fn keep_sending(
    addr: SocketAddr,
    http2: bool,
    pause: Duration,
    noticed: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
) -> hyper::Result<()> {
    while let Some(mut client) = Client::try_connect(addr, http2).await {
        while !client.has_ended() {
            match client.send(get("/plain")).await {
                Ok(answer) => assert_eq!(answer.body, "hello"),
                // The client knew that the connection ends, and did not send the request.
                Err(error) if error.is_canceled() || error.is_closed() => break,
                // The request crossed GOAWAY. The server has not handled it, so the client may send
                // it again (RFC 9113 §6.8).
                Err(error) if format!("{error:?}").contains("GoAway(b\"\", NO_ERROR, Remote)") => break,
                Err(error) => return Err(error),
            }
            sent.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(pause).await;
        }
        if noticed.load(Ordering::SeqCst) {
            break;
        }
    }
    Ok(())
}
