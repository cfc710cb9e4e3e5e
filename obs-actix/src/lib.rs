//! One middleware of observability for actix-web.
//!
//! ```no_run
//! use actix_web::{App, HttpServer, get, web::Path};
//! use obs_actix::{Observe, Observer, current};
//!
//! #[get("/items/{id}")]
//! async fn item(id: Path<u32>) -> String {
//!     current().set("item.id", *id); // one more field of this request's line
//!     format!("item {id}")
//! }
//!
//! #[actix_web::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let observer = Observer::builder("shop").build()?;
//!     let observe = Observe::new(&observer);
//!     let server = HttpServer::new(move || App::new().service(item).wrap(observe.clone()));
//!     obs_actix::serve(server.bind("127.0.0.1:3000")?, &observer).await?; // SIGTERM: not ready, drain, flush, exit
//!     Ok(())
//! }
//! ```
//!
//! Each request gets an id, is counted and timed to its last byte, leaves one line, and is recorded however it
//! ends. `/metrics`, `/health`, `/livez` and `/readyz` are answered without being mounted.
//!
//! # Features
//! `gzip`, `hash`, `patterns` and `prometheus` are on by default; `otel` and `testing` are off. [`obs_core`] says what each is for.
//!
//! # What actix cannot see
//! Over HTTP/1, actix does not notice that a client has left while the handler runs: the request is recorded when the
//! handler has answered. With `HttpServer::h1_allow_half_closed(false)` it does notice, and drops the handler.
//! Over HTTP/2 the handler always runs to its end.

mod body;
mod body_rule;
mod extract;
mod future;
mod head;
mod payload;
mod respond;
mod server;
mod service;
mod transform;

/// Everything that an application needs of the core, from the core's own list.
#[doc(inline)]
pub use obs_core::*;

pub use self::{
    body::ObservedMessageBody,
    extract::{CurrentId, CurrentTrace, CurrentWork},
    future::ServiceResponseFuture,
    server::{WorkersServer, serve},
    service::ObserveMiddleware,
    transform::Observe,
};
