//! Tests of the shop and its services as processes: orders across all services, orders that fail,
//! and a database that stops.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::OnceLock,
    time::{Duration, Instant},
};

use obs_tests::{
    client::{Answer, Client, get, post},
    collector::{Collector, Span},
    postgres::Postgres,
    process::{Service, temporary},
    programs::example,
    watch::BOUND,
};
use serde_json::Value;

type Request = http::Request<http_body_util::Full<bytes::Bytes>>;

fn shop() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| example("axum-shop"))
}

/// Starts a shop with its own database file.
async fn start(test: &str, variables: &[(&str, &str)]) -> (Service, PathBuf) {
    let file = temporary(&format!("{test}.db"));
    let database = format!("sqlite://{}?mode=rwc", file.display());
    let variables = [&[("DATABASE_URL", database.as_str())], variables].concat();
    (Service::announced("shop", shop(), &variables).await, file)
}

async fn send(shop: &Service, request: Request) -> Answer {
    Client::connect(shop.addr, false).await.send(request).await.expect("an answer")
}

fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("JSON, not {:?}", answer.text()))
}

async fn stored(shop: &Service) -> usize {
    json(&send(shop, get("/orders")).await).as_array().expect("a list").len()
}

#[tokio::test]
async fn an_order_is_one_trace_across_three_frameworks() {
    let (shop, file) = start("one-trace", &[]).await;
    let answer = send(&shop, post("/orders", r#"{"item_id":1,"quantity":2}"#)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let order = json(&answer);
    assert_eq!((&order["item"], &order["total_cents"]), (&"teapot".into(), &5980.into()));
    assert_eq!(stored(&shop).await, 1);

    let id = answer.header("x-request-id").expect("a request id");
    let (of_shop, of_payments) = (shop.event("shop", id).await, shop.event("payments", id).await);
    assert_eq!(of_payments["trace_id"], of_shop["trace_id"]);
    assert!(of_shop.get("parent_span_id").is_none(), "the trace begins in the shop: {of_shop}");
    for event in [&of_shop, &of_payments] {
        assert_eq!(event["outcome"], "completed");
        assert_eq!(event["http.response.status_code"], 201);
        assert_eq!(event["fields"]["order"]["id"], order["id"]);
        assert_eq!(event["fields"]["payment"]["id"], order["payment_id"]);
    }
    let of_inventory = shop.event("inventory", id).await;
    assert_eq!(of_inventory["trace_id"], of_shop["trace_id"]);
    assert_eq!(of_inventory["http.route"], "/inventory.v1.Inventory/Reserve");
    assert_eq!(of_inventory["rpc.response.status_code"], "OK");
    assert_eq!(of_inventory["fields"]["item"]["quantity"], 2);
    // Each service continues the call that the shop made.
    let (reserved, paid) = (call(&of_shop, "inventory"), call(&of_shop, "payments"));
    assert_eq!(of_inventory["parent_span_id"], reserved["span_id"]);
    assert_eq!(of_payments["parent_span_id"], paid["span_id"]);
    assert_ne!(reserved["span_id"], paid["span_id"]);
    assert_eq!(reserved["operation"], "inventory.v1.Inventory/Reserve");
    assert_eq!((&paid["operation"], &paid["status"]), (&"POST /payments".into(), &201.into()));
    let calls = of_shop["calls"].as_array().expect("calls").iter();
    let calls: Vec<_> = calls.map(|calls| text(calls, &["dependency", "count", "errors"])).collect();
    assert_eq!(calls, ["database 2 0", "inventory 1 0", "payments 1 0"]);
    let queries = of_shop["slowest_calls"].as_array().expect("calls").iter();
    let queries: Vec<_> =
        queries.filter(|call| call["dependency"] == "database").map(|call| &call["operation"]).collect();
    assert_eq!(queries, ["SELECT items", "INSERT orders"]);
    assert_eq!(of_shop["calls"][0]["rows"], 2, "one is read, and one is inserted");

    shop.signal("TERM");
    shop.wait_for_line("shutting down shop").await;
    shop.wait_for_line("shutting down payments").await;
    shop.wait_for_line("shutting down inventory").await;
    let (status, events) = shop.ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
    assert_eq!(events.len(), 4, "one event per request: {events:#?}");
    std::fs::remove_file(file).expect("removed");
}

/// The entry of the call to this dependency in an event.
fn call<'a>(event: &'a Value, dependency: &str) -> &'a Value {
    let mut calls = event["slowest_calls"].as_array().into_iter().flatten();
    let call = calls.find(|call| call["dependency"] == dependency);
    call.unwrap_or_else(|| panic!("a call of {dependency}: {event:#}"))
}

