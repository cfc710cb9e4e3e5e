//! Observability for actix-web in one middleware.
//!
//! ```text
//! client ──▶ middleware ──▶ routes ──▶ handler: current().set(..)
//!                │
//!                └──▶ for each request: an event, metrics, a span
//! ```
//!
//! ```no_run
//! use actix_web::{App, HttpServer, get, web::Path};
//! use obs_actix::{Observe, Observer, current};
//!
//! #[get("/items/{id}")]
//! async fn item(id: Path<u32>) -> String {
//!     current().set("item.id", *id); // a field of this request's event
//!     format!("item {id}")
//! }
//!
//! #[actix_web::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let observer = Observer::builder("shop").build()?;
//!     let observe = Observe::new(&observer); // its `wrap` must be the last one
//!     let server = HttpServer::new(move || App::new().service(item).wrap(observe.clone()));
//!     let server = server.bind("127.0.0.1:3000")?;
//!     obs_actix::serve(server, &observer).await?; // shuts down gracefully at SIGTERM
//!     Ok(())
//! }
//! ```
//!
//! Each request gets an id and is recorded exactly once, however it ends. The measured
//! duration ends with the last byte of the response. The middleware also answers `/metrics`,
//! `/health`, `/livez` and `/readyz`.
//!
//! # Features
//! | feature | default | adds |
//! |---|---|---|
//! | `files`, `gzip`, `hash`, `metrics`, `patterns`, `prometheus` | on | see [`obs_core`] |
//! | `client` | off | outgoing calls that observe themselves; see the module `client` |
//! | `awc`, `reqwest`, `reqwest-0-12`, `reqwest-json`, `reqwest-middleware`, `tonic`, `tower`, `sqlx`, `sqlx-postgres`, `sqlx-sqlite`, `sqlx-any`, `diesel`, `bb8`, `deadpool` | off | the clients and databases of this crate's module `client` |
//! | `logs` | off | log lines that know their request |
//! | `otel`, `testing` | off | see [`obs_core`] |
//!
//! # Limits of actix-web
//! * Over HTTP/1, actix-web does not notice that a client disconnects while the handler runs. The
//!   request is recorded after the handler has ended. With
//!   `HttpServer::h1_allow_half_closed(false)`, actix-web notices it and drops the handler.
//! * Over HTTP/2, the handler always runs to its end.
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

mod body;
mod body_rule;
mod connect;
mod extract;
mod future;
mod head;
mod payload;
mod respond;
mod server;
mod service;
mod transform;

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
    //! use obs_actix::{Observer, logs};
    //!
    //! let observer = Observer::builder("shop").build()?;
    //! logs::init(&observer)?; // `tracing` and `log` now write lines with the ids of their request
    //! # Ok::<(), Box<dyn std::error::Error>>(())
    //! ```

    #[doc(inline)]
    pub use obs_tracing::*;
}

pub use self::{
    body::ObservedMessageBody,
    connect::on_connect,
    extract::{CurrentId, CurrentTrace, CurrentWork},
    future::ServiceResponseFuture,
    server::{WorkersServer, serve},
    service::ObserveMiddleware,
    transform::Observe,
};
