//! Cases of health probes, and of the checks that they run.

use std::{
    future::pending,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::Value;
use tokio::sync::{Semaphore, oneshot};

use crate::{
    client::{Client, get},
    stacks::{Server, Setup, Stack},
    watch::{BOUND, Watch, until},
};

async fn probe(server: &Server, path: &str) -> (u16, Value) {
    let mut client = server.connect().await;
    let answer = client.send(get(path)).await.expect("an answer");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    client.disconnect().await;
    (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
}

/// Probes until the service responds with this status.
async fn becomes(server: &Server, status: u16) -> Value {
    let wait = async {
        loop {
            let (now, body) = probe(server, "/readyz").await;
            if now == status {
                return body;
            }
        }
    };
    tokio::time::timeout(BOUND, wait).await.expect("the status")
}

/// One check passes, the other fails and recovers. The response says which check failed and since
/// when, but not why.
pub async fn names_the_failing_check(stack: Stack) {
    let up = Arc::new(AtomicBool::new(false));
    let is_up = Arc::clone(&up);
    let watch = Watch::with(|builder| {
        builder.check("cache", || async { Ok::<_, io::Error>(()) }).check("db", move || {
            let up = is_up.load(Ordering::SeqCst);
            async move { if up { Ok(()) } else { Err(io::Error::other("password=hunter2 refused")) } }
        })
    });
    let server = stack.serve(Setup::new(&watch)).await;
    let (status, first) = probe(&server, "/readyz").await;
    assert_eq!((status, &first["status"]), (503, &"failing".into()), "{first}");
    assert_eq!(first["checks"]["db"]["status"], "fail");
    assert_eq!(first["checks"]["cache"]["status"], "pass");
    assert!(!first.to_string().contains("hunter2"), "the response does not have the reason: {first}");
    assert_eq!(probe(&server, "/livez").await.0, 200, "a failed dependency needs no restart");
    // The check still fails, since the same moment.
    let (_, second) = probe(&server, "/health").await;
    assert_eq!(second["checks"]["db"], first["checks"]["db"]);

    up.store(true, Ordering::SeqCst);
    let ready = becomes(&server, 200).await;
    assert_eq!((&ready["status"], &ready["checks"]["db"]["status"]), (&"ready".into(), &"pass".into()));
    assert_ne!(ready["checks"]["db"]["since"], first["checks"]["db"]["since"]);
    assert_eq!(ready["checks"]["cache"]["since"], first["checks"]["cache"]["since"]);
    server.stop().await;
}

/// A check that hangs is reported as failed, and not started a second time.
pub async fn hanging(stack: Stack) {
    let started = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&started);
    let watch = Watch::with(|builder| {
        builder.check_within(Duration::from_millis(50), "db", move || {
            counts.fetch_add(1, Ordering::SeqCst);
            pending::<Result<(), io::Error>>()
        })
    });
    let server = stack.serve(Setup::new(&watch)).await;
    let (status, first) = probe(&server, "/readyz").await;
    assert_eq!((status, &first["checks"]["db"]["status"]), (503, &"fail".into()));
    for _ in 0..5 {
        let (status, next) = probe(&server, "/readyz").await;
        assert_eq!(
            (status, &next["checks"]),
            (503, &first["checks"]),
            "the same failure since the same moment"
        );
    }
    assert_eq!(started.load(Ordering::SeqCst), 1);
    server.stop().await;
}

/// A check that waits at a gate, with the numbers of its starts and ends.
struct Gated {
    watch: Watch,
    gate: Arc<Semaphore>,
    started: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
}

impl Gated {
    fn new(timeout: Duration) -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let (started, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (starts, ends, opens) = (Arc::clone(&started), Arc::clone(&ended), Arc::clone(&gate));
        let check = move || {
            starts.fetch_add(1, Ordering::SeqCst);
            let (ends, opens) = (Arc::clone(&ends), Arc::clone(&opens));
            async move {
                let passed = opens.acquire().await.map(drop);
                ends.fetch_add(1, Ordering::SeqCst);
                passed
            }
        };
        let watch = Watch::with(|builder| builder.check_within(timeout, "db", check));
        Self { watch, gate, started, ended }
    }
}

/// A check that passes after its timeout has failed.
pub async fn too_late(stack: Stack) {
    let Gated { watch, gate, ended, .. } = Gated::new(Duration::from_millis(50));
    let server = stack.serve(Setup::new(&watch)).await;
    let (status, first) = probe(&server, "/readyz").await;
    assert_eq!(status, 503);
    gate.add_permits(1);
    until(|| ended.load(Ordering::SeqCst) == 1).await;
    let (status, second) = probe(&server, "/readyz").await;
    assert_eq!((status, &second["checks"]), (503, &first["checks"]), "and since the same moment");
    // The next run passes in time.
    becomes(&server, 200).await;
    server.stop().await;
}

/// A hundred simultaneous probes run the check once.
pub async fn one_run_for_all(stack: Stack) {
    let Gated { watch, gate, started, .. } = Gated::new(BOUND);
    let server = stack.serve(Setup::new(&watch)).await;
    let probes = (0..100).map(|_| {
        let (addr, http2) = (server.addr, stack.http2);
        tokio::spawn(async move { Client::connect(addr, http2).await.send(get("/readyz")).await })
    });
    let probes: Vec<_> = probes.collect();
    watch.running(100).await;
    gate.add_permits(1);
    for answer in join_all(probes).await {
        assert_eq!(answer.expect("no panic").expect("an answer").status, 200);
    }
    assert_eq!(started.load(Ordering::SeqCst), 1);
    server.stop().await;
}

/// A liveness probe runs no check, and a client that disconnects does not cancel a running check.
pub async fn independent_of_liveness_and_disconnects(stack: Stack) {
    let Gated { watch, gate, started, ended } = Gated::new(BOUND);
    let server = stack.serve(Setup::new(&watch)).await;
    assert_eq!(probe(&server, "/livez").await.0, 200);
    assert_eq!(started.load(Ordering::SeqCst), 0);
    let mut client = server.connect().await;
    tokio::select! {
        answer = client.open(get("/readyz")) => panic!("an answer: {answer:?}"),
        () = until(|| started.load(Ordering::SeqCst) == 1) => {}
    }
    client.disconnect().await;
    gate.add_permits(1);
    until(|| ended.load(Ordering::SeqCst) == 1).await;
    server.stop().await;
}

/// A check that blocks its thread does not stop the service, even if its runtime has one thread.
pub async fn blocking(stack: Stack) {
    let (release, blocked) = mpsc::channel::<()>();
    let (blocked, started) = (Arc::new(Mutex::new(blocked)), Arc::new(AtomicUsize::new(0)));
    let starts = Arc::clone(&started);
    let watch = Watch::with(|builder| {
        builder.check_within(BOUND, "db", move || {
            let (blocked, starts) = (Arc::clone(&blocked), Arc::clone(&starts));
            async move {
                // It has the runtime of the service.
                tokio::time::sleep(Duration::from_millis(1)).await;
                starts.fetch_add(1, Ordering::SeqCst);
                let _ = blocked.lock().unwrap().recv();
                Ok::<_, io::Error>(())
            }
        })
    });
    let setup = Setup::new(&watch);
    let ((listens, addr), (stop, stopping)) = (oneshot::channel(), oneshot::channel::<()>());
    let service = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async move {
            let server = stack.serve(setup).await;
            let _ = listens.send(server.addr);
            let _ = stopping.await;
            server.stop().await;
        });
    });
    let addr = addr.await.expect("an address");
    let send = move |path: &'static str| async move {
        let mut client = Client::connect(addr, stack.http2).await;
        client.send(get(path)).await.expect("an answer").status
    };
    let probe = tokio::spawn(send("/readyz"));
    until(|| started.load(Ordering::SeqCst) == 1).await;
    // Each worker of actix-web has its own thread, so each gets some of these connections.
    for path in ["/items/7", "/livez", "/metrics"].iter().cycle().take(12) {
        let answer = tokio::time::timeout(BOUND, send(path)).await;
        assert_eq!(answer.expect("the service still runs"), 200, "{path}");
    }
    assert!(!probe.is_finished(), "the check still blocks");
    drop(release);
    assert_eq!(probe.await.expect("no panic"), 200);
    drop(stop);
    service.join().expect("no panic");
}