/// The lines of all services have the ids of their own request. Debug lines are written only if the
/// request fails.
#[tokio::test]
async fn the_lines_of_an_order_are_found_by_its_trace() {
    let (shop, file) = start("lines", &[]).await;
    assert!(shop.logs().is_empty(), "a start writes no line: {:?}", shop.logs());
    let answer = send(&shop, post("/orders", r#"{"item_id":4,"quantity":2}"#)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let order = json(&answer);
    let of_shop = shop.event("shop", answer.header("x-request-id").expect("a request id")).await;
    let boom = send(&shop, get("/boom")).await;
    assert_eq!(boom.status, 500);
    shop.signal("TERM");
    shop.wait_for_line("shutting down inventory").await;
    let lines = shop.logs();
    let events = shop.ended().await.1;

    let of_trace: Vec<_> = lines.iter().filter(|line| line["trace_id"] == of_shop["trace_id"]).collect();
    let said = of_trace.iter().map(|line| text(line, &["service.name", "level", "message"]));
    let said: BTreeSet<_> = said.collect();
    let said: Vec<_> = said.iter().map(String::as_str).collect();
    let expected = [
        "inventory info the stock has changed",
        "inventory warn few items are left",
        "payments info the payment is taken",
        "shop info the order is placed",
    ];
    assert_eq!((said.as_slice(), of_trace.len()), (&expected[..], 4));
    for line in of_trace {
        let event = events.iter().find(|event| event["service.name"] == line["service.name"]);
        let event = event.unwrap_or_else(|| panic!("an event of the service of {line}"));
        for name in ["request_id", "span_id", "service.instance.id"] {
            assert_eq!(line[name], event[name], "{name} of {line}");
        }
        // A gRPC call has its route when the response shows that the method exists.
        if line["service.name"] != "inventory" {
            assert_eq!(line["http.route"], event["http.route"], "{line}");
            assert_eq!(line["fields"]["order"]["id"], order["id"], "{line}");
        }
    }

    let id = boom.header("x-request-id").expect("a request id");
    let of_boom = |line: &&Value| line["request_id"] == id && line["collected"] == true;
    let of_boom: Vec<_> =
        lines.iter().filter(of_boom).map(|line| text(line, &["level", "message"])).collect();
    assert_eq!(of_boom, ["debug climbs to the shelf", "debug takes the lowest parcel"]);
    let debug = lines.iter().filter(|line| line["level"] == "debug").count();
    assert_eq!(debug, of_boom.len(), "the debug lines of requests that succeed are not written");
    std::fs::remove_file(file).expect("removed");
}

/// The texts of these members, with spaces between.
fn text(line: &Value, names: &[&str]) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let texts: Vec<_> = names.iter().map(|name| text(&line[*name])).collect();
    texts.join(" ")
}

/// A collector gets the order as one trace, from three runtimes. Only the environment configures
/// the export. The collector's certificate is trusted through `SSL_CERT_FILE`.
#[tokio::test]
async fn an_order_is_exported_as_one_trace() {
    let (collector, ca) = Collector::start_tls();
    let roots = temporary("roots.pem");
    std::fs::write(&roots, ca).expect("written");
    let roots_text = roots.to_str().expect("UTF-8").to_owned();
    let endpoint = collector.endpoint();
    let (shop, file) = start(
        "exported",
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=tea%20shop"),
            ("OTEL_RESOURCE_ATTRIBUTES", "cloud.region=eu-1"),
            ("OTEL_BSP_SCHEDULE_DELAY", "50"),
            ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
            ("POD_NAMESPACE", "shops"),
            ("K8S_NODE_NAME", "node-7"),
            ("SSL_CERT_FILE", &roots_text),
        ],
    )
    .await;
    let answer = send(&shop, post("/orders", r#"{"item_id":1,"quantity":2}"#)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let id = answer.header("x-request-id").expect("a request id");
    let spans = collector.wait(7).await;
    let of = |service: &str, kind: &str, name: &str| {
        let is_it = |span: &&Span| {
            span.resource["service.name"] == service && (span.kind, span.name.as_str()) == (kind, name)
        };
        spans.iter().find(is_it).unwrap_or_else(|| panic!("{name} of {service}: {spans:#?}"))
    };
    let of_shop = of("shop", "SERVER", "POST /orders");
    let of_payments = of("payments", "SERVER", "POST /payments");
    let of_inventory = of("inventory", "SERVER", "inventory.v1.Inventory/Reserve");
    assert_eq!(of_shop.parent_span_id, None);
    for (called, name) in [(of_payments, "POST /payments"), (of_inventory, "inventory.v1.Inventory/Reserve")]
    {
        let call = of("shop", "CLIENT", name);
        assert_eq!((&call.trace_id, call.parent_is_remote), (&of_shop.trace_id, Some(false)));
        assert_eq!(call.parent_span_id.as_ref(), Some(&of_shop.span_id));
        assert_eq!((&called.trace_id, called.parent_is_remote), (&of_shop.trace_id, Some(true)));
        assert_eq!(called.parent_span_id.as_ref(), Some(&call.span_id));
    }
    for name in ["SELECT items", "INSERT orders"] {
        assert_eq!(of("shop", "CLIENT", name).parent_span_id.as_ref(), Some(&of_shop.span_id));
    }
    for (service, span) in [("shop", of_shop), ("payments", of_payments), ("inventory", of_inventory)] {
        let event = shop.event(service, id).await;
        assert_eq!(
            (event["trace_id"].as_str(), event["span_id"].as_str()),
            (Some(&*span.trace_id), Some(&*span.span_id))
        );
        assert_eq!(event["service.instance.id"], span.resource["service.instance.id"]);
        assert_eq!(span.resource["cloud.region"], "eu-1");
        assert_eq!(span.resource["k8s.namespace.name"], "shops");
        assert_eq!(span.resource["k8s.node.name"], "node-7");
        assert_eq!(span.resource["k8s.pod.name"], span.resource["host.name"], "by default");
    }
    assert!(
        collector
            .received()
            .iter()
            .all(|received| received.gzip && received.headers["x-tenant"] == "tea shop")
    );
    shop.signal("TERM");
    assert_eq!(shop.ended().await.0.code(), Some(0));
    std::fs::remove_file(roots).expect("removed");
    std::fs::remove_file(file).expect("removed");
}

/// Unsupported values are named in a warning and ignored.
#[tokio::test]
async fn unsupported_values_in_the_environment_cause_a_warning() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_PROPAGATORS", "tracecontext,xray"),
    ];
    let (shop, file) = start("warned", &variables).await;
    shop.wait_for_line(
        "`OTEL_EXPORTER_OTLP_PROTOCOL` is \"grpc\", but spans are exported with `http/protobuf`",
    )
    .await;
    shop.wait_for_line("4318").await;
    shop.wait_for_line("\"xray\"").await;
    shop.signal("TERM");
    assert_eq!(shop.ended().await.0.code(), Some(0), "a missing collector does not delay the exit");
    std::fs::remove_file(file).expect("removed");
}

