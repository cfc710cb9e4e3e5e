//! Tests of the references in the documents: they list every metric, every event field and every
//! setting, and no other.

use std::{collections::BTreeSet, time::Duration};

use http::HeaderMap;
use obs_core::{
    MetricNaming, Metrics, Observer, Outcome,
    adapter::{CallHead, HttpVersion, Observation, PoolState, RequestHead},
    output::CallFailure,
};
use obs_tests::{app::OutOfStock, watch::Watch};

#[path = "../../obs-core/src/outputs/facts/generated.rs"]
mod generated;

const EVENTS: &str = include_str!("../../docs/events.md");
const METRICS: &str = include_str!("../../docs/metrics.md");

/// The names in backticks in a column of the table below `heading`.
fn table(document: &str, heading: &str, column: usize) -> BTreeSet<String> {
    let rows = document.lines().skip_while(|line| !line.starts_with(heading)).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let columns = rows.filter_map(|row| row.split('|').nth(column));
    columns.flat_map(|column| column.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// The part of a document from a heading on.
fn section<'a>(document: &'a str, heading: &str) -> &'a str {
    document.find(heading).and_then(|start| document.get(start..)).expect("the heading")
}

fn start(watch: &Watch, method: &str, headers: &[(&'static str, &'static str)]) -> Observation {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, http::HeaderValue::from_static(value));
    }
    let head = RequestHead::new(method, "/items/7", &map)
        .query(Some("page=2"))
        .peer(Some(([192, 0, 2, 7], 1234).into()))
        .version(HttpVersion::Http2);
    watch.observer.start(&head)
}

/// Sends requests that together emit every metric and every event field.
fn traffic(watch: &Watch) {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let mut completed = start(
        watch,
        "GET",
        &[("traceparent", PARENT), ("content-length", "3"), ("user-agent", "curl"), ("x-tenant", "yes")],
    );
    completed.set_route("/items/{id}");
    let handle = completed.work();
    handle.error(&OutOfStock);
    handle.user("42");
    handle.flag("new-cart", "on");
    drop(handle.call("db").operation("SELECT").status(500));
    handle.span("price").run(|| ());
    watch.observer.timer("cache_fill").run(|| ());
    handle.run(|| calls(&watch.observer));
    (0..100).for_each(|n| completed.work().set(format!("key{n}"), n));
    completed.responded(404, &());
    completed.finish(Outcome::Completed);

    let mut stream = start(watch, "BREW", &[("traceparent", PARENT), ("x-from", "outside")]);
    stream.work().streaming();
    stream.responded(200, &());
    stream.finish(Outcome::CancelledInBody);

    let failed = start(watch, "GET", &[]);
    failed.work().error(&OutOfStock);
    failed.finish(Outcome::ServiceError);

    let call = [("content-type", "application/grpc"), ("grpc-timeout", "1S")];
    let mut call = start(watch, "POST", &call);
    call.set_route("/shop.v1.Inventory/Reserve");
    drop(call.request_body());
    let mut answer = HeaderMap::new();
    answer.insert("content-type", http::HeaderValue::from_static("application/grpc"));
    answer.insert("grpc-status", http::HeaderValue::from_static("5"));
    call.responded(200, &answer);
    call.finish(Outcome::Completed);

    let content_type = [("content-type", "application/grpc")];
    let mut failed = start(watch, "POST", &content_type);
    failed.set_route("/shop.v1.Inventory/Watch");
    failed.work().streaming();
    answer.insert("grpc-status", http::HeaderValue::from_static("13"));
    failed.responded(200, &answer);
    failed.finish(Outcome::Completed);

    let panicking = start(watch, "GET", &[]);
    let (panicking, result) = panicking.run(|| panic!("on purpose"));
    let (mut panicking, _) = panicking.panicked(result.unwrap_err());
    watch.observer.start_draining();
    panicking.responded(500, &());
    panicking.finish(Outcome::Completed);
}

