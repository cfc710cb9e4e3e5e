//! Spans with OpenTelemetry, exported over OTLP.
//!
//! Each request is a server span by OpenTelemetry's conventions for HTTP (stable) or gRPC (release
//! candidate). It is active while the handler runs, so the application's own spans become its
//! children. It ends with the request's record and has the same ids. The guide is
//! `docs/opentelemetry.md`.
//!
//! This module re-exports types of the `opentelemetry` and `opentelemetry_sdk` crates, which
//! are not stable yet. A release of this crate that moves to an incompatible version of them is
//! incompatible itself. Outside of this module, only
//! [`Observer::tracer_provider`](crate::Observer::tracer_provider) exposes one of these types.
//!
//! # How to enable it
//! One environment variable is enough: spans are exported to `OTEL_EXPORTER_OTLP_ENDPOINT`. Or use
//! code:
//!
//! ```
//! use obs_core::{Observer, otel::Otel};
//!
//! // Exports to http://localhost:4318, or to the endpoint from the environment:
//! let observer = Observer::builder("shop").otlp().build()?;
//! let otel = Otel::new().endpoint("https://otlp.example.com").gzip(true);
//! let observer = Observer::builder("shop").otel(otel).build()?;
//! # Ok::<(), obs_core::BuildError>(())
//! ```
//!
//! # The application's own spans
//! Spans from the observer's provider become children of the request's span automatically:
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
//! For spans of `tracing`, pass `observer.tracer_provider().tracer("shop")` to
//! `tracing_opentelemetry::layer().with_tracer(..)`. For libraries that use
//! `opentelemetry::global`, call [`install_otel_globals`](crate::Observer::install_otel_globals)
//! once.
//!
//! # If the collector is down
//! Requests are not affected. Spans wait in a queue with a limited length and size. A thread of
//! this crate retries for a minute. Spans that do not fit or cannot be delivered are counted in
//! `obs_spans_dropped_total`.

pub use ::opentelemetry;
pub use ::opentelemetry_sdk;

pub use crate::{outputs::otel::settings::Otel, request::otel_propagator::RequestPropagator};