/// A check that panics, in its call or in its future, has failed.
pub async fn panicking(stack: Stack) {
    let watch = Watch::with(|builder| {
        let in_call = || -> std::future::Ready<Result<(), io::Error>> { panic!("in the check's call") };
        let in_future: fn() -> Result<(), io::Error> = || panic!("in the check's future");
        builder.check("call", in_call).check("future", move || async move { in_future() })
    });
    let server = stack.serve(Setup::new(&watch)).await;
    let (status, body) = probe(&server, "/readyz").await;
    assert_eq!(status, 503);
    assert_eq!([&body["checks"]["call"]["status"], &body["checks"]["future"]["status"]], ["fail", "fail"]);
    server.stop().await;
}

/// The service is not ready while it starts, and again while it drains.
pub async fn not_ready_while_starting_or_draining(stack: Stack) {
    let watch = Watch::with(obs_core::ObserverBuilder::starting);
    let server = stack.serve(Setup::new(&watch)).await;
    assert_eq!(probe(&server, "/readyz").await, (503, serde_json::json!({"status": "starting"})));
    assert_eq!(probe(&server, "/livez").await.0, 200);
    watch.observer.started();
    assert_eq!(probe(&server, "/readyz").await, (200, serde_json::json!({"status": "ready"})));
    watch.observer.start_draining();
    assert_eq!(probe(&server, "/readyz").await, (503, serde_json::json!({"status": "draining"})));
    server.stop().await;
}