#[tokio::test]
async fn an_item_out_of_stock_is_not_sold() {
    let (shop, file) = start("out-of-stock", &[]).await;
    let answer = send(&shop, post("/orders", r#"{"item_id":4,"quantity":8}"#)).await;
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert_eq!(json(&answer)["error"], "only 7 of item 4 are left");
    let event = shop.event("shop", answer.header("x-request-id").expect("a request id")).await;
    assert_eq!(event["exception.type"], "out_of_stock");
    // Items that are not paid return to the stock.
    let two = r#"{"item_id":5,"quantity":2}"#;
    for _ in 0..60 {
        assert_eq!(send(&shop, post("/orders", two)).await.status, 402, "two of a hundred, again and again");
    }
    assert_eq!(stored(&shop).await, 0);
    std::fs::remove_file(file).expect("removed");
}

#[tokio::test]
async fn an_inventory_that_is_down_is_a_bad_gateway() {
    // Bound but not listening: connections are refused, and no other process gets the port.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let inventory = format!("http://{}", socket.local_addr().expect("an address"));
    let (shop, file) = start("no-inventory", &[("INVENTORY_URL", &inventory)]).await;
    let answer = send(&shop, post("/orders", r#"{"item_id":1,"quantity":2}"#)).await;
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert_eq!(json(&answer)["error"], "the inventory does not respond");
    let event = shop.event("shop", answer.header("x-request-id").expect("a request id")).await;
    assert_eq!(event["error.type"], "inventory_unreachable");
    assert_eq!(call(&event, "inventory")["error.type"], "connect");
    let sources = event["error.sources"].as_array().expect("sources");
    assert!(sources.iter().any(|source| source.to_string().contains("refused")), "{event}");
    assert_eq!(stored(&shop).await, 0);
    std::fs::remove_file(file).expect("removed");
}

#[tokio::test]
async fn the_shop_survives_a_restart_of_the_inventory() {
    let program = example("tonic-inventory");
    let inventory = Service::announced("inventory", &program, &[]).await;
    let addr = inventory.addr.to_string();
    let (shop, file) = start("inventory-goes", &[("INVENTORY_URL", &format!("http://{addr}"))]).await;
    let order = || post("/orders", r#"{"item_id":2,"quantity":3}"#);
    let answer = send(&shop, order()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let id = answer.header("x-request-id").expect("a request id");
    let (of_shop, of_inventory) = (shop.event("shop", id).await, inventory.event("inventory", id).await);
    assert_eq!(of_inventory["trace_id"], of_shop["trace_id"]);
    assert_eq!(of_inventory["parent_span_id"], call(&of_shop, "inventory")["span_id"]);

    // The open connection of the shop does not delay the shutdown.
    inventory.signal("TERM");
    assert_eq!(inventory.ended().await.0.code(), Some(0));
    assert_eq!(send(&shop, order()).await.status, 502);
    let inventory = Service::announced("inventory", &program, &[("LISTEN", &addr)]).await;
    until_status(&shop, 201, order).await;
    assert_eq!(stored(&shop).await, 2);
    drop(inventory);
    std::fs::remove_file(file).expect("removed");
}

/// All services keep or drop the same traces.
#[tokio::test]
async fn sampling_agrees_across_three_frameworks() {
    const ORDERS: usize = 60;
    let (shop, file) = start("sampled", &[("OBS_EVENTS_SAMPLE_RATE", "0.5")]).await;
    for _ in 0..ORDERS {
        assert_eq!(send(&shop, post("/orders", r#"{"item_id":2,"quantity":1}"#)).await.status, 201);
    }
    shop.signal("TERM");
    let (status, events) = shop.ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
    let traces = |service: &str| {
        let of_service = events.iter().filter(|event| event["service.name"] == service);
        of_service.map(|event| event["trace_id"].as_str().expect("an id").to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(traces("shop"), traces("payments"));
    assert_eq!(traces("shop"), traces("inventory"));
    // The bounds are more than seven standard deviations from the mean of the binomial
    // distribution.
    assert!((1..ORDERS).contains(&traces("shop").len()), "{} of {ORDERS}", traces("shop").len());
    assert!(events.iter().all(|event| event["sample_rate"] == 0.5));
    std::fs::remove_file(file).expect("removed");
}

#[tokio::test]
async fn orders_that_fail_store_nothing() {
    let (shop, file) = start("failing", &[]).await;
    let cases = [
        ("not JSON", 400, "JSON", "rejected"),
        (r#"{"item_id":1}"#, 422, "quantity", "rejected"),
        (r#"{"item_id":1,"quantity":0}"#, 422, "1 to 100", "quantity"),
        (r#"{"item_id":1,"quantity":101}"#, 422, "1 to 100", "quantity"),
        (r#"{"item_id":99,"quantity":1}"#, 404, "no item 99", "no_such_item"),
        (r#"{"item_id":5,"quantity":2}"#, 402, "199800", "payment_refused"),
    ];
    for (body, status, says, kind) in cases {
        let answer = send(&shop, post("/orders", body)).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        let message = json(&answer)["error"].as_str().expect("a message").to_owned();
        assert!(message.contains(says), "{body}: {message}");
        let event = shop.event("shop", answer.header("x-request-id").expect("a request id")).await;
        assert_eq!(event["exception.type"], kind, "{event}");
        assert_eq!(event["error.message"], message.as_str(), "{event}");
    }
    let mut form = post("/orders", "item_id=1");
    form.headers_mut().remove("content-type");
    assert_eq!(send(&shop, form).await.status, 415);
    assert_eq!(stored(&shop).await, 0);
    std::fs::remove_file(file).expect("removed");
}

#[tokio::test]
async fn payments_that_are_down_are_a_bad_gateway() {
    // Bound but not listening: connections are refused, and no other process gets the port.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let payments = format!("http://{}", socket.local_addr().expect("an address"));
    let (shop, file) = start("no-payments", &[("PAYMENTS_URL", &payments)]).await;
    let answer = send(&shop, post("/orders", r#"{"item_id":1,"quantity":2}"#)).await;
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert_eq!(json(&answer)["error"], "the payments service does not respond");
    let event = shop.event("shop", answer.header("x-request-id").expect("a request id")).await;
    assert_eq!(event["error.type"], "payments_unreachable");
    assert_eq!(call(&event, "payments")["error.type"], "connect");
    let sources = event["error.sources"].as_array().expect("sources");
    assert!(sources.iter().any(|source| source.to_string().contains("refused")), "{event}");
    assert_eq!(stored(&shop).await, 0);
    // Payments have no health check: without them the shop cannot sell, but it can still show its
    // items.
    assert_eq!(send(&shop, get("/readyz")).await.status, 200);
    std::fs::remove_file(file).expect("removed");
}

/// Repeats a request until the response has this status.
async fn until_status(shop: &Service, status: u16, request: impl Fn() -> Request) -> Answer {
    let started = Instant::now();
    loop {
        let answer = send(shop, request()).await;
        if answer.status == status {
            return answer;
        }
        assert!(started.elapsed() < BOUND, "{status}, but it is {}: {}", answer.status, answer.text());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_shop_survives_a_restart_of_postgresql() {
    let postgres = Postgres::start().await;
    let shop = Service::announced("shop", shop(), &[("DATABASE_URL", &postgres.url())]).await;
    let order = || post("/orders", r#"{"item_id":2,"quantity":3}"#);
    assert_eq!(send(&shop, get("/readyz")).await.status, 200);
    let answer = send(&shop, order()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(stored(&shop).await, 1);

    postgres.stop();
    let ready = json(&until_status(&shop, 503, || get("/readyz")).await);
    assert_eq!(ready["status"], "failing", "{ready}");
    assert_eq!(ready["checks"]["db"]["status"], "fail", "{ready}");
    shop.wait_for_line("pool timed out").await; // the error of the pool, for the operator only
    assert_eq!(send(&shop, get("/livez")).await.status, 200, "a restart would not help");
    let started = Instant::now();
    let answer = send(&shop, get("/items")).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(started.elapsed() < Duration::from_secs(20), "less than the 30 s that sqlx waits by default");
    let event = shop.event("shop", answer.header("x-request-id").expect("a request id")).await;
    assert_eq!(event["error.type"], "database", "{event}");
    assert!(!event["error.sources"].as_array().expect("sources").is_empty(), "{event}");

    postgres.go_on().await;
    until_status(&shop, 200, || get("/readyz")).await;
    until_status(&shop, 201, order).await;
    assert_eq!(stored(&shop).await, 2);
    shop.signal("TERM");
    assert_eq!(shop.ended().await.0.code(), Some(0));
}
