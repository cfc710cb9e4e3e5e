//! An axum application.

use std::{convert::Infallible, net::SocketAddr};

use ::tower::{Service, util::MapRequestLayer};
use axum::{
    Router, ServiceExt,
    extract::{Path, Request, connect_info::IntoMakeServiceWithConnectInfo},
    response::Response,
    routing::{get, post},
};
use tokio::net::TcpListener;

use super::{Setting, tower};
use crate::{
    drive::{self, Drive},
    single_thread,
};

pub(super) static BARE: Setting = Setting {
    name: "axum-bare",
    bare: None,
    run: |drive| {
        self::drive(drive, || served(router()));
    },
};

/// A router with a layer that does nothing. It shows axum's own cost of any layer, because axum
/// boxes the service of each route once more.
pub(super) static LAYER: Setting = Setting {
    name: "axum-layer",
    bare: Some(&BARE),
    run: |drive| {
        let layer = MapRequestLayer::new(|request: Request| request);
        self::drive(drive, || served(router().layer(layer)));
    },
};

/// A router with a few routes, so it has a choice. Only `/items/{id}` is called.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "shop" }))
        .route("/items", get(|| async { "items" }))
        .route(
            "/items/{id}",
            get(|Path(id): Path<u32>| async move {
                drive::answered();
                format!("item {id}")
            }),
        )
        .route("/items/{id}/reviews", get(|| async { "reviews" }))
        .route("/orders", post(|| async { "ordered" }))
}

/// The router as `axum::serve` serves it. Without its state, a router would build its routes and
/// their layers again for each request.
pub(super) fn served(router: Router) -> Router {
    router.with_state(())
}

/// The application for a server that passes the address of the peer to each request.
pub(crate) fn with_addresses<A: Service<Request>>(app: A) -> IntoMakeServiceWithConnectInfo<A, SocketAddr> {
    ServiceExt::<Request>::into_make_service_with_connect_info(app)
}

/// Builds an application inside its runtime, and sends requests to it. Their bodies have axum's own
/// type, because an application would accept any type.
pub(crate) fn send<A>(app: impl FnOnce() -> A, requests: u64)
where
    A: Service<Request, Response = Response, Error = Infallible>,
{
    single_thread::block_on(async { tower::send(app(), requests).await });
}

/// Builds an application inside its runtime, and drives it. Returns the number of requests that it
/// has answered.
pub(super) fn drive<A>(drive: Drive, app: impl FnOnce() -> A) -> u64
where
    A: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    A::Future: Send,
{
    match drive {
        Drive::Requests(requests) => send(app, requests),
        Drive::Server => single_thread::serve(async {
            let listener = TcpListener::from_std(drive::listener()).expect("a listening socket");
            let server = axum::serve(listener, with_addresses(app()));
            server.with_graceful_shutdown(drive::until_stopped()).await.expect("the server ends");
        }),
    }
    drive.requests()
}
