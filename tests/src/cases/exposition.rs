//! Cases of scrapes: formats, compression, the user's own metrics, sizes, exemplars and namings.

use crate::of_request::OfRequest as _;
use std::io::Read;

use flate2::read::GzDecoder;
use http::{HeaderValue, Request};
use http_body_util::Full;
use obs_core::{MetricLabel, MetricNaming, Metrics, Outcome, prometheus::IntCounter};

use super::exchange_with;
use crate::{
    client::{Answer, get, in_pieces, request},
    stacks::{Framework, Setup, Stack},
    watch::{Expected, Watch},
};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

fn scrape(path: &str, headers: &[(&'static str, &'static str)]) -> Request<Full<bytes::Bytes>> {
    let mut request = get(path);
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::from_static(value));
    }
    request
}

/// Sends the request `first`, then scrapes once, and stops the server.
async fn scraped(
    stack: Stack,
    watch: &Watch,
    first: Request<Full<bytes::Bytes>>,
    scrape: Request<Full<bytes::Bytes>>,
) -> Answer {
    let server = stack.serve(Setup::new(watch)).await;
    let mut client = server.connect().await;
    client.send(first).await.expect("a response");
    watch.ended(1).await;
    let answer = client.send(scrape).await.expect("a response");
    client.disconnect().await;
    server.stop().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("vary"), Some("accept, accept-encoding"));
    answer
}

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.body).expect("UTF-8")
}

pub async fn negotiated(stack: Stack) {
    let accept = "text/plain;q=0.5, application/openmetrics-text;version=1.0.0";
    let scrape = scrape("/metrics", &[("accept", accept)]);
    let watch = Watch::with(|builder| builder.metrics(Metrics::new().created(true)));
    let answer = scraped(stack, &watch, get("/items/7"), scrape).await;
    assert_eq!(answer.header("content-type"), Some(OPENMETRICS));
    let text = text(&answer);
    assert!(
        text.ends_with("# EOF\n") && text.contains("# UNIT http_request_duration_seconds seconds\n"),
        "{text}"
    );
    assert!(text.contains("# TYPE http_requests counter\n"), "{text}");
    let labels = r#"{method="GET",endpoint="/items/{id}",status="200"}"#;
    assert!(text.contains(&format!("\nhttp_requests_total{labels} 1\n")), "{text}");
    assert!(text.contains(&format!("\nhttp_requests_created{labels} 1")), "{text}");
}

pub async fn compressed(stack: Stack) {
    let scrape = scrape("/metrics", &[("accept-encoding", "gzip")]);
    let answer = scraped(stack, &Watch::default(), get("/items/7"), scrape).await;
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    GzDecoder::new(&answer.body[..]).read_to_string(&mut text).expect("gzip");
    assert!(text.starts_with("# HELP ") && text.contains("http_requests_total{"), "{text}");
    assert!(answer.body.len() < text.len() / 2);
}

pub async fn filtered_by_name(stack: Stack) {
    let scrape = get("/metrics?name[]=http_requests_total&name%5B%5D=obs_late_writes_total");
    let answer = scraped(stack, &Watch::default(), get("/items/7"), scrape).await;
    let text = text(&answer);
    let families: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    assert_eq!(families, ["http_requests_total counter", "obs_late_writes_total counter"], "{text}");
}

/// A page without families has a length, so that the client does not wait for a body.
pub async fn empty(stack: Stack) {
    let watch = Watch::default();
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    let page = client.send(get("/metrics?name[]=none")).await.expect("a page");
    assert_eq!((page.status, page.body.len()), (200, 0));
    if !stack.http2 {
        assert_eq!(page.header("content-length"), Some("0"));
    }
    let next = client.send(get("/plain")).await.expect("the same connection still works");
    assert_eq!((next.status, &next.body[..]), (200, &b"hello"[..]));
    client.disconnect().await;
    server.stop().await;
}

