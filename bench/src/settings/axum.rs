//! An axum application.

use axum::{
    Router,
    extract::Path,
    routing::{get, post},
};

use super::{Setting, tower};

pub(super) static BARE: Setting =
    Setting { name: "axum-bare", bare: None, run: |requests| tower::run(router(), requests) };

/// A few routes, so that there is something to choose from. Only `/items/{id}` is called.
pub(super) fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "shop" }))
        .route("/items", get(|| async { "items" }))
        .route("/items/{id}", get(|Path(id): Path<u32>| async move { format!("item {id}") }))
        .route("/items/{id}/reviews", get(|| async { "reviews" }))
        .route("/orders", post(|| async { "ordered" }))
}
