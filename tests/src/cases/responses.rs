//! Cases of responses that are available at once, and of their routes.

use obs_core::{MetricNaming, Metrics};

use super::{exchange, exchange_with};
use crate::{
    client::{get, request},
    stacks::{Framework, Setup, Stack},
    watch::{Expected, Watch},
};

pub async fn plain(stack: Stack) {
    let watch = Watch::default();
    let expected = Expected::completed(200, "/plain", 5);
    let answer = exchange_with(stack, Setup::new(&watch), &watch, get("/plain?secret=1"), expected).await;
    assert_eq!(answer.expect("a response").body, "hello");

    let record = &watch.ended(1).await[0];
    assert_eq!(record.fields.get("greeting"), Some(&"hi".into()));
    let line = &watch.lines()[0];
    assert_eq!(line["service.name"], "test");
    assert_eq!(line["url.path"], "/plain", "without the query");
    assert_eq!(line["network.protocol.version"], if stack.http2 { "2" } else { "1.1" });
    assert_eq!(line["fields"]["greeting"], "hi");
    let labels = r#"method="GET",endpoint="/plain",status="200""#;
    assert_eq!(watch.metric("http_requests_total", labels), 1.0);
}

pub async fn empty(stack: Stack) {
    let answer = exchange(stack, get("/empty"), Expected::completed(200, "/empty", 0)).await;
    assert_eq!(answer.expect("a response").body, "");
}

pub async fn head(stack: Stack) {
    let expected = Expected::completed(200, "/plain", 0);
    let answer = exchange(stack, request("HEAD", "/plain"), expected).await;
    assert_eq!(answer.expect("a response").body, "");
}

/// The response to HEAD has a streaming body, which is never sent.
pub async fn head_of_a_stream(stack: Stack) {
    let expected = Expected::completed(200, "/chunked", 0);
    let answer = exchange(stack, request("HEAD", "/chunked"), expected).await;
    assert_eq!(answer.expect("a response").body, "");
}

pub async fn no_content(stack: Stack) {
    let answer = exchange(stack, get("/no-content"), Expected::completed(204, "/no-content", 0)).await;
    assert_eq!(answer.expect("a response").status, 204);
}

pub async fn not_modified(stack: Stack) {
    let expected = Expected::completed(304, "/not-modified", 0);
    let answer = exchange(stack, get("/not-modified"), expected).await;
    assert_eq!(answer.expect("a response").status, 304);
}

