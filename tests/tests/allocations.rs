//! Limits of the allocations that observation adds to a request of a bare router, with metrics and
//! events.
//!
//! The counts do not depend on the load of the machine. `bench/` measures the same for every
//! framework, and the instructions.

use std::convert::Infallible;

use allocation_counter::measure;
use axum::{Router, body::Body, extract::Path, http::Request, routing::get};
use http_body_util::BodyExt;
use obs_axum::{EventOutput, ObserveLayer};
use obs_client::ClientExt;
use obs_core::{
    Observer, Outcome,
    adapter::{CallHead, RequestHead},
    otel::{Otel, opentelemetry_sdk::trace::Sampler},
};
use tower::{Layer, Service, ServiceExt, service_fn};

/// The limit for a request that has a trace, a request id, a user agent and a query.
const MOST: u64 = 5;
const MOST_UNSAMPLED: u64 = 7;
const MOST_SAMPLED: u64 = 17;
/// The limit for a query that the thread has read before.
const MOST_OF_QUERY: f64 = 4.0;
/// The limit for a call of a client, in a request with an event and metrics.
const MOST_OF_CALL: u64 = 15;

fn request() -> Request<Body> {
    Request::get("/items/7?page=2")
        .header("host", "shop")
        .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64)")
        .header("x-request-id", "01a1f95d-f5ac-7dab-9a71-cff43bf29d0f")
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .body(Body::empty())
        .expect("a request")
}

fn router() -> Router {
    Router::new().route("/items/{id}", get(|Path(id): Path<u32>| async move { format!("item {id}") }))
}

/// Counts the allocations of one request, after the first requests have allocated all that is kept.
fn allocations(router: &Router) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let send = || {
        let request = request();
        let answer = router.clone().oneshot(request);
        let body = runtime.block_on(async { answer.await.expect("an answer").into_body().collect().await });
        assert_eq!(body.expect("a body").to_bytes(), "item 7");
    };
    (0..100).for_each(|_| send());
    let counts: Vec<_> = (0..20).map(|_| measure(send).count_total).collect();
    // The minimum, because the buffers of the events sometimes grow.
    counts.into_iter().min().expect("some")
}

/// With OpenTelemetry, where no request or each request is sampled. No collector listens at the
/// endpoint.
#[test]
fn a_span_adds_few_allocations() {
    for (sampler, most) in [(Sampler::AlwaysOff, MOST_UNSAMPLED), (Sampler::AlwaysOn, MOST_SAMPLED)] {
        let otel = Otel::new().endpoint("http://127.0.0.1:9").sampler(sampler.clone());
        let observer = Observer::builder("test")
            .no_environment()
            .events(EventOutput::writer(std::io::sink()))
            .otel(otel)
            .build()
            .expect("valid");
        let bare = allocations(&router().with_state(()));
        let observed = allocations(&router().layer(ObserveLayer::new(&observer)).with_state(()));
        let more = observed.saturating_sub(bare);
        assert!((1..=most).contains(&more), "{sampler:?}: {more} more than the {bare} of the bare router");
    }
}

#[test]
fn observation_adds_few_allocations() {
    let observer = Observer::builder("test")
        .no_environment()
        .events(EventOutput::writer(std::io::sink()))
        .build()
        .expect("valid");
    let bare = allocations(&router().with_state(()));
    let observed = allocations(&router().layer(ObserveLayer::new(&observer)).with_state(()));
    let more = observed.saturating_sub(bare);
    assert!(
        (1..=MOST).contains(&more),
        "{observed} allocations, {more} more than the {bare} of the bare router"
    );
}

/// Counts the allocations of a request that makes one call with this client.
fn allocations_of_call<C, B>(observer: &Observer, client: &C) -> u64
where
    C: Service<Request<Body>, Response = http::Response<B>, Error = Infallible> + Clone,
    B: http_body::Body<Error: std::fmt::Debug>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let send = || {
        let mut observation = observer.start(&RequestHead::of(&request()));
        let outgoing = Request::get("http://payments.internal:8080/items/7?page=2").body(Body::empty());
        let sent = observation.work().scope(async {
            let response = client.clone().oneshot(outgoing.expect("a request")).await;
            response.expect("an answer").into_body().collect().await.expect("a body").to_bytes()
        });
        assert_eq!(runtime.block_on(sent), "item 7");
        observation.set_route("/orders");
        observation.responded(200, &());
        observation.finish(Outcome::Completed);
    };
    (0..100).for_each(|_| send());
    (0..20).map(|_| measure(send).count_total).min().expect("some")
}

#[test]
fn a_call_adds_few_allocations() {
    let observer = Observer::builder("test")
        .no_environment()
        .events(EventOutput::writer(std::io::sink()))
        .build()
        .expect("valid");
    let client = service_fn(async |_| Ok::<_, Infallible>(http::Response::new(Body::from("item 7"))));
    let bare = allocations_of_call(&observer, &client);
    let observed = allocations_of_call(&observer, &observer.client_layer().named("payments").layer(client));
    let more = observed.saturating_sub(bare);
    assert!((1..=MOST_OF_CALL).contains(&more), "{more} more than the {bare} without the layer");
}

#[test]
fn a_query_that_is_known_adds_few_allocations() {
    const QUERIES: u64 = 100;
    let observer = Observer::builder("test")
        .no_environment()
        .events(EventOutput::writer(std::io::sink()))
        .build()
        .expect("valid");
    let head = CallHead::database("postgresql")
        .query_text(Some("SELECT name FROM items JOIN stock ON id = item_id WHERE id = $1 AND name <> 'x'"));
    let allocations = |queries: u64| {
        let request = || {
            let observation = observer.start(&RequestHead::new("GET", "/items/7", &()));
            observation.work().run(|| (0..queries).for_each(|_| observer.start_call(&head).finish()));
            observation.finish(Outcome::Completed);
        };
        (0..100).for_each(|_| request());
        (0..20).map(|_| measure(request).count_total).min().expect("some")
    };
    let each = (allocations(QUERIES) - allocations(0)) as f64 / QUERIES as f64;
    println!("{each} allocations for each query");
    assert!((1.0..=MOST_OF_QUERY).contains(&each), "{each}");
}
