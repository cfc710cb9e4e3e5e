//! Spans with OpenTelemetry: their sampling, attributes, export.
//!
//! # Ids
//!
//! The ids of a request exist before its span. The generator of the SDK returns them once more (a
//! thread-local holds them while the span is built), so there is one pair of ids and not two. A
//! provider of the application's own makes its own ids, and the request takes those over.
//!
//! # Life
//!
//! A span starts with the state of the request and ends in a sink, as every other output does, at
//! the start of the request plus its measured duration. The scope attaches its context beside the
//! handle. A request for an endpoint of ours has no span until it fails. That span is then made
//! with the ids that the request had from its start.
//!
//! # With and without the SDK
//!
//! If the provider is ours and the sampler is one of the SDK's own, which read no attributes,
//! nobody but the collector needs the span. Then the SDK makes no span. A request that is not
//! sampled gets a context with its ids. One that is sampled gets an `OpenSpan`, which keeps what
//! the application adds to it. The rest is written from the record at the end, directly as OTLP
//! ([`encoding`]), as events are written directly as JSON: a span of the SDK would hold each
//! attribute in memory of its own, which another thread encodes and frees. We encode what every
//! request has, and a test compares that with `prost`. Rare parts go through
//! `opentelemetry-proto`.
//!
//! For any other sampler, and for a provider of the application's own, spans are the SDK's, with
//! attributes at creation. `tests/tests/spans.rs` compares both ways.
//!
//! # Export
//!
//! The export is ours, from the queue on. The SDK's batch processor does not count what it drops,
//! its flush has a fixed length, and its shutdown waits. The exporter of the OTLP crate reads the
//! environment whatever the settings say.

pub(crate) mod attributes;
pub(crate) mod encoding;
pub(crate) mod ending;
pub(crate) mod environment;
pub(crate) mod ids;
pub(crate) mod install;
pub(crate) mod outlet;
pub(crate) mod pipeline;
pub(crate) mod queue;
pub(crate) mod sampling;
pub(crate) mod settings;
pub(crate) mod sink;
pub(crate) mod tracing;
pub(crate) mod waiting;

use std::time::Duration;

/// How long a flush may take that nobody has given a deadline.
const FLUSH: Duration = Duration::from_secs(5);
