//! The application as an axum router, under `obs_axum::serve`.

use std::{convert::Infallible, future::Future, net::TcpListener, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Request},
    http::StatusCode,
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{MethodFilter, any, get, on, post},
};
use obs_axum::{ObserveLayer, Reported, RouterExt};
use tower::{Layer, service_fn, util::MapRequestLayer};
use tower_http::timeout::TimeoutLayer;

use super::{INNER_TIMEOUT, Setup, spawned, upgrade, values};
use crate::app::{self, Body, ROUTES};

pub fn serve(
    listener: TcpListener,
    setup: Setup,
    signal: impl Future<Output = ()> + Send + 'static,
) -> impl Future<Output = ()> + Send {
    spawned(listener, |listener| async move {
        let router = router(&setup);
        let server = match setup.outer_timeout {
            None => obs_axum::serve(listener, router.observed(&setup.observer)),
            Some(timeout) => {
                let timeout = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, timeout);
                let router = router.layer(ObserveLayer::new(&setup.observer)).layer(timeout);
                obs_axum::serve_router(listener, router, &setup.observer)
            }
        };
        server.with_signal(signal).await.expect("it serves");
    })
}

fn router(setup: &Setup) -> Router {
    let mut router = Router::new();
    for (method, template) in ROUTES {
        let world = Arc::clone(&setup.world);
        let handler = move || async move { into_response(app::handle(world, template).await) };
        let method = MethodFilter::try_from(method.parse::<http::Method>().unwrap()).unwrap();
        router = router.route(template, on(method, handler));
    }
    let inner_timeout = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, INNER_TIMEOUT);
    router = router
        .route("/slow", any(std::future::pending::<()>).layer(inner_timeout))
        .route("/number/{n}", get(|Reported(Path(n)): Reported<Path<u32>>| async move { n.to_string() }))
        .route("/read", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/ws", any(|request: Request| async { into_response(upgrade(request)) }));
    let mounted = service_fn(|_: Request| async { Ok::<_, Infallible>("a file".into_response()) });
    router = router.nest_service("/mounted", ObserveLayer::new(&setup.observer).layer(mounted));
    if let Some((method, template)) = setup.health_route.clone() {
        let filter = MethodFilter::try_from(method).expect("a known method");
        router = router.route(template, on(filter, || async { "my own" }));
    }
    router = router.layer(from_fn(early)).layer(MapRequestLayer::new(|request: Request| {
        app::in_call(request.uri().path(), |name| values(request.headers(), name));
        request
    }));
    if setup.twice {
        router = router.layer(ObserveLayer::new(&setup.observer));
    }
    if let Some(inner) = &setup.inner {
        router = router.layer(ObserveLayer::new(inner));
    }
    router
}

async fn early(request: Request, next: Next) -> Response {
    match app::early(request.uri().path()) {
        Some(response) => into_response(response),
        None => next.run(request).await,
    }
}

fn into_response(response: http::Response<Body>) -> Response {
    response.map(axum::body::Body::new).into_response()
}
