//! Spans with OpenTelemetry, exported over OTLP (feature `otel`).
//!
//! Each request is a server span by OpenTelemetry's conventions for HTTP (stable) or gRPC (release candidate), current while the
//! service runs, so that spans which the application makes hang below it. It ends with the request's record and has the same ids.
//!
//! This module shows types of the [`opentelemetry`] and [`opentelemetry_sdk`] crates, which are not stable yet: it is outside of what
//! our own version numbers promise, and follows their releases. Nothing else of ours shows them.
//!
//! # Switching it on
//! The environment alone does: with `OTEL_EXPORTER_OTLP_ENDPOINT`, spans are exported to there. Or a line of code:
//!
//! ```
//! use obs_core::{Observer, otel::Otel};
//!
//! let observer = Observer::builder("shop").otlp().build()?; // to http://localhost:4318, or where the environment says
//! let observer = Observer::builder("shop").otel(Otel::new().endpoint("https://otlp.example.com").gzip(true)).build()?;
//! # Ok::<(), obs_core::BuildError>(())
//! ```
//!
//! # Spans of the application's own
//! They hang below the request's, without another line, if they are made by the observer's provider:
//!
//! ```
//! use obs_core::{Observer, otel::opentelemetry::trace::{Tracer as _, TracerProvider as _}};
//!
//! let observer = Observer::builder("shop").no_environment().otlp().build()?;
//! let tracer = observer.tracer_provider().tracer("shop");
//! tracer.in_span("price", |_| { /* … */ }); // in a handler
//! # Ok::<(), obs_core::BuildError>(())
//! ```
//!
//! For `tracing`'s spans, give `observer.tracer_provider().tracer("shop")` to `tracing_opentelemetry::layer().with_tracer(..)`;
//! libraries that use `opentelemetry::global` see the provider after [`install_otel_globals`](crate::Observer::install_otel_globals).
//!
//! # What it costs a request if the collector is gone
//! Nothing: spans wait in a queue of bounded length and size for a thread of ours, which tries again and again for a minute. What does
//! not fit, or is not taken, is counted in `obs_spans_dropped_total`.

pub use ::opentelemetry;
pub use ::opentelemetry_sdk;

pub use crate::{outputs::otel::settings::Otel, request::otel_propagator::RequestPropagator};
