//! Tests of features that only axum has: nested routers, listeners, extractors.

use obs_tests::of_request::OfRequest as _;
use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    response::Response,
    routing::{any, get},
};
use obs_axum::{CurrentId, CurrentWork, ObserveLayer, ObservedApp, RouterExt, current};
use obs_tests::{
    client::{Client, get as request},
    watch::Watch,
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, oneshot},
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

/// Serves `app`, sends a request to each path, and returns the status and the route of each record.
async fn routes(watch: &Watch, app: ObservedApp, paths: &[&str]) -> Vec<(u16, String)> {
    let (addr, stop) = serve(app).await;
    let mut client = Client::connect(addr, false).await;
    for path in paths {
        client.send(request(path)).await.expect("an answer");
    }
    let records = watch.ended(paths.len()).await;
    client.disconnect().await;
    drop(stop);
    records
        .iter()
        .map(|record| (record.end().status.expect("a status"), record.route_label().to_owned()))
        .collect()
}

async fn serve(app: ObservedApp) -> (SocketAddr, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("an address");
    let (stop, stopping) = oneshot::channel::<()>();
    let signal = async { drop(stopping.await) };
    tokio::spawn(obs_axum::serve(listener, app).with_signal(signal).into_future());
    (addr, stop)
}

fn expect(routes: &[(u16, String)], expected: &[(u16, &str)]) {
    let routes: Vec<_> = routes.iter().map(|(status, route)| (*status, route.as_str())).collect();
    assert_eq!(routes, expected);
}

async fn ok() -> &'static str {
    "ok"
}

#[tokio::test]
async fn nested_routers_have_whole_templates() {
    let watch = Watch::default();
    let inner = Router::new().route("/", get(ok)).route("/items/{id}", get(ok));
    let app = Router::new()
        .nest("/api/{version}", inner)
        .route("/assets/{*path}", get(ok))
        .merge(Router::new().route("/merged", get(ok)))
        .observed(&watch.observer);
    let paths = ["/api/v1/items/7", "/api/v1", "/assets/a/b.css", "/merged", "/api/v1/nothing", "/"];
    expect(
        &routes(&watch, app, &paths).await,
        &[
            (200, "/api/{version}/items/{id}"),
            (200, "/api/{version}"),
            (200, "/assets/{*path}"),
            (200, "/merged"),
            (404, "unmatched"),
            (404, "unmatched"),
        ],
    );
    let record = &watch.ended(1).await[0];
    assert_eq!(record.head().path(), "/api/v1/items/7");
}

#[tokio::test]
async fn fallbacks_are_observed_and_unmatched() {
    let watch = Watch::default();
    let app = Router::new().route("/a", get(ok)).fallback(any(ok)).observed(&watch.observer);
    expect(&routes(&watch, app, &["/whatever", "/a"]).await, &[(200, "unmatched"), (200, "/a")]);
}

/// `nest_service` hides the inner routes from an outer layer. An inner layer sees them.
#[tokio::test]
async fn an_inner_layer_sets_the_route_of_a_nested_service() {
    let watch = Watch::default();
    let routed = Router::new().route("/", get(ok)).route("/{name}", get(ok));
    let files = service_fn(|_: Request| async { Ok::<_, Infallible>(Response::new(Body::from("file"))) });
    let layer = ObserveLayer::new(&watch.observer);
    let [plain, prefixed] = [layer.clone(), layer.route_prefix("/static")].map(|layer| layer.layer(files));
    let deep = Router::new().nest_service("/deep/", plain.clone()).route("/items", get(ok));
    let app = Router::new()
        .nest_service("/hidden", routed.clone())
        .nest_service("/seen", routed.layer(ObserveLayer::new(&watch.observer)))
        .nest_service("/static", prefixed)
        .nest_service("/files/{volume}", plain.clone())
        .nest("/outer", deep)
        .fallback_service(plain)
        .observed(&watch.observer);
    let paths = [
        "/hidden/a",
        "/seen/a",
        "/seen/",
        "/seen/a/b",
        "/static/css/a.css",
        "/files/7/css/a.css",
        "/files/7",
        "/outer/deep/a.css",
        "/outer/items",
        "/elsewhere",
    ];
    expect(
        &routes(&watch, app, &paths).await,
        &[
            (200, "unmatched"),
            (200, "/seen/{name}"),
            (200, "/seen/"),
            (404, "/seen/{*path}"),
            (200, "/static/{*path}"),
            (200, "/files/{volume}/{*path}"),
            (200, "/files/{volume}"),
            (200, "/outer/deep/{*path}"),
            (200, "/outer/items"),
            (200, "unmatched"),
        ],
    );
}

/// A layer on a nested router sees only a part of the path, but records the whole path.
#[tokio::test]
async fn a_layer_on_a_nested_router_records_the_whole_path() {
    let watch = Watch::default();
    let api = Router::new().route("/items/{id}", get(ok)).layer(ObserveLayer::new(&watch.observer));
    let router = Router::new().nest("/api", api);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("an address");
    tokio::spawn(obs_axum::serve_router(listener, router, &watch.observer).into_future());
    let mut client = Client::connect(addr, false).await;
    client.send(request("/api/items/7")).await.expect("an answer");
    // The endpoints are at the root, which has no layer here.
    assert_eq!(client.send(request("/api/metrics")).await.expect("an answer").status, 404);
    assert_eq!(client.send(request("/metrics")).await.expect("an answer").status, 404);
    let records = watch.ended(1).await;
    assert_eq!(records[0].route_label(), "/api/items/{id}");
    assert_eq!(records[0].head().path(), "/api/items/7");
}

