//! Tests of a user's own metrics on our page: of every type, with every value, and with faults that
//! would break the page.

use std::collections::HashMap;

use obs_core::{
    MetricNaming, Metrics, Observer, Outcome,
    adapter::RequestHead,
    prometheus::{
        Gauge, IntCounter, Registry,
        core::{Collector, Desc},
        proto::{MetricFamily, MetricType},
    },
};
use obs_tests::{
    client::get,
    judge::{Format, Page},
    scrape::{page, serve},
    stacks::Server,
    users::{Families, Samples, family, gauge, register},
    watch::Watch,
};

const ITEMS: [(&str, &str); 3] = [("method", "GET"), ("endpoint", "/items/{id}"), ("status", "200")];

async fn one_item(server: &Server) {
    let mut client = server.connect().await;
    client.send(get("/items/7")).await.expect("an answer");
    client.disconnect().await;
}

/// Checks that the samples of `expected` are on the page, with `prefix` before their names and with
/// the `common` labels.
fn shows(page: &Page, expected: &Samples, prefix: &str, common: &[(&'static str, &str)]) {
    for sample in &expected.0 {
        let mut labels: Vec<_> = sample.labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
        labels.extend(common.iter().filter(|(name, _)| sample.labels.iter().all(|(own, _)| own != name)));
        let name = format!("{prefix}{}", sample.name);
        // In the text format, the parser adds the suffix to every counter.
        let value = page.value(&name, &labels).or_else(|| page.value(&format!("{name}_total"), &labels));
        let same = value.is_some_and(|v| v == sample.value || (v.is_nan() && sample.value.is_nan()));
        assert!(same, "{value:?} for {name} {labels:?} {}", sample.value);
    }
}

#[tokio::test]
async fn metrics_of_every_type_are_on_the_page() {
    let watch = Watch::default();
    let expected = register(watch.observer.registry());
    let server = serve(&watch).await;
    for format in Format::ALL {
        let page = page(&server, format, "/metrics").await;
        shows(&page, &expected, "", &[]);
        let help = &page.family("user_busy_seconds").expect("the counter").help;
        assert_eq!(help, "Help with a \\, a \"quote\" and\na new line.");
        let kind = |name: &str| &*page.family(name).expect("the family").kind;
        assert_eq!(
            ["user_orders", "user_level", "user_wait_seconds", "user_unseen", "user_latency"].map(kind),
            ["counter", "gauge", "histogram", "histogram", "summary"]
        );
        // Metrics that OpenMetrics does not allow keep their names.
        let unknown =
            ["user_clicks", "user_drift_sum", "user_temperature_bucket", "user_broken_count", "user_offset"];
        if format == Format::OpenMetrics {
            assert_eq!(unknown.map(kind), ["unknown"; 5]);
        } else {
            let names = ["user_clicks", "user_drift", "user_temperature", "user_broken", "user_offset"];
            assert_eq!(names.map(kind), ["counter", "histogram", "histogram", "histogram", "summary"]);
        }
        assert_eq!(page.value("obs_metrics_left_out_total", &[]), Some(0.0));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_very_long_label_value_is_kept() {
    let watch = Watch::default();
    let long = "\\\"\n".repeat(100_000);
    let text =
        Families::boxed(vec![family("user_text", MetricType::GAUGE, vec![gauge(&[("text", &long)], 1.0)])]);
    watch.observer.registry().register(text).expect("registered");
    let server = serve(&watch).await;
    for format in Format::ALL {
        let page = page(&server, format, "/metrics").await;
        assert_eq!(page.value("user_text", &[("text", &long)]), Some(1.0));
    }
    server.stop().await;
}

/// A registry with a prefix and common labels. If a metric has a label of the same name, the label
/// of the metric wins.
#[tokio::test]
async fn the_prefix_and_the_labels_of_a_registry_are_added() {
    let common = [("env", "test"), ("endpoint", "common"), ("floor", "common")];
    let labels: HashMap<_, _> = common.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let registry = Registry::new_custom(Some("shop".to_owned()), Some(labels)).expect("valid");
    let expected = register(&registry);
    let watch = Watch::with(|builder| builder.metrics(Metrics::new().registry(registry)));
    let server = serve(&watch).await;
    one_item(&server).await;
    for format in Format::ALL {
        let page = page(&server, format, "/metrics").await;
        let labels = [&ITEMS[..], &[("env", "test"), ("floor", "common")]].concat();
        assert_eq!(page.value("shop_http_requests_total", &labels), Some(1.0));
        shows(&page, &expected, "shop_", &common);
    }
    server.stop().await;
}

/// A registry whose common labels have the reserved names `le` and `quantile`.
#[tokio::test]
async fn reserved_names_of_common_labels_are_allowed() {
    let labels = ["le", "quantile"].map(|name| (name.to_owned(), "x".to_owned()));
    let registry = Registry::new_custom(None, Some(labels.into())).expect("valid");
    register(&registry);
    let watch = Watch::with(|builder| builder.metrics(Metrics::new().registry(registry)));
    let server = serve(&watch).await;
    for format in Format::ALL {
        let page = page(&server, format, "/metrics").await;
        assert_eq!(page.value("user_wait_seconds_bucket", &[("le", "2.5"), ("quantile", "x")]), Some(2.0));
        assert_eq!(page.value("user_latency", &[("quantile", "0.5"), ("le", "x")]), Some(2.5));
        assert_eq!(page.value("obs_late_writes_total", &[("quantile", "x"), ("le", "x")]), Some(0.0));
    }
    server.stop().await;
}

/// Names that collide, in one format or in both: the second metric is skipped, and our metrics come
/// first.
#[tokio::test]
async fn colliding_names_are_skipped() {
    let watch = Watch::default();
    let registry = watch.observer.registry();
    let name = |name: &str| Box::new(Gauge::new(name, "A gauge.").expect("valid"));
    let counter = |name: &str| Box::new(IntCounter::new(name, "A counter.").expect("valid"));
    registry.register(name("foo")).expect("registered");
    registry.register(counter("foo_total")).expect("registered");
    registry.register(name("http_requests")).expect("registered");
    registry.register(name("user_wait_seconds_count")).expect("registered");
    registry.register(name("user_latency_sum")).expect("registered");
    registry.register(name("http_request_duration_seconds_bucket")).expect("registered");
    register(registry);
    let server = serve(&watch).await;
    one_item(&server).await;
    for format in Format::ALL {
        let page = page(&server, format, "/metrics").await;
        assert_eq!(page.value("http_requests_total", &ITEMS), Some(1.0));
        assert_eq!(page.value("http_request_duration_seconds_count", &ITEMS), Some(1.0));
        let shown = |name: &str| page.value(name, &[]).is_some();
        assert!(shown("foo") && shown("foo_total") && shown("user_wait_seconds_sum"));
        // The text format shows this name, because there it does not collide.
        assert_eq!(shown("http_requests"), format == Format::Text);
    }
    assert!(watch.metric("obs_metrics_left_out_total", "") > 0.0);
    server.stop().await;
}

/// A collector may return anything: names of other metrics, our names, repeated labels, labels that
/// would break a page.
#[tokio::test]
async fn invalid_families_of_a_collector_are_skipped() {
    let watch = Watch::default();
    let registry = watch.observer.registry();
    let families = vec![
        family(
            "user_strange",
            MetricType::GAUGE,
            vec![
                gauge(&[("a", "1")], 1.0),
                gauge(&[("b", "1")], 2.0),
                gauge(&[("a", "1")], 3.0),
                gauge(&[("a", "1"), ("a", "2")], 4.0),
                gauge(&[("__name__", "x")], 5.0),
                gauge(&[("bad-name", "x")], 6.0),
            ],
        ),
        family("http_requests_total", MetricType::COUNTER, vec![gauge(&ITEMS, 1.0)]),
        family("http_requests_in_flight", MetricType::GAUGE, vec![gauge(&[("method", "GET")], 50.0)]),
    ];
    registry.register(Families::boxed(families)).expect("registered");
    let server = serve(&watch).await;
    one_item(&server).await;
    for format in Format::ALL {
        let page = page(&server, format, "/metrics").await;
        assert_eq!(page.value("http_requests_total", &ITEMS), Some(1.0));
        assert_eq!(page.value("http_requests_in_flight", &[("method", "GET")]), Some(1.0));
        assert_eq!(page.value("user_strange", &[("a", "1")]), Some(1.0));
        assert_eq!(page.value("user_strange", &[("b", "1")]), Some(2.0));
    }
    server.stop().await;
}

/// A collector that returns the metrics of another registry.
struct Gathers(Desc, Registry);

impl Collector for Gathers {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.0]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.1.gather()
    }
}

/// A registry inside a registry, each with an observer. A page shows its own metrics, and those of
/// the other observer as metrics of a user.
#[tokio::test]
async fn the_registry_of_another_observer_is_shown() {
    let naming = Metrics::new().naming(MetricNaming::OpenTelemetry);
    let other = Observer::builder("other").no_environment().metrics(naming).build().expect("valid");
    let mut observation = other.start(&RequestHead::new("GET", "/", &()));
    observation.set_route("/other");
    observation.responded(200, &());
    observation.finish(Outcome::Completed);
    let desc = Desc::new("other".to_owned(), "Another registry.".to_owned(), Vec::new(), HashMap::new());
    let watch = Watch::default();
    let gathers = Gathers(desc.expect("valid"), other.registry().clone());
    watch.observer.registry().register(Box::new(gathers)).expect("registered");
    let server = serve(&watch).await;
    one_item(&server).await;
    for format in Format::ALL {
        let page = page(&server, format, "/metrics").await;
        assert_eq!(page.value("http_requests_total", &ITEMS), Some(1.0));
        let theirs: Vec<_> = page.samples("http_server_request_duration_seconds_count").collect();
        let theirs = theirs.iter().find(|sample| sample.labels["http_response_status_code"] == "200");
        assert!(theirs.is_some_and(|sample| sample.labels["http_route"] == "/other" && sample.value == 1.0));
    }
    server.stop().await;
}
