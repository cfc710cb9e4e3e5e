//! Tests with a real Prometheus. It scrapes a service in both formats, and its data must agree with
//! the requests of the clients.

use obs_tests::of_request::OfRequest as _;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    net::SocketAddr,
    process::{Command, Stdio},
};

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    routing::{get, post},
};
use futures_util::future::join_all;
use obs_axum::{RouterExt, current};
use obs_core::{MetricNaming, Metrics, Observer, output::Record};
use obs_tests::{
    client::{self, Client},
    prometheus::{Job, Prometheus},
    users::{Samples, register},
    watch::Watch,
};

/// The number of requests by method, route and status.
type Counts = BTreeMap<(String, String, String), f64>;

/// The requests of the clients: method, path, route and status.
const REQUESTS: &[(&str, &str, &str, u16)] = &[
    ("GET", "/items/1", "/items/{id}", 200),
    ("GET", "/items/2", "/items/{id}", 200),
    ("POST", "/orders", "/orders", 201),
    ("GET", "/fail", "/fail", 503),
    ("GET", "/panic", "/panic", 500),
    ("GET", "/stream", "/stream", 200),
    ("GET", "/nowhere", "unmatched", 404),
    ("BREW", "/orders", "/orders", 405),
];
const ROUNDS: usize = 50;