pub async fn head_has_no_body(stack: Stack) {
    let answer = scraped(stack, &Watch::default(), get("/items/7"), request("HEAD", "/metrics")).await;
    assert!(answer.body.is_empty());
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
}

/// The user's metrics are on our page, and our metrics are in the user's registry.
pub async fn users_metrics(stack: Stack) {
    let watch = Watch::default();
    let orders = IntCounter::new("shop_orders_total", "Orders that were placed.").expect("valid");
    watch.observer.registry().register(Box::new(orders.clone())).expect("a new name");
    orders.inc_by(3);
    let answer = scraped(stack, &watch, get("/items/7"), get("/metrics")).await;
    assert!(text(&answer).contains("# TYPE shop_orders_total counter\nshop_orders_total 3\n"));

    let gathered = watch.observer.registry().gather();
    let ours = gathered.iter().find(|family| family.name() == "http_requests_total").expect("ours");
    let of_item = |metric: &&obs_core::prometheus::proto::Metric| {
        let has = |name: &str, value: &str| {
            metric.get_label().iter().any(|label| label.name() == name && label.value() == value)
        };
        has("endpoint", "/items/{id}") && has("status", "200") && has("method", "GET")
    };
    assert_eq!(ours.get_metric().iter().filter(of_item).count(), 1);
}

/// A declared request size is used as it is. An undeclared one is counted only where the framework
/// boxes bodies anyway.
pub async fn sizes(stack: Stack) {
    let watch = Watch::default();
    let expected = Expected::completed(200, "/read", 2);
    let pieces = in_pieces("/read", ["one", "two", "three"]);
    let answer = exchange_with(stack, Setup::new(&watch), &watch, pieces, expected.clone()).await;
    assert_eq!(answer.expect("a response").body, "11", "the handler reads the whole body");
    let record = &watch.ended(1).await[0];
    assert_eq!(record.head().body_bytes, None);
    let counted = stack.framework != Framework::Tower;
    assert_eq!(record.end().request_bytes, counted.then_some(11));
    assert_eq!(watch.lines()[0]["http.request.body.size"].as_u64(), counted.then_some(11));

    let watch = Watch::default();
    let declared = Request::post("/read").body(Full::from("twelve bytes")).expect("a request");
    let answer = exchange_with(stack, Setup::new(&watch), &watch, declared, expected).await;
    assert_eq!(answer.expect("a response").body, "12");
    assert_eq!(watch.ended(1).await[0].end().request_bytes, Some(12));
    let bucket = r#"endpoint="/read",status="200",le="100""#;
    assert_eq!(watch.metric("http_request_size_bytes_bucket", bucket), 1.0);
}

pub async fn opentelemetry_naming(stack: Stack) {
    let metrics = Metrics::new().naming(MetricNaming::OpenTelemetry);
    let watch = Watch::with(|builder| builder.metrics(metrics));
    let answer = scraped(stack, &watch, get("/items/7"), get("/metrics")).await;
    let version = if stack.http2 { "2" } else { "1.1" };
    let labels = format!(
        r#"{{http_request_method="GET",http_route="/items/{{id}}",http_response_status_code="200",url_scheme="http",network_protocol_version="{version}"}}"#
    );
    let text = text(&answer);
    assert!(text.contains(&format!("http_server_request_duration_seconds_count{labels} 1")), "{text}");
    assert!(text.contains(&format!("http_server_response_body_size_bytes_sum{labels} 5")), "{text}");
}

/// An exemplar leads from a bucket to the trace.
pub async fn exemplars(stack: Stack) {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let first = scrape("/fail", &[("traceparent", PARENT), ("x-request-id", "find-me")]);
    let watch = Watch::default();
    let scrape = scrape("/metrics", &[("accept", "application/openmetrics-text")]);
    let answer = scraped(stack, &watch, first, scrape).await;
    let exemplar = r##"# {trace_id="4bf92f3577b34da6a3ce929d0e0e4736",request_id="find-me"} "##;
    let with: Vec<_> = text(&answer).lines().filter(|line| line.contains(exemplar)).collect();
    assert_eq!(with.len(), 2, "{with:?}");
    assert!(with[0].starts_with("http_request_duration_seconds_bucket{"), "{}", with[0]);
    assert!(with[1].starts_with("http_request_errors_total{"), "{}", with[1]);
    assert!(
        !watch.observer.metrics_text().contains("find-me"),
        "an exemplar would break a scrape of the text format"
    );
}

