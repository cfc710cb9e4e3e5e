//! The readers of finished records: metrics, events, spans.

pub(crate) mod delivery;
pub(crate) mod events;
pub(crate) mod facts;
pub(crate) mod metrics;
#[cfg(feature = "otel")]
pub mod otel;
#[cfg(test)]
pub(crate) mod records;
pub(crate) mod sink;
