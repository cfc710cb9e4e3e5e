//! The behaviour cases and their tools. Each case is written once, and runs against every adapter
//! over real sockets.
//!
//! * [`app`]: the application under test, independent of any framework.
//! * [`stacks`]: that application on axum, on plain tower under hyper, on actix-web and on a small
//!   framework; a gRPC service on tonic.
//! * [`client`]: a client for HTTP/1 and HTTP/2 that can disconnect at any moment.
//! * [`caller`]: a gRPC client.
//! * [`collector`]: an OpenTelemetry collector, which receives and checks spans. A test can make it
//!   fail.
//! * [`watch`]: an observer whose records, events and metrics a case waits for and checks.
//! * [`tls_listener`]: a TLS listener for axum.
//! * [`calls`]: the calls that a client makes in a request, as all outputs show them.
//! * [`peers`]: servers that behave badly, for tests of HTTP clients.
//! * [`process`], [`postgres`]: whole processes, and a database for a test.
//! * [`queries`]: the calls to databases that the requests of a test made.
//! * [`users`]: a user's own metrics, of every type.
//! * [`of_request`]: the parts of a record that only requests have.
//! * [`judge`]: an independent parser of metrics pages.
//! * [`sampler`]: a sampler that only the SDK can ask.
//! * [`scrape`]: scrapes of the application.
//! * [`lines`], [`subscribed`]: log lines in each place of a request, and a runtime that writes
//!   them to an observer.
//! * [`prometheus`]: a running Prometheus that scrapes services and answers queries.
//! * [`programs`]: programs that are not part of the workspace.
//! * [`cases`]: the cases. `tests/behaviour.rs` runs each on each stack.

#![allow(clippy::missing_panics_doc, missing_docs, missing_debug_implementations, clippy::unwrap_used)]

/// The code examples of the documents, which must compile.
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
    #[doc = include_str!("../../docs/clients.md")]
    pub struct Clients;
    #[doc = include_str!("../../docs/databases.md")]
    pub struct Databases;
    #[doc = include_str!("../../docs/grpc.md")]
    pub struct Grpc;
    #[doc = include_str!("../../docs/health.md")]
    pub struct Health;
    #[doc = include_str!("../../docs/serving.md")]
    pub struct Serving;
    #[doc = include_str!("../../docs/shutdown.md")]
    pub struct Shutdown;
    #[doc = include_str!("../../docs/testing.md")]
    pub struct Testing;
    #[doc = include_str!("../../docs/logs.md")]
    pub struct Logs;
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
pub mod calls;
pub mod cases;
pub mod client;
pub mod collector;
pub mod judge;
pub mod lines;
pub mod of_request;
pub mod peers;
pub mod postgres;
pub mod process;
pub mod programs;
pub mod prometheus;
pub mod queries;
pub mod sampler;
pub mod scrape;
pub mod stacks;
pub mod subscribed;
pub mod tls_listener;
pub mod users;
pub mod watch;
