//! Cases of long pages of metrics, which are written while they are sent.

use crate::of_request::OfRequest as _;
use std::io::Read;

use flate2::read::GzDecoder;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use obs_core::{Metrics, Outcome};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    client::{get, request},
    stacks::{Setup, Stack},
    watch::{BOUND, Watch},
};

/// An observer with `routes` routes. Each route takes about 150 KB of a page.
fn watch(routes: usize) -> Watch {
    const BUCKETS: u32 = 1_000;
    let watch =
        Watch::with(|builder| builder.metrics(Metrics::new().duration_buckets((1..BUCKETS).map(f64::from))));
    (0..routes).for_each(|route| _ = watch.observer.route("GET", &format!("/made-up/{route}")));
    watch
}

/// Checks that the page is complete, and returns its number of duration buckets of the routes
/// above.
fn buckets(page: &[u8]) -> usize {
    let text = std::str::from_utf8(page).expect("UTF-8");
    assert!(text.starts_with("# HELP ") && text.ends_with('\n'));
    let ours = |line: &&str| {
        line.starts_with("http_request_duration_seconds_bucket{") && line.contains("\"/made-up/")
    };
    text.lines().filter(ours).count()
}

fn scrape(headers: &[(&'static str, &'static str)]) -> Request<Full<bytes::Bytes>> {
    let mut request = get("/metrics");
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::from_static(value));
    }
    request
}

/// A long page has no `Content-Length`, arrives complete, and is recorded like any other response.
pub async fn complete(stack: Stack) {
    let watch = watch(10);
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    let plain = client.send(scrape(&[])).await.expect("a page");
    assert_eq!((plain.status, buckets(&plain.body)), (200, 20_000));
    assert_eq!(plain.header("content-length"), None);
    let chunked = (!stack.http2).then_some("chunked");
    assert_eq!(plain.header("transfer-encoding"), chunked);
    assert_eq!(watch.ended(1).await[0].end().response_bytes, plain.body.len() as u64);

    let packed = client.send(scrape(&[("accept-encoding", "gzip")])).await.expect("a page");
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let mut unpacked = Vec::new();
    GzDecoder::new(&*packed.body).read_to_end(&mut unpacked).expect("gzip");
    assert_eq!(buckets(&unpacked), 20_000);

    // The response to HEAD has the same headers.
    let head = client.send(request("HEAD", "/metrics")).await.expect("an answer");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), None);
    for name in ["content-type", "vary"] {
        assert_eq!(head.header(name), plain.header(name));
    }
    assert!(watch.ended(3).await.iter().all(|record| record.outcome == Outcome::Completed));
    client.disconnect().await;
    server.stop().await;
    assert_eq!(watch.metric("http_requests_in_flight", ""), 0.0);
}

/// A client of HTTP/1.0 gets the page without chunks, until the connection ends.
pub async fn to_a_client_of_http_1_0(stack: Stack) {
    let watch = watch(10);
    let server = stack.serve(Setup::new(&watch)).await;
    let mut socket = TcpStream::connect(server.addr).await.expect("the server listens");
    let request = b"GET /metrics HTTP/1.0\r\nhost: test\r\nconnection: keep-alive\r\n\r\n";
    socket.write_all(request).await.expect("sent");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.expect("it ends");
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    assert!(head.starts_with("http/1.0 200") || head.starts_with("http/1.1 200"), "{head}");
    assert!(!head.contains("transfer-encoding") && !head.contains("content-length"), "{head}");
    assert_eq!(buckets(&answer[end + 4..]), 20_000);
    assert_eq!(watch.ended(1).await[0].outcome, Outcome::Completed);
    server.stop().await;
}

/// A client that does not read its page delays no other client. When it disconnects, its page ends.
pub async fn unread(stack: Stack) {
    // More than sockets buffer.
    let watch = watch(150);
    let server = stack.serve(Setup::new(&watch)).await;
    let mut slow = server.connect().await;
    let mut response = slow.open(scrape(&[])).await.expect("a head");
    let frame = response.body_mut().frame().await.expect("a frame").expect("no error");
    assert!(frame.is_data());

    let mut other = server.connect().await;
    other.send(get("/items/7")).await.expect("an answer");
    let page = other.send(get("/metrics?name[]=http_requests_total")).await.expect("a page");
    let line = r#"http_requests_total{method="GET",endpoint="/items/{id}",status="200"} 1"#;
    assert!(page.text().lines().any(|found| found == line));
    other.disconnect().await;
    assert_eq!(watch.ended(2).await.len(), 2, "the other page is not sent yet");

    drop(response);
    slow.disconnect().await;
    let record = &watch.ended(3).await[2];
    assert_eq!((record.outcome, record.route_label()), (Outcome::CancelledInBody, "/metrics"));
    assert!(record.end().response_bytes > 0, "the sent bytes are counted");
    server.stop().await;
    assert_eq!(watch.observer.in_flight(), 0);
}

/// Clients that do not read their pages take all places. A new scrape then gets the place of a page
/// that makes no progress, and that page ends with an error.
pub async fn slow_readers(stack: Stack) {
    const PAGES: usize = 8;
    let watch = watch(150);
    let server = stack.serve(Setup::new(&watch)).await;
    let mut slow = Vec::new();
    for _ in 0..PAGES {
        let mut client = server.connect().await;
        let response = client.open(scrape(&[])).await.expect("a head");
        assert_eq!(response.status(), 200);
        slow.push((client, response));
    }
    // A page with few families is short, and needs no place.
    let mut other = server.connect().await;
    let short = other.send(get("/metrics?name[]=http_requests_in_flight")).await.expect("a page");
    assert_eq!(short.status, 200);
    let page = tokio::time::timeout(BOUND, async {
        loop {
            let page = other.send(scrape(&[])).await.expect("an answer");
            if page.status == 200 {
                return page;
            }
            // The other pages have made progress within the last second.
            assert_eq!((page.status, page.header("retry-after")), (503, Some("1")));
        }
    });
    assert_eq!(buckets(&page.await.expect("a place").body), 300_000);
    other.disconnect().await;

    let (mut complete, mut ended_early) = (0, 0);
    for (client, response) in slow {
        // A framework may also disconnect at the error.
        let page = response.into_body().collect().await.map(http_body_util::Collected::to_bytes);
        match page {
            Ok(page) if !page.ends_with(b"\nobs: this page was read too slowly, so it ends here\n") => {
                assert_eq!(buckets(&page), 300_000);
                complete += 1;
            }
            _ => ended_early += 1,
        }
        client.disconnect().await;
    }
    assert_eq!((complete, ended_early), (PAGES - 1, 1));
    server.stop().await;
    let records = watch.ended(0).await;
    let failed: Vec<_> = records.iter().filter(|record| record.outcome == Outcome::BodyError).collect();
    assert_eq!(failed.len(), 1, "one page has failed");
    let error = failed[0].error.as_ref().map(|error| error.message.as_str());
    assert_eq!(error, Some("the client reads the page too slowly"));
}