/// Makes calls of each kind, which fail, and uses a pool of connections.
fn calls(observer: &Observer) {
    let http = CallHead::http("GET", "http", "payments");
    let grpc = CallHead::grpc("/shop.v1.Inventory/Reserve", "http", "inventory");
    let query = CallHead::database("postgresql").query_text(Some("SELECT a FROM items"));
    for head in [http, grpc].into_iter().chain([query; 10]) {
        let mut call = observer.start_call(&head);
        call.failed(CallFailure::Reset, None);
        call.finish();
    }
    let state = PoolState { idle: 1, used: 1, max: Some(2), pending: Some(0) };
    observer.connection_pool("orders", move || Some(state)).waited(Duration::ZERO);
}

fn watch(naming: MetricNaming) -> Watch {
    let watch = Watch::with(|builder| {
        let metrics = Metrics::new().response_head(true).naming(naming);
        let builder = builder.service_version("1.0").deployment_environment("test").metrics(metrics);
        builder.public_endpoint(|head| {
            obs_core::adapter::first_header(head.headers, "x-from", |from| from == b"outside")
                .unwrap_or(false)
        })
    });
    traffic(&watch);
    watch
}

/// Compares every metric and every label, in both namings.
#[test]
fn every_metric_and_every_label_is_documented() {
    for (naming, column) in [(MetricNaming::Prometheus, 1), (MetricNaming::OpenTelemetry, 2)] {
        let text = watch(naming).observer.metrics_text();
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let shown: BTreeSet<_> = types.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
        let mut documented = table(METRICS, "| Prometheus | OpenTelemetry", column);
        documented.extend(table(METRICS, "| metric | labels", 1));
        documented.extend(table(METRICS, "| metric of calls", column));
        if naming == MetricNaming::OpenTelemetry {
            documented.extend(table(METRICS, "| histogram of calls", 1));
            assert_eq!(labels(&text, "rpc_"), table(METRICS, "| label of calls", 1));
        }
        assert_eq!(shown, documented);

        let mut documented = table(METRICS, "| Prometheus' label", column);
        documented.retain(|name| !name.starts_with("http_request_errors"));
        // In OpenTelemetry's naming, calls are in families of their own.
        documented.retain(|name| !name.starts_with("rpc_"));
        assert_eq!(labels(&text, "http_"), documented);
    }
}

/// Returns the labels of the metrics whose names have this prefix.
fn labels(text: &str, prefix: &str) -> BTreeSet<String> {
    let of_requests = |line: &&str| line.starts_with(prefix) && !line.contains("_client_");
    let labels = text.lines().filter(of_requests).filter_map(|line| {
        let (_, labels) = line.split_once('{')?;
        labels.rsplit_once('}').map(|(labels, _)| labels)
    });
    let names = labels.flat_map(|labels| labels.split("\",").filter_map(|label| label.split('=').next()));
    names.filter(|name| *name != "le").map(str::to_owned).collect()
}

/// Compares the bounds of buckets in the document with those of the code.
#[test]
fn every_bucket_is_documented() {
    for (naming, family, bounds) in [
        (MetricNaming::Prometheus, "http_request_duration_seconds", "durations .005"),
        (MetricNaming::OpenTelemetry, "http_server_request_duration_seconds", "naming .005"),
        (MetricNaming::Prometheus, "http_stream_duration_seconds", "streams 1"),
        (MetricNaming::Prometheus, "http_request_size_bytes", "sizes 100"),
    ] {
        let text = watch(naming).observer.metrics_text();
        let prefix = format!("{family}_bucket{{");
        let buckets = text.lines().filter(|line| line.starts_with(&prefix));
        let le = buckets.filter_map(|line| line.split("le=\"").nth(1)?.split('"').next());
        let shown: BTreeSet<_> = le.filter(|le| *le != "+Inf").map(bits).collect();
        let document = METRICS.replace('\n', " ");
        let (word, first) = bounds.split_once(' ').expect("a word and the first bound");
        let start = document.find(bounds).expect("the document names them") + word.len();
        let documented = document[start..].split([' ', ',', ';']).filter(|word| !word.is_empty());
        let documented = documented.take_while(|word| !matches!(*word, "s" | "bytes" | "bytes."));
        assert_eq!(shown, documented.map(bits).collect(), "{family} from {first}");
    }
}

