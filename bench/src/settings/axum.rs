//! An axum application.

use std::convert::Infallible;

use ::tower::Service;
use axum::{
    Router,
    extract::{Path, Request},
    response::Response,
    routing::{get, post},
};

use super::{Setting, tower};

pub(super) static BARE: Setting =
    Setting { name: "axum-bare", bare: None, run: |requests| run(served(router()), requests) };

/// A few routes, so that there is something to choose from. Only `/items/{id}` is called.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "shop" }))
        .route("/items", get(|| async { "items" }))
        .route("/items/{id}", get(|Path(id): Path<u32>| async move { format!("item {id}") }))
        .route("/items/{id}/reviews", get(|| async { "reviews" }))
        .route("/orders", post(|| async { "ordered" }))
}

/// The router as `axum::serve` serves it: until its state is there, it makes its routes and their layers anew
/// for each request.
pub(crate) fn served(router: Router) -> Router {
    router.with_state(())
}

/// As [`tower::run`], with the body of axum's own requests: an application would take any.
pub(crate) fn run(app: impl Service<Request, Response = Response, Error = Infallible>, requests: u64) {
    tower::run(app, requests);
}
