//! Observability for axum in one layer, and for every other tower service, such as hyper and tonic.
//!
//! ```text
//! client ──▶ layer ──▶ router ──▶ handler: current().set(..)
//!              │
//!              └──▶ for each request: an event, metrics, a span
//! ```
//!
//! ```no_run
//! use axum::{Router, extract::Path, routing::get};
//! use obs_axum::{Observer, RouterExt, current};
//!
//! async fn item(Path(id): Path<u32>) -> String {
//!     current().set("item.id", id); // a field of this request's event
//!     format!("item {id}")
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let observer = Observer::builder("shop").build()?;
//!     let app = Router::new().route("/items/{id}", get(item)).observed(&observer);
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     obs_axum::serve(listener, app).await?; // shuts down gracefully at SIGTERM
//!     Ok(())
//! }
//! ```
//!
//! Each request gets an id and is recorded exactly once, however it ends. The measured
//! duration ends with the last byte of the response. The layer also answers `/metrics`, `/health`,
//! `/livez` and `/readyz`.
//!
//! # Features
//! | feature | default | adds |
//! |---|---|---|
//! | `axum` | on | routers, extractors and a server |
//! | `files`, `gzip`, `hash`, `metrics`, `patterns`, `prometheus` | on | see [`obs_core`] |
//! | `http2` | off | HTTP/2 in [`serve()`]; it also enables axum's feature of this name |
//! | `tonic` | off | for tonic: the client's address, and the number of messages that the client sent |
//! | `client` | off | outgoing calls that observe themselves; see the module `client` |
//! | `reqwest`, `reqwest-0-12`, `reqwest-json`, `reqwest-middleware`, `tower`, `sqlx`, `sqlx-postgres`, `sqlx-sqlite`, `sqlx-any`, `diesel`, `bb8`, `deadpool` | off | the clients and databases of this crate's module `client` |
//! | `logs` | off | log lines that know their request |
//! | `otel`, `testing` | off | see [`obs_core`] |
//!
//! # Other tower services
//! The layer works with any `tower::Service<http::Request<_>>`. `default-features = false` removes
//! the dependency on axum, and the other features that are on by default, such as `metrics`.
//!
//! ```
//! use std::convert::Infallible;
//! use http::{Request, Response};
//! use obs_axum::{Observer, ObserveLayer};
//! use tower::{ServiceBuilder, service_fn};
//!
//! async fn hello(_: Request<String>) -> Result<Response<String>, Infallible> {
//!     Ok(Response::new("hello".to_owned()))
//! }
//! let observer = Observer::builder("shop").build()?;
//! let layer = ObserveLayer::new(&observer);
//! let service = ServiceBuilder::new().layer(layer).service(service_fn(hello));
//! # Ok::<(), obs_axum::BuildError>(())
//! ```
//!
//! # tonic
//! The route is the gRPC service and method. The status comes from the trailers.
//!
//! ```
//! use obs_axum::{Observer, ObserveLayer};
//!
//! let observer = Observer::builder("inventory").build()?;
//! let server = tonic::transport::Server::builder().layer(ObserveLayer::new(&observer));
//! # Ok::<(), obs_axum::BuildError>(())
//! ```
//!
//! # Timeouts
//! Put a timeout layer inside this layer. A timeout layer outside drops the request before there is
//! a response. The request is then recorded as cancelled, as if the client had disconnected.
//!
//! # Guides
//! The guides are in the repository. `docs/README.md` is the index of all pages.
//!
//! | to | read |
//! |---|---|
//! | see the first output of a service | `docs/getting-started.md` |
//! | add fields, errors and calls in a handler | `docs/handlers.md` |
//! | choose and query events, logs, metrics | `docs/events.md`, `docs/logs.md`, `docs/metrics.md` |
//! | export spans | `docs/opentelemetry.md` |
//! | know how a request can end | `docs/endings.md` |
//! | look up a setting | `docs/configuration.md` |

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "axum")]
mod app;
mod body_rule;
#[cfg(feature = "axum")]
mod boxed;
#[cfg(feature = "axum")]
mod connect_info;
#[cfg(feature = "axum")]
mod connected_app;
#[cfg(feature = "axum")]
mod connection;
#[cfg(feature = "axum")]
mod extract;
mod future;
mod layer;
#[cfg(feature = "axum")]
mod reported;
#[cfg(any(feature = "axum", feature = "tonic"))]
mod request_body;
mod route;
#[cfg(feature = "axum")]
mod sealed;
#[cfg(feature = "axum")]
mod serve;
mod service;

// The API of the core, so that an application depends on this crate alone. A doc comment here would
// precede the documentation of each item.
#[doc(inline)]
pub use obs_core::*;

#[cfg(feature = "client")]
pub mod client {
    //! Outgoing calls and databases that observe themselves: all items of the crate [`obs_client`].
    //! Each client has a feature of its own.

    #[doc(inline)]
    pub use obs_client::*;
}

#[cfg(feature = "logs")]
pub mod logs {
    //! Log lines that know their request: all items of the crate [`obs_tracing`].
    //!
    //! ```
    //! use obs_axum::{Observer, logs};
    //!
    //! let observer = Observer::builder("shop").build()?;
    //! logs::init(&observer)?; // `tracing` and `log` now write lines with the ids of their request
    //! # Ok::<(), Box<dyn std::error::Error>>(())
    //! ```

    #[doc(inline)]
    pub use obs_tracing::*;
}

#[cfg(feature = "axum")]
pub use self::{
    app::{ObservedApp, RouterExt},
    connect_info::AcceptedStream,
    extract::{CurrentId, CurrentTrace, CurrentWork},
    reported::{RejectionReport, Reported},
    serve::{AppServer, serve, serve_router, serve_service},
};
pub use self::{future::ResponseFuture, layer::ObserveLayer, service::ObserveService};
