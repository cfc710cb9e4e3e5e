//! Behaviour cases, written once and run against every adapter over real sockets.
//!
//! * [`app`]: the application under test, in neutral terms: routes, handlers, bodies.
//! * [`stacks`]: that application on axum, on plain tower under hyper, and on actix-web; a service of gRPC on tonic.
//! * [`client`]: a client for HTTP/1 and HTTP/2 that can leave at any moment.
//! * [`caller`]: a client of gRPC.
//! * [`collector`]: a collector of OpenTelemetry, which receives spans, checks them, and fails as it is told.
//! * [`watch`]: an observer whose records, lines and metrics a case waits for and checks.
//! * [`process`], [`postgres`]: whole processes, and a database of their own.
//! * [`users`]: metrics of a user's own, of every type.
//! * [`of_request`]: the parts of a record that is a request's.
//! * [`judge`]: what an independent parser reads on a page of metrics.
//! * [`generated`]: the parts of documents that are generated from data of the code.
//! * [`scrape`]: scrapes of the application.
//! * [`prometheus`]: a running Prometheus that scrapes services and answers queries.
//! * [`programs`]: programs that are no part of the workspace.
//! * [`cases`]: the cases. `tests/behaviour.rs` runs each on each stack.

#![allow(clippy::missing_panics_doc, missing_docs, missing_debug_implementations, clippy::unwrap_used)]

/// The documents' snippets compile.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../README.md")]
    pub struct Readme;
    #[doc = include_str!("../../docs/getting-started.md")]
    pub struct GettingStarted;
    #[doc = include_str!("../../docs/handlers.md")]
    pub struct Handlers;
    #[doc = include_str!("../../docs/endings.md")]
    pub struct Endings;
    #[doc = include_str!("../../docs/traces.md")]
    pub struct Traces;
    #[doc = include_str!("../../docs/grpc.md")]
    pub struct Grpc;
    #[doc = include_str!("../../docs/health.md")]
    pub struct Health;
    #[doc = include_str!("../../docs/shutdown.md")]
    pub struct Shutdown;
    #[doc = include_str!("../../docs/testing.md")]
    pub struct Testing;
    #[doc = include_str!("../../docs/metrics.md")]
    pub struct Metrics;
    #[doc = include_str!("../../docs/events.md")]
    pub struct Events;
    #[doc = include_str!("../../docs/privacy.md")]
    pub struct Privacy;
    #[doc = include_str!("../../docs/opentelemetry.md")]
    pub struct OpenTelemetry;
    #[doc = include_str!("../../docs/configuration.md")]
    pub struct Configuration;
    #[doc = include_str!("../../docs/limits.md")]
    pub struct Limits;
    #[doc = include_str!("../../docs/moving-over.md")]
    pub struct MovingOver;
}

pub mod app;
pub mod caller;
pub mod cases;
pub mod client;
pub mod collector;
pub mod generated;
pub mod judge;
pub mod of_request;
pub mod postgres;
pub mod process;
pub mod programs;
pub mod prometheus;
pub mod scrape;
pub mod stacks;
pub mod users;
pub mod watch;