/// The bits of a number: a set can contain them.
fn bits(number: &str) -> u64 {
    let number = number.replace('k', "e3").replace('M', "e6");
    number.parse::<f64>().unwrap_or_else(|_| panic!("a number: {number}")).to_bits()
}

/// Compares the fields in the table, in the schema and in events. The other cases check each event
/// against the schema.
#[test]
fn every_field_of_an_event_is_documented() {
    let mut documented = table(section(EVENTS, "### Fields of all events"), "| field |", 1);
    documented.extend(table(section(EVENTS, "### Fields of events of the kind `request`"), "| field |", 1));
    let schema: serde_json::Value = serde_json::from_str(obs_core::EVENT_SCHEMA).expect("JSON");
    let properties = schema["properties"].as_object().expect("properties").keys().cloned();
    let described: BTreeSet<_> = properties.chain(["http.request.header.<name>".to_owned()]).collect();
    assert_eq!(documented, described);

    let lines = watch(MetricNaming::default()).lines();
    let keys = lines.iter().flat_map(|line| line.as_object().expect("an object").keys());
    let mut shown: BTreeSet<_> = keys.cloned().collect();
    // Some fields exclude others, so these do not appear here.
    assert!(shown.remove("http.request.header.x-tenant"));
    shown.extend(["user.hash", "probe", "http.request.header.<name>"].map(str::to_owned));
    assert_eq!(shown, documented);
}

/// Checks the reference of the settings, which is generated from the table in the code.
#[test]
fn every_setting_is_documented() {
    let reference = format!("{}{}", variables(), settings());
    generated::check_file("docs/configuration.md", |document| {
        let (begin, end) = ("<!-- settings: generated -->\n", "<!-- settings: end -->");
        generated::with_part(document, begin, end, &reference)
    });
}

/// Escapes a text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', r"\|")
}

/// Writes a table of all environment variables.
fn variables() -> String {
    // Several settings may have the same variable.
    let mut variables: Vec<(&str, Vec<String>, Vec<&str>)> = Vec::new();
    for setting in Observer::settings() {
        let name = match (setting.method, setting.group) {
            (None, _) => setting.default.to_owned(),
            (Some(method), "ObserverBuilder") => format!("`{method}`"),
            (Some(method), group) => format!("`{group}::{method}`"),
        };
        for variable in setting.variables {
            let row = match variables.iter_mut().find(|(name, ..)| *name == variable.name) {
                Some(row) => row,
                None => {
                    variables.push((variable.name, Vec::new(), Vec::new()));
                    variables.last_mut().expect("the row")
                }
            };
            if !row.1.contains(&name) {
                row.1.push(name.clone());
            }
            if !row.2.contains(&variable.value) {
                row.2.push(variable.value);
            }
        }
    }
    let rows = variables.iter().map(|(name, settings, values)| {
        format!("| `{name}` | {} | {} |\n", cell(&values.join("; ")), cell(&settings.join(", ")))
    });
    format!("| variable | value | setting, or default |\n|---|---|---|\n{}", rows.collect::<String>())
}

/// Writes a table for each type that has settings.
fn settings() -> String {
    let mut text = String::new();
    let mut group = "";
    for setting in Observer::settings() {
        let Some(method) = setting.method else { continue };
        if setting.group != group {
            group = setting.group;
            text += &format!("\n## `{group}`\n| setting | default | description |\n|---|---|---|\n");
        }
        let valid = setting.valid.map(|valid| format!(" Valid: {valid}.")).unwrap_or_default();
        let description = cell(&(setting.description() + &valid));
        text += &format!("| `{method}` | {} | {description} |\n", cell(setting.default));
    }
    text
}
