//! Tests of metrics pages, fetched over sockets and parsed by Prometheus' Python client, which is
//! strict about OpenMetrics.

use obs_tests::of_request::OfRequest as _;
use std::collections::BTreeMap;

use http::Request;
use http_body_util::Full;
use obs_core::{MetricNaming, Metrics};
use obs_tests::{
    client::{get, request},
    judge::{Format, Page, Sample, judge_gzip},
    scrape::{fetch, page, scrape, serve},
    stacks::Server,
    watch::Watch,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn watch(metrics: Metrics) -> Watch {
    Watch::with(|builder| builder.metrics(metrics))
}

/// Sends one request of each kind. Returns the expected number of requests for each method, route
/// and status.
async fn traffic(server: &Server, watch: &Watch) -> BTreeMap<(String, String, String), f64> {
    let mut client = server.connect().await;
    for path in
        ["/plain", "/items/7", "/items/8", "/teapot", "/fail", "/fail-kind", "/panic-before", "/chunked"]
    {
        let mut request = get(path);
        let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
        request.headers_mut().insert("traceparent", parent.parse().expect("a header"));
        client.send(request).await.expect("an answer");
    }
    client.send(get("/sse")).await.expect("an answer");
    client.send(get("/nothing/here")).await.expect("an answer");
    client.send(request("BREW", "/plain")).await.expect("an answer");
    let upload = Request::post("/upload").body(Full::from("x".repeat(5_000))).expect("a request");
    client.send(upload).await.expect("an answer");
    let cut_off = client.send(get("/body-error")).await;
    assert!(cut_off.is_err(), "the body is incomplete");
    client.disconnect().await;
    let mut counts = BTreeMap::new();
    for record in watch.ended(13).await {
        let method = record.head().method.as_str().to_owned();
        let key = (method, record.route_label().to_owned(), record.status_label().to_string());
        *counts.entry(key).or_default() += 1.0;
    }
    counts
}

/// The numbers of requests on a page, without scrapes.
fn counted(page: &Page, name: &str, labels: [&str; 3]) -> BTreeMap<(String, String, String), f64> {
    let samples = page.samples(name).filter(|sample| sample.value > 0.0).map(|sample| {
        let [method, route, status] =
            labels.map(|label| sample.labels.get(label).cloned().unwrap_or_default());
        ((method, route, status), sample.value)
    });
    samples.filter(|((_, route, _), _)| route != "/metrics").collect()
}

const LABELS: [&str; 3] = ["method", "endpoint", "status"];

#[tokio::test]
async fn the_page_of_a_new_service_is_valid() {
    for format in Format::ALL {
        let watch = Watch::default();
        let server = serve(&watch).await;
        let page = page(&server, format, "/metrics").await;
        assert_eq!(page.value("obs_late_writes_total", &[]), Some(0.0));
        assert_eq!(page.value("obs_metrics_left_out_total", &[]), Some(0.0));
        assert_eq!(
            page.value("http_requests_in_flight", &[("method", "GET")]),
            Some(1.0),
            "the scrape itself"
        );
        assert_eq!(page.samples("http_requests_total").count(), 0);
        server.stop().await;
    }
}

#[tokio::test]
async fn the_page_counts_requests_of_all_kinds() {
    let watch = watch(Metrics::new().response_head(true).created(true));
    let server = serve(&watch).await;
    let counts = traffic(&server, &watch).await;
    for format in Format::ALL {
        let page = page(&server, format, "/metrics").await;
        assert_eq!(counted(&page, "http_requests_total", LABELS), counts);
        let mut durations = counted(&page, "http_request_duration_seconds_count", LABELS);
        durations.extend(counted(&page, "http_stream_duration_seconds_count", LABELS));
        assert_eq!(durations, counts, "streams have their own histogram, and both together count all");
        let errors: Vec<_> = page.samples("http_request_errors_total").filter(|s| s.value > 0.0).collect();
        let mut kinds: Vec<_> = errors.iter().map(|sample| &*sample.labels["error_type"]).collect();
        kinds.sort_unstable();
        let out_of_stock = std::any::type_name::<obs_tests::app::OutOfStock>();
        assert_eq!(kinds.len(), 4, "{kinds:?}");
        assert!(
            ["bank_is_closed", "body_error", "panic", out_of_stock].iter().all(|kind| kinds.contains(kind))
        );
        let size = page.value(
            "http_request_size_bytes_sum",
            &[("method", "POST"), ("endpoint", "/upload"), ("status", "200")],
        );
        assert_eq!(size, Some(5_000.0));

        let duration = page.family("http_request_duration_seconds").expect("the durations");
        let size = page.family("http_request_size_bytes").expect("the sizes");
        let requests = page.family("http_requests").expect("the requests");
        assert_eq!([&*requests.kind, &*duration.kind], ["counter", "histogram"]);
        assert_eq!(requests.help, "Requests that have ended.");
        let created: Vec<_> = page.samples("http_requests_created").map(|sample| sample.value).collect();
        if format == Format::Text {
            assert!(created.is_empty() && duration.unit.is_empty());
            assert!(page.0.iter().flat_map(|family| &family.samples).all(|s| s.exemplar.is_none()));
        } else {
            assert_eq!([&*requests.unit, &*duration.unit, &*size.unit], ["", "seconds", "bytes"]);
            let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs_f64();
            assert_eq!(created.len(), page.samples("http_requests_total").count());
            assert!(created.iter().all(|at| now - 600.0 < *at && *at <= now), "{created:?}");
            exemplars(&page, now);
        }
    }
    server.stop().await;
}

/// Checks that each bucket with a count has an exemplar, and so has each type of error.
fn exemplars(page: &Page, now: f64) {
    for bucket in page.samples("http_request_duration_seconds_bucket") {
        if bucket.labels["endpoint"] == "/items/{id}" && bucket.labels["le"] == "+Inf" {
            assert!(bucket.exemplar.is_none(), "only the bucket of the request has its exemplar: {bucket:?}");
        }
    }
    let duration = page.family("http_request_duration_seconds").expect("the durations");
    let errors = page.family("http_request_errors").expect("the errors");
    for route in ["/items/{id}", "/chunked", "/fail", "/panic-before"] {
        let of_route = |sample: &&Sample| sample.labels["endpoint"] == route;
        let found: Vec<_> =
            duration.samples.iter().filter(of_route).filter_map(|s| s.exemplar.as_ref()).collect();
        assert!(!found.is_empty() && found.len() <= 2, "one per bucket that was hit: {found:?}");
        for exemplar in found {
            assert_eq!(exemplar.labels.keys().collect::<Vec<_>>(), ["request_id", "trace_id"]);
            assert_eq!(exemplar.labels["trace_id"], TRACE);
            assert!(now - 600.0 < exemplar.timestamp && exemplar.timestamp <= now);
        }
    }
    let failed: Vec<_> = errors.samples.iter().filter(|s| s.exemplar.is_some()).collect();
    assert_eq!(failed.len(), 4, "{failed:?}");
    assert!(failed.iter().all(|sample| sample.name == "http_request_errors_total" && sample.value == 1.0));
}

#[tokio::test]
async fn the_page_in_opentelemetry_naming_is_valid() {
    let watch = watch(Metrics::new().naming(MetricNaming::OpenTelemetry).response_head(true));
    let server = serve(&watch).await;
    let mut counts = traffic(&server, &watch).await;
    // An unmatched request has no route label.
    let unmatched: Vec<_> = counts.keys().filter(|(_, route, _)| route == "unmatched").cloned().collect();
    for (method, route, status) in unmatched {
        let count = counts.remove(&(method.clone(), route, status.clone())).expect("it is there");
        counts.insert((method, String::new(), status), count);
    }
    let labels = ["http_request_method", "http_route", "http_response_status_code"];
    for format in Format::ALL {
        let page = page(&server, format, "/metrics").await;
        let mut durations = counted(&page, "http_server_request_duration_seconds_count", labels);
        durations.extend(counted(&page, "http_server_stream_duration_seconds_count", labels));
        assert_eq!(durations, counts);
        assert!(page.family("http_server_active_requests").is_some_and(|family| family.kind == "gauge"));
        if format == Format::OpenMetrics {
            let units =
                ["request_duration_seconds", "request_body_size_bytes", "response_head_duration_seconds"]
                    .map(|name| {
                        page.family(&format!("http_server_{name}")).expect("it is there").unit.clone()
                    });
            assert_eq!(units, ["seconds", "bytes", "seconds"]);
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn pages_are_compressed_and_filtered_by_name() {
    let watch = Watch::default();
    let server = serve(&watch).await;
    traffic(&server, &watch).await;
    for format in Format::ALL {
        let mut request = scrape(format, "/metrics");
        request.headers_mut().insert("accept-encoding", http::HeaderValue::from_static("gzip"));
        let answer = fetch(&server, request).await;
        assert_eq!(answer.header("content-type"), Some(format.content_type()));
        assert_eq!(answer.header("content-encoding"), Some("gzip"));
        let compressed = judge_gzip(format, &answer.body);
        let plain = page(&server, format, "/metrics").await;
        let names = |page: &Page| page.0.iter().map(|family| family.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&compressed), names(&plain));

        let path =
            "/metrics?name[]=http_requests_total&name%5B%5D=http_request_duration_seconds_bucket&name[]=x";
        let chosen = page(&server, format, path).await;
        assert_eq!(names(&chosen), ["http_request_duration_seconds", "http_requests"]);
        let none = page(&server, format, "/metrics?name[]=nothing").await;
        assert!(names(&none).is_empty());
    }
    server.stop().await;
}

/// A page with ten thousand label sets in each of several families.
#[tokio::test]
async fn a_page_of_ten_thousand_series_is_valid() {
    let watch = watch(Metrics::new().series_limit(20_000).duration_buckets([0.1]).size_buckets([1e3]));
    for n in 0..5_000 {
        watch.observer.route("GET", &format!("/routes/{n}/{{id}}"));
    }
    let server = serve(&watch).await;
    for format in Format::ALL {
        let page = page(&server, format, "/metrics").await;
        for name in ["http_requests_total", "http_request_duration_seconds_count"] {
            let of_routes = |sample: &&Sample| sample.labels["endpoint"].starts_with("/routes/");
            assert_eq!(page.samples(name).filter(of_routes).count(), 10_000);
        }
    }
    server.stop().await;
}
