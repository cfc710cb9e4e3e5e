//! OpenTelemetry spans: their sampling, attributes and export.
//!
//! # Ids
//!
//! The ids of a request exist before its span. Our id generator for the SDK returns these ids (a
//! thread-local holds them while the span is built), so the span has the ids of the request. A
//! provider of the application generates its own ids, and the request adopts them.
//!
//! # Life
//!
//! A span is started when the request starts. A sink ends it, when the request's record is
//! finished. Its end time is the start of the request plus the measured duration. While code of the
//! request runs, the context of the span is attached to the thread. A request to one of our
//! endpoints has no span until it fails. Then the span is created with the ids that the request had
//! from its start.
//!
//! # With and without the SDK
//!
//! If the provider is ours and the sampler is ours or one of the SDK's that read no attributes,
//! only the collector reads the span. Then the SDK creates no span. A request that is not sampled
//! gets a context with its ids. A sampled request gets an `OpenSpan`, which stores what the
//! application adds to it.
//!
//! The rest is encoded from the record at the end, directly as OTLP ([`encoding`]), like events are
//! written directly as JSON. A span of the SDK would allocate memory for each attribute. Another
//! thread would encode the attribute and free the memory. We encode the attributes of every request
//! ourselves, and a test compares the result with `prost`. Rare parts use `opentelemetry-proto`.
//!
//! With any other sampler, or with a provider of the application, the SDK creates the spans. It
//! gets the attributes when it creates a span. `tests/tests/spans.rs` compares both ways.
//!
//! # Export
//!
//! The queue and the export are our own. The SDK's batch processor does not count the spans that it
//! drops, its flush has a fixed time limit, and its shutdown blocks. The exporter of the OTLP crate
//! reads the environment regardless of the settings.

pub(crate) mod attributes;
pub(crate) mod call_attributes;
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
pub(crate) mod trace_state;
pub(crate) mod tracing;
pub(crate) mod waiting;

use std::time::Duration;

/// The time limit of a flush whose caller sets no deadline.
const FLUSH: Duration = Duration::from_secs(5);