pub async fn unmatched(stack: Stack) {
    let watch = Watch::default();
    let expected = Expected::completed(404, "", 0).unmatched();
    let setup = Setup::new(&watch);
    let answer = exchange_with(stack, setup, &watch, get("/no/such/path"), expected).await;
    assert_eq!(answer.expect("a response").status, 404);
    assert_eq!(watch.metric("http_requests_total", r#"endpoint="unmatched",status="404""#), 1.0);
    watch.events()[0].has_no("http.route");

    // In OpenTelemetry's naming, metrics and events have the same name for the route.
    let naming = Metrics::new().naming(MetricNaming::OpenTelemetry);
    let watch = Watch::with(|builder| builder.metrics(naming));
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    client.send(get("/items/7")).await.expect("a response");
    watch.ended(1).await;
    client.send(get("/nothing/7")).await.expect("a response");
    watch.ended(2).await;
    client.disconnect().await;
    server.stop().await;
    for (event, route) in watch.events().iter().zip(["/items/{id}", ""]) {
        match route {
            "" => event.has_no("http.route"),
            route => event.has("http.route", route),
        };
        watch.sum("http_server_request_duration_seconds_count", &[("http_route", route)]).is(1.0);
    }
}

pub async fn method_not_allowed(stack: Stack) {
    let watch = Watch::default();
    let expected = Expected::completed(405, "/plain", 0);
    let setup = Setup::new(&watch);
    let answer = exchange_with(stack, setup, &watch, request("DELETE", "/plain"), expected).await;
    assert_eq!(answer.expect("a response").status, 405);
    assert_eq!(watch.lines()[0]["http.request.method"], "DELETE");
    // All methods that a route does not serve have one label value.
    assert_eq!(watch.metric("http_requests_total", r#"method="DELETE""#), 0.0);
    assert_eq!(watch.metric("http_requests_total", r#"method="_OTHER""#), 1.0);
}

/// A method that a client invents creates no series.
pub async fn unknown_method(stack: Stack) {
    let watch = Watch::default();
    let expected = Expected::completed(405, "/plain", 0);
    let setup = Setup::new(&watch);
    let _ = exchange_with(stack, setup, &watch, request("BREW", "/plain"), expected).await;
    assert_eq!(watch.metric("http_requests_total", r#"method="_OTHER""#), 1.0);
    assert_eq!(watch.lines()[0]["http.request.method_original"], "BREW");
}

pub async fn client_error(stack: Stack) {
    let watch = Watch::default();
    let expected = Expected::completed(418, "/teapot", 15);
    let _ = exchange_with(stack, Setup::new(&watch), &watch, get("/teapot"), expected).await;
    assert_eq!(watch.metric("http_request_errors_total", ""), 0.0, "not a failure of the service");
}

pub async fn handler_error(stack: Stack) {
    let watch = Watch::default();
    let expected = Expected::completed(500, "/fail", 5);
    let _ = exchange_with(stack, Setup::new(&watch), &watch, get("/fail"), expected).await;
    let error_type = std::any::type_name::<crate::app::OutOfStock>();
    let labels = format!(r#"endpoint="/fail",error_type="{error_type}""#);
    assert_eq!(watch.metric("http_request_errors_total", &labels), 1.0);
    let line = &watch.lines()[0];
    assert_eq!(line["error.type"], error_type);
    assert_eq!(line["error.message"], "out of stock");
    assert_eq!(line["error.sources"][0], std::fmt::Error.to_string());
}

/// The error kind that a handler sets is the error type in the metrics.
pub async fn handler_error_kind(stack: Stack) {
    let watch = Watch::default();
    let expected = Expected::completed(502, "/fail-kind", 5);
    let _ = exchange_with(stack, Setup::new(&watch), &watch, get("/fail-kind"), expected).await;
    assert_eq!(watch.metric("http_request_errors_total", r#"error_type="bank_is_closed""#), 1.0);
    assert_eq!(watch.lines()[0]["error.message"], "out of stock");
}

/// The event has the reason for which an extractor rejected the request.
pub async fn extractor_rejection(stack: Stack) {
    let watch = Watch::default();
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    let answer = client.send(get("/number/seven")).await.expect("a response");
    watch.ended(1).await;
    client.disconnect().await;
    server.stop().await;
    let status = if stack.framework == Framework::Actix { 404 } else { 400 };
    assert_eq!(answer.status, status);
    watch.check(&[Expected::completed(status, "/number/{n}", answer.body.len() as u64)]);
    let line = &watch.lines()[0];
    let reason = line["error.message"].as_str().unwrap_or_default();
    assert!(!reason.is_empty() && answer.body.ends_with(reason.as_bytes()), "{line}");
    assert_eq!(line["error.type"], serde_json::Value::Null, "it is no failure of the service");
}

/// A middleware inside the observed layer responds before the handler.
pub async fn early_answer(stack: Stack) {
    let answer = exchange(stack, get("/early"), Expected::completed(401, "/early", 12)).await;
    assert_eq!(answer.expect("a response").status, 401);
}

pub async fn nested_route(stack: Stack) {
    let expected = Expected::completed(200, "/outer/{a}/inner/{b}", 5);
    let answer = exchange(stack, get("/outer/1/inner/2"), expected).await;
    assert_eq!(answer.expect("a response").status, 200);
}
