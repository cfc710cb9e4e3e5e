//! Cases of routes that outputs exclude, and of groups of routes.

use obs_core::{
    Events, Metrics,
    otel::{Otel, opentelemetry_sdk::trace::Sampler},
};

use super::{send_all, spans::Traced};
use crate::{
    client::get,
    of_request::OfRequest as _,
    stacks::{Framework, Setup, Stack},
    watch::Watch,
};

/// Metrics and events exclude statuses, each its own. The records still exist.
pub async fn excluded_statuses(stack: Stack) {
    let metrics = Metrics::new().exclude_status([418]);
    let events = Events::new().exclude_status([404, 418]);
    let watch = Watch::of_events(events, |builder| builder.metrics(metrics));
    send_all(stack, &watch, &["/teapot", "/nowhere", "/plain"]).await;
    assert_eq!(watch.ended(3).await.len(), 3);
    let statuses = |status: &str| watch.metric("http_requests_total", &format!("status=\"{status}\""));
    assert_eq!(["418", "404", "200"].map(statuses), [0.0, 1.0, 1.0]);
    assert_eq!(watch.metric("http_requests_in_flight", ""), 0.0);
    let paths: Vec<_> = watch.lines().iter().map(|line| line["url.path"].clone()).collect();
    assert_eq!(paths, ["/plain"]);
}

/// All routes of a group are one route. So is a path of the group that matches no route.
pub async fn grouped(stack: Stack) {
    let watch = Watch::with(|builder| builder.route_groups(["/items/*", "/outer/*"]));
    let paths = ["/items/7", "/outer/1/inner/2", "/outer/unknown", "/items", "/plain"];
    send_all(stack, &watch, &paths).await;
    let records = watch.ended(5).await;
    let routes: Vec<_> = records.iter().map(|record| record.route_label()).collect();
    assert_eq!(routes, ["/items/*", "/outer/*", "/outer/*", "unmatched", "/plain"]);
    let of_events: Vec<_> = watch.lines().iter().map(|line| line["http.route"].clone()).collect();
    assert_eq!(of_events[..3], ["/items/*", "/outer/*", "/outer/*"]);
    assert_eq!(watch.metric("http_requests_total", r#"endpoint="/outer/*",status="200""#), 1.0);
    assert_eq!(watch.metric("http_requests_total", r#"endpoint="/outer/*",status="404""#), 1.0);
    assert_eq!(watch.metric("http_requests_total", r#"endpoint="/items/{id}""#), 0.0);
}

/// A service that takes all paths below its mount point has that as its route.
pub async fn mounted(stack: Stack) {
    let watch = Watch::default();
    send_all(stack, &watch, &["/mounted/css/a.css", "/mounted/b", "/nowhere"]).await;
    let records = watch.ended(3).await;
    let ends: Vec<_> = records.iter().map(|record| (record.status_label(), record.route_label())).collect();
    let route = if stack.framework == Framework::Axum { "/mounted/{*path}" } else { "/mounted" };
    assert_eq!(ends, [(200, route), (200, route), (404, "unmatched")]);
    assert_eq!(watch.metric("http_requests_total", &format!("endpoint=\"{route}\",status=\"200\"")), 2.0);
}

/// An excluded route has no metrics, no event and no span, however it ends. The services that it
/// calls do not sample its trace.
pub async fn excluded_from_all_outputs(stack: Stack) {
    excluded_with(stack, |otel| otel).await;
    // The SDK starts these spans before a handler could set the route.
    if stack.has_router() {
        excluded_with(stack, |otel| otel.sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))).await;
    }
}

async fn excluded_with(stack: Stack, otel: impl FnOnce(Otel) -> Otel) {
    let settings = ["/items/*", "/call", "/panic-before"];
    let traced = Traced::with(otel, |builder| builder.exclude_routes(settings));
    let called = Traced::new();
    let downstream = stack.serve(Setup::new(&called.watch)).await;
    let server = stack.serve(Setup::new(&traced.watch).calls(downstream.addr)).await;
    let mut client = server.connect().await;
    let watch = &traced.watch;
    let requests = [("/items/7", 200), ("/call", 200), ("/panic-before", 500), ("/plain", 200)];
    for (n, (path, status)) in requests.into_iter().enumerate() {
        let answer = client.send(get(path)).await.expect("a response");
        assert_eq!(answer.status, status);
        assert!(answer.header("x-request-id").is_some());
        // The records are in the order in which the requests end.
        watch.ended(n + 1).await;
    }
    let records = watch.ended(4).await;
    let child = &called.watch.ended(1).await[0];
    client.disconnect().await;
    server.stop().await;
    downstream.stop().await;
    assert_eq!(child.start().trace.trace_id, records[1].start().trace.trace_id);
    assert_eq!(child.start().trace.flags.is_sampled(), !stack.has_router());
    let routes: Vec<_> = records.iter().map(|record| record.route_label()).collect();
    assert_eq!(routes, ["/items/{id}", "/call", "/panic-before", "/plain"]);
    assert_eq!(watch.metric("http_requests_total", ""), 1.0);
    assert_eq!(watch.metric("http_request_errors_total", ""), 0.0);
    assert_eq!(watch.metric("http_requests_in_flight", ""), 0.0);
    assert_eq!(watch.lines().len(), 1);
    let spans = traced.spans();
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["GET /plain"]);
}
