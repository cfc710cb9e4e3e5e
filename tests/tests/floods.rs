//! Floods of log lines, over sockets: what is written, what is dropped, and the memory that they
//! take.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use axum::{Router, http::StatusCode, routing::get as on_get};
use futures_util::future::join_all;
use http_body_util::BodyExt;
use obs_core::{LogOutput, Logs, testing::TestLogs};
use obs_tests::{
    client::{Client, get},
    subscribed::{block_on, counter, lines_only, serve},
    watch::until,
};
use serde_json::Value;
use tokio::sync::Semaphore;
use tracing::{debug, error, info};

fn of_route<'a>(lines: &'a [Value], route: &'a str) -> impl Iterator<Item = &'a Value> {
    lines.iter().filter(move |line| line["http.route"] == route)
}

#[test]
fn a_million_lines_of_a_loop_become_few_and_the_counts_add_up() {
    const LINES: u64 = 1_000_000;
    const CLIENTS: u64 = 4;
    const REQUESTS: u64 = 100;
    let written = TestLogs::new();
    let output = LogOutput::writer(written.clone()).capacity(64 << 20);
    let observer = lines_only(Logs::new().output(output)).build().expect("valid");
    let hot = || async {
        for n in 0..LINES / REQUESTS {
            info!(n, "again");
        }
    };
    let fails = || async {
        error!("the stock is lost");
        StatusCode::INTERNAL_SERVER_ERROR
    };
    let router = Router::new().route("/hot", on_get(hot)).route("/fails", on_get(fails));
    let began = Instant::now();
    block_on(&observer, async {
        let addr = serve(&observer, router).await;
        join_all((0..CLIENTS).map(|client| async move {
            let mut connection = Client::connect(addr, false).await;
            for n in 0..REQUESTS / CLIENTS {
                assert_eq!(connection.send(get("/hot")).await.expect("an answer").status, 200);
                if (client, n) == (0, REQUESTS / CLIENTS / 2) {
                    assert_eq!(connection.send(get("/fails")).await.expect("an answer").status, 500);
                }
            }
        }))
        .await;
    });
    // The limit: 5,000 at once, and 1,000 for each second.
    let limit = 5_001 + began.elapsed().as_secs() * 1_000 + 1_000;
    let lines = written.lines(&observer);
    let hot = of_route(&lines, "/hot").filter(|line| line["message"] == "again").count() as u64;
    assert!((1_000..=limit).contains(&hot), "{hot} lines are written, of at most {limit}");
    let summaries: Vec<_> = lines.iter().filter_map(|line| line["fields"]["held_back"].as_u64()).collect();
    let held_back: u64 = summaries.iter().sum();
    assert_eq!(hot + held_back, LINES, "the summaries: {summaries:?}");
    assert_eq!(counter(&observer, "log_lines_total", r#"level="info""#), LINES);
    assert_eq!(counter(&observer, "log_lines_dropped_total", r#"reason="limit""#), held_back);
    assert_eq!(counter(&observer, "log_lines_dropped_total", ""), held_back);
    let errors: Vec<_> = lines.iter().filter(|line| line["level"] == "error").collect();
    assert!(matches!(errors[..], [error] if error["http.route"] == "/fails"), "{errors:?}");
    println!(
        "{hot} of {LINES} lines are written, and {} summaries, in {:?}",
        summaries.len(),
        began.elapsed()
    );
}

/// The memory of this process, in bytes.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the memory");
    kib.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
}

/// Holds the requests of a route until a test opens it.
struct Held {
    entered: AtomicUsize,
    gate: Semaphore,
}

impl Held {
    fn new() -> Arc<Self> {
        Arc::new(Self { entered: AtomicUsize::new(0), gate: Semaphore::new(0) })
    }

    async fn wait(&self) -> StatusCode {
        self.entered.fetch_add(1, Ordering::SeqCst);
        // A gate that is closed is open for all requests.
        let _ = self.gate.acquire().await;
        StatusCode::INTERNAL_SERVER_ERROR
    }
}

/// Sends requests at the same time, over connections of HTTP/2 with 200 streams each. Returns the
/// memory while all of them run.
async fn memory_of(path: &'static str, held: &Held, requests: usize, connections: &[Client]) -> usize {
    let mut running = Vec::new();
    for connection in connections {
        for _ in 0..requests / connections.len() {
            let mut sender = connection.http2_sender().expect("HTTP/2");
            running.push(tokio::spawn(async move {
                sender.ready().await.expect("the connection is open");
                let request = get(&format!("http://test{path}")).map(BodyExt::boxed_unsync);
                sender.send_request(request).await.expect("an answer").status()
            }));
        }
    }
    until(|| held.entered.load(Ordering::SeqCst) == requests).await;
    let memory = memory();
    held.gate.close();
    for running in running {
        assert_eq!(running.await.expect("it ends"), 500);
    }
    memory
}

#[test]
fn the_lines_of_ten_thousand_requests_stay_within_their_memory() {
    const REQUESTS: usize = 10_000;
    const LINES: usize = 20;
    const LIMIT: usize = 4 << 20;
    /// The allocator's rounding, and the buffers of the connections.
    const SLACK: usize = 12 << 20;
    let written = TestLogs::new();
    let output = LogOutput::writer(written.clone()).capacity(256 << 20);
    let logs = Logs::new().collect("floods=debug").collect_total_bytes(LIMIT).output(output);
    let observer = lines_only(logs).build().expect("valid");
    // The memory of the connections and of the allocator grows in the first phase.
    let phases = [("/warm-up", 0), ("/quiet", 0), ("/talks", LINES)];
    let phases = phases.map(|(path, lines)| (path, lines, Held::new()));
    let text: &'static str = "x".repeat(500).leak();
    let mut router = Router::new();
    for (path, lines, held) in &phases {
        let (lines, held) = (*lines, Arc::clone(held));
        let handler = move || async move {
            for n in 0..lines {
                debug!(n, "{text}");
            }
            held.wait().await
        };
        router = router.route(path, on_get(handler));
    }
    let (without, with) = block_on(&observer, async {
        let addr = serve(&observer, router).await;
        let connections = join_all((0..REQUESTS / 200).map(|_| Client::connect(addr, true))).await;
        let mut of_phases = Vec::new();
        for (path, _, held) in &phases {
            of_phases.push(memory_of(path, held, REQUESTS, &connections).await);
        }
        let [_, without, with] = of_phases[..] else { panic!("{of_phases:?}") };
        until(|| observer.in_flight() == 0).await;
        (without, with)
    });
    let growth = with.saturating_sub(without);
    assert!(growth < LIMIT + SLACK, "{growth} bytes more than without lines");
    let lines = written.lines(&observer);
    assert!(lines.iter().all(|line| line["collected"] == true), "only the collected lines are written");
    let bytes: usize = lines.iter().map(|line| line["message"].as_str().expect("a text").len()).sum();
    assert!((LIMIT / 4..LIMIT).contains(&bytes), "{bytes} bytes of messages");
    let dropped = counter(&observer, "log_lines_dropped_total", r#"reason="collection""#) as usize;
    assert_eq!(lines.len() + dropped, REQUESTS * LINES, "{} lines are written", lines.len());
    println!(
        "{growth} bytes more with lines; {} lines are written, and {dropped} found no room",
        lines.len()
    );
}
