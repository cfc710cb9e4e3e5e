//! The times of a shutdown, and what it found.

use std::time::Duration;

/// How a service leaves: see [`ObserverBuilder::drain_delay`](crate::ObserverBuilder::drain_delay) and [`ObserverBuilder::drain_timeout`](crate::ObserverBuilder::drain_timeout).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drain {
    /// How long to serve on after readiness has been taken back, so that load balancers notice. 5 s by default.
    pub delay: Duration,
    /// How long running requests may then still take. 20 s by default.
    pub timeout: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { delay: Duration::from_secs(5), timeout: Duration::from_secs(20) }
    }
}

/// What a shutdown found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Everything that was buffered, in the line's buffer and in the user's own sinks, has reached its output in time.
    pub flushed: bool,
    /// Requests that had not ended.
    pub in_flight: u64,
    /// Events that were handed to their outputs since the start, one for each output.
    pub written: u64,
    /// Events that were lost since the start, one for each output: see `obs_events_dropped_total`.
    pub dropped: u64,
    /// Spans that the collector has taken since the start; 0 if the application's own provider exports them, or none are made.
    pub spans_exported: u64,
    /// Spans that were lost since the start: see `obs_spans_dropped_total`.
    pub spans_dropped: u64,
}