/// Only a route at the exact path replaces an endpoint. A catch-all route does not.
#[tokio::test]
async fn a_catch_all_route_keeps_the_endpoints() {
    let watch = Watch::default();
    let app = Router::new().route("/{*path}", get(ok)).observed(&watch.observer);
    expect(&routes(&watch, app, &["/page", "/livez"]).await, &[(200, "/{*path}"), (200, "/livez")]);
}

#[tokio::test]
async fn the_route_that_the_handler_sets_wins() {
    let watch = Watch::default();
    let named = || async { current().set_route("/by-the-handler") };
    let app = Router::new().route("/{*path}", get(named)).observed(&watch.observer);
    expect(&routes(&watch, app, &["/a"]).await, &[(200, "/by-the-handler")]);
}

#[tokio::test]
async fn extractors_and_spawned_work() {
    let watch = Watch::default();
    let handler = |CurrentId(id): CurrentId,
                   CurrentWork(handle): CurrentWork,
                   ConnectInfo(peer): ConnectInfo<SocketAddr>| async move {
        let task = tokio::spawn(handle.scope(async { current().set("task", true) }));
        task.await.expect("no panic");
        let blocking = handle.clone();
        let thread = move || blocking.run(|| current().set("thread", true));
        tokio::task::spawn_blocking(thread).await.expect("no panic");
        assert_eq!(handle.request().expect("active").peer, Some(peer));
        id.to_string()
    };
    let app = Router::new().route("/", get(handler)).observed(&watch.observer);
    let (addr, _stop) = serve(app).await;
    let mut client = Client::connect(addr, false).await;
    let answer = client.send(request("/")).await.expect("an answer");
    assert_eq!(Some(&*String::from_utf8_lossy(&answer.body)), answer.header("x-request-id"));
    let fields = &watch.ended(1).await[0].fields;
    assert_eq!(fields.get("task"), Some(&true.into()));
    assert_eq!(fields.get("thread"), Some(&true.into()));
}

#[tokio::test]
async fn an_extractor_without_a_layer_names_the_missing_call() {
    let router = Router::new().route("/", get(|CurrentId(id): CurrentId| async move { id.to_string() }));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("an address");
    tokio::spawn(axum::serve(listener, router).into_future());
    let mut client = Client::connect(addr, false).await;
    let answer = client.send(request("/")).await.expect("an answer");
    assert_eq!(answer.status, 500);
    assert!(String::from_utf8_lossy(&answer.body).contains(".observed(&observer)"));
}

/// A request that waits until an inner layer is ready has not reached our layer yet, so the queue
/// is not observed.
#[tokio::test]
async fn a_queue_in_an_inner_layer_is_not_observed() {
    let watch = Watch::default();
    let gate = Arc::new(Semaphore::new(0));
    let opens = Arc::clone(&gate);
    let handler = service_fn(move |_: Request| {
        let opens = Arc::clone(&opens);
        async move {
            drop(opens.acquire().await);
            Ok::<_, Infallible>(Response::new(Body::empty()))
        }
    });
    let queue =
        ServiceBuilder::new().layer(ObserveLayer::new(&watch.observer)).concurrency_limit(1).service(handler);
    let (mut first, mut second) = (queue.clone(), queue);
    let running = first.ready().await.expect("ready").call(Request::new(Body::empty()));
    let waiting = second.poll_ready(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    assert!(waiting.is_pending());
    assert_eq!(watch.observer.in_flight(), 1, "the second request is not observed");
    gate.add_permits(1);
    drop(running.await.expect("an answer"));
    watch.ended(1).await;
}

#[tokio::test]
async fn the_app_runs_on_other_servers() {
    let watch = Watch::default();
    let app = || Router::new().route("/", get(ok)).observed(&watch.observer);
    for with_info in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        if with_info {
            let service = app().into_make_service_with_connect_info::<SocketAddr>();
            tokio::spawn(axum::serve(listener, service).into_future());
        } else {
            tokio::spawn(axum::serve(listener, app()).into_future());
        }
        let mut client = Client::connect(addr, false).await;
        assert_eq!(client.send(request("/")).await.expect("an answer").status, 200);
    }
    let records = watch.ended(2).await;
    assert!(records[0].head().peer.is_none());
    assert!(records[1].head().peer.is_some());
}

#[tokio::test]
async fn serves_a_unix_socket() {
    let watch = Watch::default();
    let path = std::env::temp_dir().join(format!("obs-{}.sock", std::process::id()));
    let listener = tokio::net::UnixListener::bind(&path).expect("a socket");
    let app = Router::new().route("/", get(ok)).observed(&watch.observer);
    tokio::spawn(obs_axum::serve(listener, app).into_future());
    let stream = tokio::net::UnixStream::connect(&path).await.expect("connected");
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("HTTP/1");
    tokio::spawn(connection);
    let mut get = request("/");
    get.headers_mut().insert("host", http::HeaderValue::from_static("test"));
    assert_eq!(sender.send_request(get).await.expect("an answer").status(), 200);
    watch.ended(1).await;
    std::fs::remove_file(path).expect("removed");
}