/// Exemplars can be switched off. Creation times are off by default.
pub async fn without_exemplars_and_created(stack: Stack) {
    let watch = Watch::with(|builder| builder.metrics(Metrics::new().exemplars(false)));
    let scrape = scrape("/metrics", &[("accept", "application/openmetrics-text")]);
    let answer = scraped(stack, &watch, get("/fail"), scrape).await;
    let text = text(&answer);
    assert!(text.contains("# UNIT ") && !text.contains(" # {") && !text.contains("_created"), "{text}");
}

pub async fn excluded_routes(stack: Stack) {
    let metrics = Metrics::new().exclude_routes(["/items/*", "/metrics"]);
    let watch = Watch::with(|builder| builder.metrics(metrics));
    let answer = scraped(stack, &watch, get("/items/7"), get("/metrics")).await;
    assert!(!text(&answer).contains("/items/"), "{}", text(&answer));
    assert_eq!(watch.ended(2).await[0].outcome, Outcome::Completed);
    assert_eq!(watch.lines().len(), 1, "its event is still written");
    assert_eq!(watch.metric("http_requests_total", ""), 0.0);
}

/// Labels of the application's own, from a field of the handler and from a header. Values of the
/// header that are not listed are one value.
pub async fn own_labels(stack: Stack) {
    let metrics = Metrics::new()
        .label(MetricLabel::from_field("greeting"))
        .label(MetricLabel::from_header("X-Region", ["eu", "us"]).named("region"));
    let watch = Watch::with(|builder| builder.metrics(metrics));
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    for headers in [&[("x-region", "eu")][..], &[("x-region", "mars")], &[("x-region", "moon")], &[]] {
        assert_eq!(client.send(scrape("/items/7", headers)).await.expect("a response").status, 200);
        watch.running(0).await;
    }
    client.send(scrape("/fail", &[("x-region", "us")])).await.expect("a response");
    watch.ended(5).await;
    client.disconnect().await;
    server.stop().await;
    let text = watch.observer.metrics_text();
    for line in [
        r#"http_requests_total{method="GET",endpoint="/items/{id}",status="200",greeting="hi",region="eu"} 1"#,
        r#"http_requests_total{method="GET",endpoint="/items/{id}",status="200",greeting="hi",region="other"} 2"#,
        r#"http_requests_total{method="GET",endpoint="/items/{id}",status="200",greeting="hi"} 1"#,
        r#"http_requests_total{method="GET",endpoint="/items/{id}",status="500",greeting="hi",region="eu"} 0"#,
        r#"http_requests_total{method="GET",endpoint="/fail",status="500",region="us"} 1"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    assert_eq!(watch.metric("http_request_errors_total", r#"endpoint="/fail",region="us""#), 1.0);
    assert_eq!(watch.lines()[0]["http.request.header.x-region"][0], "eu", "events have the header, too");
}

pub async fn declared_routes(stack: Stack) {
    let watch = Watch::default();
    watch.observer.route("GET", "/items/{id}");
    for status in ["200", "500"] {
        let text = watch.observer.metrics_text();
        let line =
            format!(r#"http_requests_total{{method="GET",endpoint="/items/{{id}}",status="{status}"}} 0"#);
        assert!(text.contains(&line), "{text}");
    }
    let answer = scraped(stack, &watch, get("/items/7"), get("/metrics")).await;
    let line = r#"http_requests_total{method="GET",endpoint="/items/{id}",status="200"} 1"#;
    assert!(text(&answer).contains(line), "the same series");
}
