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

/// With a layer that does nothing: what axum itself takes for any layer, which boxes each route's service once more.
pub(super) static LAYER: Setting = Setting {
    name: "axum-layer",
    bare: Some(&BARE),
    run: |drive| {
        let layer = MapRequestLayer::new(|request: Request| request);
        self::drive(drive, || served(router().layer(layer)));
    },
};

/// A few routes, so that there is something to choose from. Only `/items/{id}` is called.
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

/// The router as `axum::serve` serves it: until its state is there, it makes its routes and their layers anew
/// for each request.
pub(super) fn served(router: Router) -> Router {
    router.with_state(())
}

/// As a server has it that tells an application the address of every request's peer.
pub(crate) fn with_addresses<A: Service<Request>>(app: A) -> IntoMakeServiceWithConnectInfo<A, SocketAddr> {
    ServiceExt::<Request>::into_make_service_with_connect_info(app)
}

/// Makes an application, inside the runtime that it runs in, and sends it requests. Their body is that of axum's own, because
/// an application would take any.
pub(crate) fn send<A>(app: impl FnOnce() -> A, requests: u64)
where
    A: Service<Request, Response = Response, Error = Infallible>,
{
    single_thread::block_on(async { tower::send(app(), requests).await });
}

/// Makes an application, inside the runtime that it runs in, and drives it. Returns how many requests it has answered.
pub(super) fn drive<A>(drive: Drive, app: impl FnOnce() -> A) -> u64
where
    A: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    A::Future: Send,
{
    match drive {
        Drive::Requests(requests) => send(app, requests),
        Drive::Server => single_thread::serve(async {
            let listener = TcpListener::from_std(drive::listener()).expect("a socket of tokio's");
            let server = axum::serve(listener, with_addresses(app()));
            server.with_graceful_shutdown(drive::until_told()).await.expect("the server ends");
        }),
    }
    drive.requests()
}
