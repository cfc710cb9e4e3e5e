//! Cases of several layers, several observers, sinks that panic, and the endpoints.

use obs_core::{
    Outcome,
    output::{Record, RecordSink, Start},
};

use super::exchange_with;
use crate::{
    client::{get, request},
    of_request::OfRequest as _,
    stacks::{Framework, Setup, Stack},
    watch::{Expected, Watch, until},
};
use http::Method;

/// The service returns an error. An axum router cannot return one, and actix converts it to a
/// response.
pub async fn service_error(stack: Stack) {
    let watch = Watch::default();
    let setup = Setup::new(&watch);
    if stack.has_service_errors() {
        let expected =
            Expected::completed(500, "/service-error", 0).outcome(Outcome::ServiceError).no_status();
        let answer = exchange_with(stack, setup, &watch, get("/service-error"), expected).await;
        assert!(answer.is_err(), "hyper closes the connection or resets the stream: {answer:?}");
        assert_eq!(watch.metric("http_request_errors_total", r#"error_type="service_error""#), 1.0);
        assert_eq!(watch.lines()[0]["error.message"], "the service is broken: no stock");
    } else if stack.framework == Framework::Actix {
        let expected = Expected::completed(418, "/service-error", 24);
        let answer = exchange_with(stack, setup, &watch, get("/service-error"), expected).await;
        let answer = answer.expect("a response");
        assert_eq!(answer.status, 418);
        assert_eq!(answer.body, "a middleware's own error");
        assert!(answer.header("x-request-id").is_some());
        assert_eq!(watch.lines()[0]["error.message"], "a middleware's own error");
    }
}

/// With two layers of the same observer, the inner layer starts no observation.
pub async fn installed_twice(stack: Stack) {
    let watch = Watch::default();
    let setup = Setup::new(&watch).twice();
    let expected = Expected::completed(200, "/items/{id}", 5);
    let answer = exchange_with(stack, setup, &watch, get("/items/7"), expected).await;
    let answer = answer.expect("a response");
    assert_eq!(answer.headers.get_all("x-request-id").iter().count(), 1);
    assert_eq!(watch.ended(1).await[0].fields.get("greeting"), Some(&"hi".into()));
}

/// Two observers both record the request, with the same id.
pub async fn two_observers(stack: Stack) {
    let (outer, inner) = (Watch::default(), Watch::default());
    let server = stack.serve(Setup::new(&outer).inner(&inner.observer)).await;
    let mut client = server.connect().await;
    let answer = client.send(get("/items/7")).await.expect("a response");
    let (a, b) = (outer.ended(1).await, inner.ended(1).await);
    client.disconnect().await;
    server.stop().await;
    let expected = [Expected::completed(200, "/items/{id}", 5)];
    inner.check(&expected);
    // Without a router, the handler sets the route, through the innermost handle.
    let unnamed = [Expected::completed(200, "", 5).unmatched()];
    outer.check(if stack.has_router() { &expected } else { &unnamed });
    assert_eq!(a[0].start().id, b[0].start().id);
    assert_eq!(answer.header("x-request-id"), Some(a[0].start().id.as_str()));
    assert!(a[0].fields.get("greeting").is_none(), "`current()` is the innermost");
    assert!(b[0].fields.get("greeting").is_some());
}

/// A sink that always panics.
struct Bad;

impl RecordSink for Bad {
    fn name(&self) -> &str {
        "bad"
    }

    fn on_start(&self, _: &Start) {
        panic!("in a sink, at the start");
    }

    fn on_finish(&self, _: &Record) {
        panic!("in a sink, at the end");
    }
}

pub async fn sink_that_panics(stack: Stack) {
    let watch = Watch::with(|builder| builder.sink(Bad));
    let expected = Expected::completed(200, "/plain", 5);
    let setup = Setup::new(&watch);
    let answer = exchange_with(stack, setup, &watch, get("/plain"), expected).await;
    assert_eq!(answer.expect("a response").body, "hello");
    assert_eq!(watch.metric("obs_sink_errors_total", r#"sink="bad""#), 2.0);
}

/// `/metrics` and the probes exist without a route. Their requests are counted, and write no event.
pub async fn endpoints(stack: Stack) {
    let watch = Watch::default();
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    let metrics = client.send(get("/metrics")).await.expect("a response");
    assert_eq!(metrics.status, 200);
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = String::from_utf8(metrics.body.to_vec()).expect("UTF-8");
    assert!(text.contains(r#"http_requests_in_flight{method="GET"} 1"#), "the scrape itself: {text}");
    let mut sizes = vec![metrics.body.len() as u64];
    for (path, body) in [
        ("/health", r#"{"status":"ready"}"#),
        ("/livez", r#"{"status":"live"}"#),
        ("/readyz", r#"{"status":"ready"}"#),
    ] {
        let answer = client.send(get(path)).await.expect("a response");
        assert_eq!((answer.status, &answer.body[..]), (200, body.as_bytes()));
        assert!(answer.header("x-request-id").is_some());
        sizes.push(answer.body.len() as u64);
    }
    let posted = client.send(request("POST", "/metrics")).await.expect("a response");
    assert_eq!((posted.status, posted.header("allow")), (405, Some("GET, HEAD")));
    let head = client.send(request("HEAD", "/livez")).await.expect("a response");
    assert_eq!((head.status, head.body.len()), (200, 0));
    let length = sizes[2].to_string();
    assert_eq!(head.header("content-length"), Some(length.as_str()), "the length that GET has");
    watch.ended(6).await;
    client.disconnect().await;
    server.stop().await;
    watch.check(&[
        Expected::completed(200, "/metrics", sizes[0]),
        Expected::completed(200, "/health", sizes[1]),
        Expected::completed(200, "/livez", sizes[2]),
        Expected::completed(200, "/readyz", sizes[3]),
        Expected::completed(405, "/metrics", posted.body.len() as u64),
        Expected::completed(200, "/livez", 0),
    ]);
    assert!(watch.lines().is_empty());
}

/// A route of the application at the path of an endpoint takes precedence.
pub async fn own_health(stack: Stack) {
    let watch = Watch::default();
    let setup = Setup::new(&watch).health_route(Method::GET, "/health");
    let expected = Expected::completed(200, "/health", 6);
    let answer = exchange_with(stack, setup, &watch, get("/health"), expected).await;
    assert_eq!(answer.expect("a response").body, "my own");
    assert_eq!(watch.lines().len(), 1, "a request like any other");
}

/// A route with a parameter matches the path of an endpoint: the endpoint answers GET and HEAD, and
/// the route gets the other methods.
pub async fn shared_path(stack: Stack) {
    let watch = Watch::default();
    let setup = Setup::new(&watch).health_route(Method::POST, "/{key}");
    let server = stack.serve(setup).await;
    let mut client = server.connect().await;
    let posted = client.send(request("POST", "/health")).await.expect("a response");
    assert_eq!((posted.status, &posted.body[..]), (200, &b"my own"[..]));
    let health = client.send(get("/health")).await.expect("a response");
    assert_eq!(&health.body[..], br#"{"status":"ready"}"#);
    assert_eq!(client.send(request("HEAD", "/health")).await.expect("a response").status, 200);
    let records = watch.ended(3).await;
    client.disconnect().await;
    server.stop().await;
    let routes: Vec<_> = records.iter().map(|record| record.route_label()).collect();
    assert_eq!(routes, ["/{key}", "/health", "/health"]);
    assert_eq!(watch.lines().len(), 1, "the probes write no event");
}

/// A field that is set after the end of the request is dropped and counted.
pub async fn late_write(stack: Stack) {
    let watch = Watch::default();
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    client.send(get("/late")).await.expect("a response");
    watch.ended(1).await;
    server.world.gate.add_permits(1);
    until(|| watch.metric("obs_late_writes_total", "") == 1.0).await;
    client.disconnect().await;
    server.stop().await;
    watch.check(&[Expected::completed(200, "/late", 5)]);
    assert!(watch.lines()[0].get("fields").is_none());
}