/// Starts a service with two pages. At `/metrics`, Prometheus prefers OpenMetrics; `/classic` has
/// the text format.
async fn serve(observer: &Observer) -> SocketAddr {
    let shown = observer.clone();
    let classic =
        move || async move { ([(CONTENT_TYPE, "text/plain; version=0.0.4")], shown.metrics_text()) };
    let app = Router::new()
        .route("/items/{id}", get(|| async { "an item" }))
        .route("/orders", post(|| async { StatusCode::CREATED }))
        .route("/fail", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
        .route("/panic", get(panics))
        .route("/stream", get(|| async { current().streaming() }))
        .route("/classic", get(classic))
        .observed(observer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("an address");
    tokio::spawn(obs_axum::serve(listener, app).into_future());
    addr
}

async fn panics() {
    panic!("on purpose")
}

/// Sends every request in every round over four connections, each in its own trace. Only requests
/// for items are sampled. Returns the counts and the sampled traces.
async fn traffic(addr: SocketAddr) -> (Counts, BTreeSet<String>) {
    let clients = (0..4).map(|n| async move {
        let (mut counts, mut traces) = (Counts::new(), BTreeSet::new());
        let mut client = Client::connect(addr, false).await;
        for round in 0..ROUNDS {
            for (kind, (method, path, route, status)) in REQUESTS.iter().enumerate() {
                let trace = format!("{:032x}", 1 + kind + 100 * (round + 1_000 * n));
                let sampled = path.starts_with("/items");
                let parent = format!("00-{trace}-00f067aa0ba902b7-0{}", u8::from(sampled));
                let mut request = client::request(method, path);
                request.headers_mut().insert("traceparent", parent.parse().expect("a header"));
                assert_eq!(client.send(request).await.expect("an answer").status, *status);
                let method = if *method == "BREW" { "_OTHER" } else { method };
                *counts.entry((method.to_owned(), (*route).to_owned(), status.to_string())).or_default() +=
                    1.0;
                if sampled {
                    traces.insert(trace);
                }
            }
        }
        client.disconnect().await;
        (counts, traces)
    });
    let (mut counts, mut traces) = (Counts::new(), BTreeSet::new());
    for (of_client, its_traces) in join_all(clients).await {
        of_client.into_iter().for_each(|(key, count)| *counts.entry(key).or_default() += count);
        traces.extend(its_traces);
    }
    (counts, traces)
}

/// Waits until Prometheus has the expected counts.
async fn counts_are(prometheus: &Prometheus, metric: &str, labels: [&str; 3], expected: &Counts) {
    let [method, route, status] = labels;
    let found = format!("{metric}, {route}!~\"/metrics|/classic\"}}");
    let query = format!("sum by ({method}, {route}, {status}) ({found}) > 0");
    let wanted = |found: &[(BTreeMap<String, String>, f64)]| {
        let found = found.iter().map(|(of, count)| {
            let [method, route, status] = labels.map(|label| of.get(label).cloned().unwrap_or_default());
            ((method, route, status), *count)
        });
        found.collect::<Counts>() == *expected
    };
    prometheus.until(&query, wanted).await;
}

/// Checks that Prometheus has all metrics of the user. The bounds of buckets may be written in
/// different ways.
async fn has_users_own(prometheus: &Prometheus, job: &str, expected: &Samples) {
    let found = prometheus.query(&format!("{{__name__=~\"user_.*\", job=\"{job}\"}}")).await;
    let number =
        |text: &str| text.parse::<f64>().map_or_else(|_| text.to_owned(), |number| number.to_string());
    let mut series = BTreeMap::new();
    for (mut labels, value) in found {
        labels.retain(|name, _| name != "job" && name != "instance");
        for name in ["le", "quantile"] {
            labels.entry(name.to_owned()).and_modify(|value| *value = number(value));
        }
        series.insert(labels, value);
    }
    for sample in &expected.0 {
        let mut labels = BTreeMap::from([("__name__".to_owned(), sample.name.clone())]);
        // In Prometheus, a label with an empty value is absent.
        for (name, value) in sample.labels.iter().filter(|(_, value)| !value.is_empty()) {
            let value = if ["le", "quantile"].contains(name) { number(value) } else { value.clone() };
            labels.insert((*name).to_owned(), value);
        }
        let value = series.get(&labels);
        let same = value.is_some_and(|v| *v == sample.value || (v.is_nan() && sample.value.is_nan()));
        assert!(same, "{value:?} for {labels:?} = {} of {job}", sample.value);
    }
}

#[tokio::test]
async fn prometheus_finds_all_requests() {
    let watch = Watch::default();
    let users = register(watch.observer.registry());
    let addr = serve(&watch.observer).await;
    let prometheus = Prometheus::start(&[Job("open", addr, "/metrics"), Job("classic", addr, "/classic")]);
    prometheus.up(2).await;
    let (counts, traces) = traffic(addr).await;
    let mut quantiles = Vec::new();
    for job in ["open", "classic"] {
        let metric = format!("http_requests_total{{job=\"{job}\"");
        counts_are(&prometheus, &metric, ["method", "endpoint", "status"], &counts).await;
        let errors = format!("sum by (error_type) (http_request_errors_total{{job=\"{job}\"}}) > 0");
        let errors = prometheus.query(&errors).await;
        let errors: BTreeMap<_, _> =
            errors.iter().map(|(labels, count)| (&*labels["error_type"], *count)).collect();
        let each = 4.0 * ROUNDS as f64;
        assert_eq!(errors, BTreeMap::from([("503", each), ("panic", each)]));
        has_users_own(&prometheus, job, &users).await;

        let of_items = format!("{{job=\"{job}\", endpoint=\"/items/{{id}}\", status=\"200\"}}");
        let quantile = format!("histogram_quantile(0.9, http_request_duration_seconds_bucket{of_items})");
        let found = prometheus.query(&quantile).await;
        assert!(found.len() == 1 && (0.0..=10.0).contains(&found[0].1), "{found:?}");
        quantiles.push(found[0].1);
        let sum = prometheus.query(&format!("http_request_duration_seconds_sum{of_items}")).await;
        let records = watch.ended(1).await;
        let is_item = |record: &&Record| record.route_label() == "/items/{id}";
        let spent: f64 = records.iter().filter(is_item).map(|record| record.duration.as_secs_f64()).sum();
        assert!((sum[0].1 - spent).abs() < 1e-6, "{sum:?} against {spent}");
    }
    assert_eq!(quantiles[0], quantiles[1], "both formats have the same values");
    exemplars(&prometheus, &traces).await;
    for what in ["duplicate_timestamp", "out_of_order", "out_of_bounds"] {
        let refused = prometheus.own(&format!("prometheus_target_scrapes_sample_{what}_total")).await;
        assert_eq!(refused, 0.0, "{what}");
    }
    assert_eq!(prometheus.query("up").await.iter().map(|(_, up)| up).sum::<f64>(), 2.0);
}

/// Checks that the exemplars of buckets are of sent requests, and that only sampled requests have a
/// trace id.
async fn exemplars(prometheus: &Prometheus, traces: &BTreeSet<String>) {
    let found = prometheus.exemplars("http_request_duration_seconds_bucket{job=\"open\"}").await;
    let named = found.iter().filter(|(series, _)| !["/metrics", "/classic"].contains(&&*series["endpoint"]));
    let mut routes = BTreeSet::new();
    for (series, (labels, value)) in named {
        assert!(*value <= series["le"].parse().expect("a bound"), "{value} in {series:?}");
        assert!(labels.contains_key("request_id"));
        let is_item = series["endpoint"] == "/items/{id}";
        assert_eq!(labels.get("trace_id").is_some_and(|trace| traces.contains(trace)), is_item, "{labels:?}");
        assert_eq!(labels.contains_key("trace_id"), is_item);
        routes.insert(series["endpoint"].as_str());
    }
    assert_eq!(routes, BTreeSet::from(["/items/{id}", "/orders", "/fail", "/panic", "unmatched"]));
    let of_errors = prometheus.exemplars("http_request_errors_total").await;
    assert!(!of_errors.is_empty() && of_errors.iter().all(|(series, _)| series["job"] == "open"));
    assert!(prometheus.exemplars("{job=\"classic\"}").await.is_empty(), "the text format has none");
}

#[tokio::test]
async fn prometheus_finds_all_requests_in_opentelemetry_naming() {
    let naming = Metrics::new().naming(MetricNaming::OpenTelemetry);
    let watch = Watch::with(|builder| builder.metrics(naming));
    let addr = serve(&watch.observer).await;
    let prometheus = Prometheus::start(&[Job("open", addr, "/metrics"), Job("classic", addr, "/classic")]);
    prometheus.up(2).await;
    let (counts, _) = traffic(addr).await;
    let of = |streams: bool| {
        let counts = counts.iter().filter(move |((_, route, _), _)| (route == "/stream") == streams);
        let named = counts.map(|((method, route, status), count)| {
            let route = if route == "unmatched" { String::new() } else { route.clone() };
            ((method.clone(), route, status.clone()), *count)
        });
        named.collect::<Counts>()
    };
    let labels = ["http_request_method", "http_route", "http_response_status_code"];
    for job in ["open", "classic"] {
        let metric = |name: &str| format!("http_server_{name}_duration_seconds_count{{job=\"{job}\"");
        counts_are(&prometheus, &metric("request"), labels, &of(false)).await;
        counts_are(&prometheus, &metric("stream"), labels, &of(true)).await;
    }
}

/// Returns the output of `promtool check metrics` for a page. It is empty if the page has no fault.
fn promtool(page: &str) -> String {
    let mut tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs: tests/run.sh installs it");
    // The tool reads to the end before it writes.
    let sent = tool.stdin.take().expect("piped").write_all(page.as_bytes());
    let output = tool.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{}: {said}", output.status);
    sent.expect("it has read the page");
    said
}

#[tokio::test]
async fn promtool_finds_no_fault() {
    for naming in [MetricNaming::Prometheus, MetricNaming::OpenTelemetry] {
        let metrics = Metrics::new().naming(naming).response_head(true);
        let watch = Watch::with(|builder| builder.metrics(metrics));
        assert_eq!(promtool(&watch.observer.metrics_text()), "", "fresh");
        let addr = serve(&watch.observer).await;
        traffic(addr).await;
        assert_eq!(promtool(&watch.observer.metrics_text()), "", "with traffic");
    }
}
