//! A thousand clients that request `/metrics` and do not read it. The memory of the service stays
//! bounded, a real scrape gets its page, and the memory is free when the clients are gone.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpStream},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http::HeaderValue;
use http_body_util::BodyExt as _;
use obs_core::{
    Events, Observer,
    output::{Record, RecordSink},
};
use obs_tests::{
    client::{Client, get},
    stacks::{Framework, Setup, Stack},
    watch::{BOUND, until},
};

const READERS: usize = 1_000;

/// The limit of the additional memory.
const LIMIT: usize = 64 * 1024 * 1024;

struct Ended(Arc<AtomicUsize>);

impl RecordSink for Ended {
    fn name(&self) -> &str {
        "ended"
    }
    fn on_finish(&self, _: &Record) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The resident memory of this process.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("a Linux");
    let pages = statm.split(' ').nth(1).expect("a number").parse::<usize>();
    pages.expect("a number") * 4096
}

/// Scrapes until a page is sent, and returns the time that it took.
async fn scrape(addr: SocketAddr, gzip: bool) -> Duration {
    let page = async {
        loop {
            let (mut client, started) = (Client::connect(addr, false).await, Instant::now());
            let mut request = get("/metrics");
            if gzip {
                request.headers_mut().insert("accept-encoding", HeaderValue::from_static("gzip"));
            }
            let mut answer = client.open(request).await.expect("an answer");
            if answer.status() == 200 {
                // The page is not kept, because its memory would count, too.
                let (mut bytes, mut last) = (0, None);
                while let Some(frame) = answer.body_mut().frame().await {
                    let data = frame.expect("no error").into_data().expect("data");
                    bytes += data.len();
                    last = data.last().copied().or(last);
                }
                assert!(gzip || last == Some(b'\n') && bytes > 4_000_000, "{bytes} bytes");
                client.disconnect().await;
                return started.elapsed();
            }
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["retry-after"]),
                (503, &HeaderValue::from_static("1"))
            );
            client.disconnect().await;
        }
    };
    tokio::time::timeout(BOUND, page).await.expect("a page")
}

/// The lock of the process's memory, which both tests measure.
static MEMORY: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn slow_readers(framework: Framework) {
    let _alone = MEMORY.lock().await;
    // Each reader takes two file descriptors in this process.
    let of_this_process = std::process::id().to_string();
    let raised = Command::new("prlimit").args(["--pid", &of_this_process, "--nofile=8192:"]).status();
    assert!(raised.expect("util-linux").success(), "the limit of file descriptors can be raised");
    let ended = Arc::new(AtomicUsize::new(0));
    let builder = Observer::builder("test").no_environment().events(Events::off());
    let builder = builder.sink(Ended(Arc::clone(&ended))).drain_delay(Duration::ZERO);
    let observer = builder.drain_timeout(Duration::ZERO).build().expect("valid");
    (0..1_000).for_each(|n| _ = observer.route("GET", &format!("/a/route/with/a/usual/length/{n}/{{id}}")));
    let server = Stack { framework, http2: false }.serve(Setup::of(&observer)).await;
    scrape(server.addr, false).await;
    scrape(server.addr, true).await;
    let before = resident();

    let (mut most, mut slowest, mut after) = (0, Duration::ZERO, Vec::new());
    for _ in 0..3 {
        let start = ended.load(Ordering::SeqCst);
        let mut readers = Vec::new();
        for batch in 0..10 {
            for _ in 0..READERS / 10 {
                let mut reader = TcpStream::connect(server.addr).expect("the server listens");
                reader.write_all(b"GET /metrics HTTP/1.1\r\nhost: test\r\n\r\n").expect("sent");
                readers.push(reader);
            }
            // Every reader has its answer, or a place for its page.
            let all = || ended.load(Ordering::SeqCst) + observer.in_flight() as usize;
            until(|| all() >= start + batch + readers.len()).await;
            slowest = slowest.max(scrape(server.addr, batch % 2 == 1).await);
            most = most.max(resident().saturating_sub(before));
        }
        drop(readers);
        until(|| observer.in_flight() == 0).await;
        after.push(resident());
    }
    println!("{READERS} slow readers: {} KiB more, a scrape took at most {slowest:?}", most / 1024);
    assert!(most <= LIMIT, "{READERS} slow readers take {} MiB", most >> 20);
    // The allocator keeps some of the freed memory for later. If pages were not freed, each wave of
    // readers would need more.
    let grown = after[2].saturating_sub(after[0]);
    assert!(grown <= LIMIT / 4, "{} MiB are not free after the readers have gone", grown >> 20);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_slow_readers_take_little_memory_on_axum() {
    slow_readers(Framework::Axum).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_slow_readers_take_little_memory_on_actix() {
    slow_readers(Framework::Actix).await;
}
