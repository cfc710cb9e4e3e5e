//! Scrapes of the application, as a monitoring system would send them.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use obs_core::{Observer, adapter::RequestHead};

use crate::{
    client::{Answer, get},
    judge::{Format, Page, judge},
    stacks::{Framework, Server, Setup, Stack},
    watch::Watch,
};

/// Serves the application on axum.
pub async fn serve(watch: &Watch) -> Server {
    Stack { framework: Framework::Axum, http2: false }.serve(Setup::new(watch)).await
}

/// A request for a page in this format.
#[must_use]
pub fn scrape(format: Format, path: &str) -> Request<Full<Bytes>> {
    let mut request = get(path);
    request.headers_mut().insert("accept", http::HeaderValue::from_static(format.accept()));
    request
}

/// The response to a scrape, on its own connection.
pub async fn fetch(server: &Server, request: Request<Full<Bytes>>) -> Answer {
    let mut client = server.connect().await;
    let answer = client.send(request).await.expect("a page");
    client.disconnect().await;
    assert_eq!(answer.status, 200);
    answer
}

/// Fetches the page in `format`, and checks it with the judge.
pub async fn page(server: &Server, format: Format, path: &str) -> Page {
    let answer = fetch(server, scrape(format, path)).await;
    assert_eq!(answer.header("content-type"), Some(format.content_type()));
    let page = judge(format, &answer.body);
    page.check();
    page
}

/// The observer's page in OpenMetrics, without a server.
pub async fn openmetrics(observer: &Observer) -> String {
    let request = scrape(Format::OpenMetrics, "/metrics");
    let head = RequestHead::new("GET", "/metrics", request.headers());
    let answer = observer.endpoint(&head).expect("an endpoint").await;
    String::from_utf8(answer.into_body().into_bytes().to_vec()).expect("UTF-8")
}
