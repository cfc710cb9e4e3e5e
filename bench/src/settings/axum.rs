//! An axum application.

use std::convert::Infallible;

use ::tower::{Service, make::Shared};
use axum::{
    Router,
    extract::{Path, Request},
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

/// A few routes, so that there is something to choose from. Only `/items/{id}` is called.
pub(super) fn router() -> Router {
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

/// Makes an application, inside the runtime that it runs in, and drives it. Returns how many requests it has answered.
pub(super) fn drive<A>(drive: Drive, app: impl FnOnce() -> A) -> u64
where
    A: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    A::Future: Send,
{
    match drive {
        // The body of axum's own requests: an application would take any.
        Drive::Requests(requests) => single_thread::block_on(async { tower::send(app(), requests).await }),
        Drive::Server => single_thread::serve(async {
            let listener = TcpListener::from_std(drive::listener()).expect("a socket of tokio's");
            let server = axum::serve(listener, Shared::new(app()));
            server.with_graceful_shutdown(drive::until_told()).await.expect("the server ends");
        }),
    }
    drive.requests()
}
