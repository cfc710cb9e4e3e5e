//! The readers of finished records: metrics, events, spans.

pub(crate) mod delivery;
pub(crate) mod events;
pub(crate) mod facts;
pub(crate) mod metrics;
#[cfg(feature = "otel")]
pub(crate) mod otel;
// Spans are the first signal. Without them nobody uses the wire yet.
#[cfg(feature = "otlp")]
#[cfg_attr(not(feature = "otel"), allow(dead_code))]
pub(crate) mod otlp;
#[cfg(test)]
pub(crate) mod records;
