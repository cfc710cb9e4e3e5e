//! Tests of the limits on series. Values that clients invent create no series, and routes above the
//! limit are counted in one overflow series.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use axum::{Router, routing::get};
use futures_util::future::join_all;
use obs_axum::RouterExt;
use obs_core::{Events, Observer};
use obs_tests::{
    stacks::{Framework, Setup, Stack},
    watch::until,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// An observer without events and records, because there would be too many to keep.
fn observer() -> Observer {
    let builder = Observer::builder("test").no_environment().events(Events::off());
    builder.drain_delay(Duration::ZERO).build().expect("valid")
}

/// Sends a request for each method and path, in batches over eight connections, and waits for the
/// responses. No response may have a body.
async fn send(addr: SocketAddr, requests: &[(String, String)]) {
    let of_client = requests.chunks(requests.len().div_ceil(8));
    join_all(of_client.map(|requests| async move {
        let mut stream = TcpStream::connect(addr).await.expect("the server listens");
        for batch in requests.chunks(500) {
            let line =
                |(method, path): &(String, String)| format!("{method} {path} HTTP/1.1\r\nhost: test\r\n\r\n");
            let text: String = batch.iter().map(line).collect();
            stream.write_all(text.as_bytes()).await.expect("sent");
            let (mut ends, mut seen, mut buffer) = (0, 0, [0; 16 * 1024]);
            while ends < batch.len() {
                let n = stream.read(&mut buffer).await.expect("an answer");
                assert!(n > 0, "the server responds to all requests");
                for byte in &buffer[..n] {
                    // A response ends with the empty line after its head.
                    seen = if *byte == b"\r\n\r\n"[seen] { seen + 1 } else { usize::from(*byte == b'\r') };
                    if seen == 4 {
                        (ends, seen) = (ends + 1, 0);
                    }
                }
            }
        }
    }))
    .await;
}

/// The number of series on the page, and the values of `http_requests_total` by their labels.
async fn page(observer: &Observer) -> (usize, BTreeMap<String, u64>) {
    until(|| observer.in_flight() == 0).await;
    let text = observer.metrics_text();
    let samples = text.lines().filter(|line| !line.starts_with('#')).count();
    let counts = text.lines().filter_map(|line| line.strip_prefix("http_requests_total{")?.split_once("} "));
    (samples, counts.map(|(labels, count)| (labels.to_owned(), count.parse().expect("a number"))).collect())
}

/// Pseudo-random paths, the same in every run.
fn paths(n: u64) -> impl Iterator<Item = String> {
    let mut state = n;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("/{:x}/{:x}.php?{:x}", state >> 48, (state >> 16) & 0xffff_ffff, state & 0xffff)
    })
}

async fn scanner(framework: Framework, requests: usize) {
    let observer = observer();
    let server = Stack { framework, http2: false }.serve(Setup::of(&observer)).await;
    let of = |method: &str, path: String| (method.to_owned(), path);
    let plain = || "/plain".to_owned();
    let first = paths(1).take(2).zip(["GET", "BREW"]).map(|(path, method)| of(method, path));
    send(server.addr, &first.chain([of("BREW", plain())]).collect::<Vec<_>>()).await;
    let (series, _) = page(&observer).await;

    let random = paths(2).take(requests).map(|path| of("GET", path));
    // Half of the invented methods go to an existing route, which does not allow them.
    let made_up = (0..1_000)
        .zip(paths(3))
        .map(|(n, path)| of(&format!("METHOD-{n}"), if n % 2 == 0 { path } else { plain() }));
    send(server.addr, &random.chain(made_up).collect::<Vec<_>>()).await;
    let (after, counts) = page(&observer).await;
    assert_eq!(after, series, "the number of series does not change");
    let sum: u64 = counts.values().sum();
    assert_eq!(sum, requests as u64 + 1_003, "no request is lost");
    let unmatched = counts.iter().find(|(labels, _)| labels.contains("unmatched") && labels.contains("GET"));
    assert!(unmatched.is_some_and(|(_, count)| *count == requests as u64 + 1), "{counts:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scanner_adds_no_series_on_axum() {
    scanner(Framework::Axum, 100_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scanner_adds_no_series_on_actix() {
    scanner(Framework::Actix, 100_000).await;
}

/// A service with five thousand routes: each request above the limit is counted in the overflow
/// series.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_above_the_series_limit_are_counted_in_one_series() {
    let observer = observer();
    let mut router = Router::new();
    for n in 0..5_000 {
        router = router.route(&format!("/routes/{n}/{{id}}"), get(|| async {}));
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("an address");
    tokio::spawn(obs_axum::serve(listener, router.observed(&observer)).into_future());
    let requests = |n: u32| ("GET".to_owned(), format!("/routes/{}/{n}", n % 5_000));
    let requests: Vec<_> = (0..15_000).map(requests).collect();
    send(addr, &requests).await;
    let (_, mut counts) = page(&observer).await;
    assert_eq!(counts.len(), 2_001, "the limit and the overflow");
    let overflow = counts.remove(r#"method="overflow",endpoint="overflow",status="overflow""#);
    assert!(
        counts.iter().all(|(labels, count)| *count == if labels.contains("status=\"200\"") { 3 } else { 0 })
    );
    let sum: u64 = counts.values().sum();
    assert_eq!(overflow, Some(15_000 - sum));
    let text = observer.metrics_text();
    assert!(text.contains(&format!("obs_series_overflow_total {}\n", 15_000 - sum)));
}
