//! The outputs: metrics, events, logs and spans.

pub(crate) mod columns;
pub(crate) mod delivery;
pub(crate) mod destination;
pub(crate) mod events;
#[cfg(any(feature = "otel", all(feature = "otlp", feature = "logs")))]
pub(crate) mod exception;
pub(crate) mod facts;
#[cfg(feature = "logs")]
pub(crate) mod logs;
#[cfg(feature = "metrics")]
pub(crate) mod metrics;
#[cfg(not(feature = "metrics"))]
pub(crate) mod no_metrics;
#[cfg(not(feature = "otel"))]
pub(crate) mod no_spans;
#[cfg(feature = "otel")]
pub(crate) mod otel;
// Spans are the only signal so far. Without them, this folder is unused.
#[cfg(feature = "otlp")]
#[cfg_attr(not(feature = "otel"), allow(dead_code))]
pub(crate) mod otlp;
#[cfg(test)]
pub(crate) mod records;
