//! Tests of the limits on series. Values that clients invent create no series, and cannot take the
//! places of the routes that are served.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use axum::{Router, routing::get};
use futures_util::future::join_all;
use obs_axum::RouterExt;
use obs_core::{Events, Metrics, Observer};
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

/// An observer with few buckets, so that pages with many series are short.
fn with_series_limit(limit: usize) -> Observer {
    let metrics = Metrics::new().series_limit(limit).duration_buckets([0.1]).size_buckets([1e3]);
    let builder = Observer::builder("test").no_environment().events(Events::off()).metrics(metrics);
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
                assert!(n > 0, "the server responds to all requests, such as {:?}", batch.first());
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

/// A service with many routes. A scanner sends every method to each of them, and asks for
/// paths that do not exist. Then every route is used once: each has its own series.
///
/// The limit is two fifths of the number of routes.
async fn every_served_route_has_its_own_series(observer: &Observer, addr: SocketAddr, routes: usize) {
    let path = |n: usize| format!("/routes/{n}/{n}");
    let methods = ["DELETE", "PUT", "PATCH", "OPTIONS", "TRACE", "QUERY", "BREW"];
    for method in methods {
        let scan: Vec<_> = (0..routes).map(|n| (method.to_owned(), path(n))).collect();
        send(addr, &scan).await;
    }
    let nowhere: Vec<_> = paths(4).take(routes).map(|path| ("GET".to_owned(), path)).collect();
    send(addr, &nowhere).await;
    let heads: Vec<_> = (0..routes).map(|n| ("HEAD".to_owned(), path(n))).collect();
    send(addr, &heads).await;
    let (_, counts) = page(observer).await;
    assert!(counts.keys().any(|labels| labels.contains("overflow")), "the scanner fills the family");

    let real = |method: &'static str| (0..routes).map(move |n| (method.to_owned(), path(n)));
    send(addr, &real("GET").chain(real("POST")).collect::<Vec<_>>()).await;
    let (_, mut counts) = page(observer).await;
    for method in ["GET", "POST"] {
        for n in 0..routes {
            let labels = format!(r#"method="{method}",endpoint="/routes/{n}/{{id}}",status="200""#);
            assert_eq!(counts.get(&labels), Some(&1), "{labels}");
        }
    }
    assert!(counts.len() <= 2 * routes + routes / 5 * 3 + 2, "{} label sets", counts.len());
    let sum: u64 = counts.values().sum();
    assert_eq!(sum, ((methods.len() + 4) * routes) as u64, "no request is lost");
    let overflow = counts.remove(r#"method="overflow",endpoint="overflow",status="overflow""#);
    assert_eq!(
        observer.metrics_text().lines().find_map(|line| line.strip_prefix("obs_series_overflow_total ")),
        overflow.map(|n| n.to_string()).as_deref()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_served_route_has_its_own_series_on_axum() {
    let observer = with_series_limit(2_000);
    let mut router = Router::new();
    for n in 0..5_000 {
        router = router.route(&format!("/routes/{n}/{{id}}"), get(|| async {}).post(|| async {}));
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("an address");
    tokio::spawn(obs_axum::serve(listener, router.observed(&observer)).into_future());
    every_served_route_has_its_own_series(&observer, addr, 5_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_served_route_has_its_own_series_on_actix() {
    use actix_web::{App, HttpResponse, HttpServer, web};
    // actix-web compares a path with one route after the other.
    const ROUTES: usize = 100;
    let observer = with_series_limit(ROUTES / 5 * 2);
    let observed = observer.clone();
    let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
    let (listens, addr) = tokio::sync::oneshot::channel();
    let service = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let observe = obs_actix::Observe::new(&observed);
            let server = HttpServer::new(move || {
                let answer = || async { HttpResponse::Ok().finish() };
                let mut app = App::new();
                for n in 0..ROUTES {
                    let resource = web::resource(format!("/routes/{n}/{{id}}"));
                    let get = web::get().to(answer);
                    app = app.service(
                        resource.route(get).route(web::post().to(answer)).route(web::head().to(answer)),
                    );
                }
                app.wrap(observe.clone())
            });
            let server = server.workers(1).bind("127.0.0.1:0").expect("a free port");
            let _ = listens.send(server.addrs()[0]);
            let serve = obs_actix::serve(server, &observed).with_signal(async { drop(stopping.await) });
            serve.await.expect("it serves");
        });
    });
    every_served_route_has_its_own_series(&observer, addr.await.expect("an address"), ROUTES).await;
    drop(stop);
    service.join().expect("no panic");
}
