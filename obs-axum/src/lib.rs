//! One layer of observability for axum, and for any tower service: hyper, tonic.
//!
//! ```no_run
//! use axum::{Router, extract::Path, routing::get};
//! use obs_axum::{Observer, RouterExt, current};
//!
//! async fn item(Path(id): Path<u32>) -> String {
//!     current().set("item.id", id); // one more field of this request's line
//!     format!("item {id}")
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let observer = Observer::builder("shop").build()?;
//!     let app = Router::new().route("/items/{id}", get(item)).observed(&observer);
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     obs_axum::serve(listener, app).await?; // SIGTERM: not ready, drain, flush, exit
//!     Ok(())
//! }
//! ```
//!
//! Each request gets an id, is counted and timed to its last byte, leaves one line, and is recorded however it
//! ends. `/metrics`, `/health`, `/livez` and `/readyz` are answered without being mounted.
//!
//! # Without axum
//! The layer goes around any `tower::Service<http::Request<_>>`; with `default-features = false` no axum is built.
//!
//! ```
//! use std::convert::Infallible;
//! use http::{Request, Response};
//! use obs_axum::{Observer, ObserverExt};
//! use tower::{ServiceBuilder, service_fn};
//!
//! let observer = Observer::builder("shop").build()?;
//! let service = ServiceBuilder::new()
//!     .layer(observer.layer())
//!     .service(service_fn(|_: Request<String>| async { Ok::<_, Infallible>(Response::new(String::new())) }));
//! # Ok::<(), obs_axum::BuildError>(())
//! ```
//!
//! # Under tonic
//! The service and the method are the route, and the status comes from the trailers. With the feature `tonic` the layer also sees the
//! client's address, and how many messages it sends.
//!
//! ```
//! use obs_axum::{Observer, ObserverExt};
//!
//! let observer = Observer::builder("inventory").build()?;
//! let server = tonic::transport::Server::builder().layer(observer.layer());
//! # Ok::<(), obs_axum::BuildError>(())
//! ```
//!
//! # Features
//! * `axum`: routers, extractors and a server. On by default.
//! * `gzip`, `hash`, `patterns`, `prometheus`: as in [`obs_core`]. On by default.
//! * `http2`: HTTP/2 in [`serve()`], which axum's own feature of this name switches on, too.
//! * `tonic`: see above. `otel` and `testing`: as in [`obs_core`].
//!
//! # Timeouts
//! A timeout layer belongs inside this one. One outside drops the request before there is an answer, which
//! cannot be told from a client that left: it is recorded as cancelled.

#[cfg(feature = "axum")]
mod app;
mod body_rule;
#[cfg(feature = "axum")]
mod boxed;
#[cfg(feature = "axum")]
mod extract;
mod future;
mod layer;
#[cfg(any(feature = "axum", feature = "tonic"))]
mod request_body;
mod route;
#[cfg(feature = "axum")]
mod serve;
mod service;

/// Everything that an application needs of the core, from the core's own list.
#[doc(inline)]
pub use obs_core::*;

#[cfg(feature = "axum")]
pub use self::{
    app::{ObservedApp, RouterExt},
    extract::{CurrentId, CurrentTrace, CurrentWork},
    serve::{AppServer, serve, serve_router},
};
pub use self::{
    future::ResponseFuture,
    layer::{ObserveLayer, ObserverExt},
    service::ObserveService,
};
