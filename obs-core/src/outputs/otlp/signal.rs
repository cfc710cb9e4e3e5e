//! The names by which OTLP tells its signals apart.

/// A signal: traces, and later logs and metrics.
#[derive(Debug)]
pub(crate) struct Signal {
    /// The path below the URL for all signals.
    pub(crate) path: &'static str,
    /// The part of its environment variables behind `OTEL_EXPORTER_OTLP_`.
    pub(crate) variable: &'static str,
    /// The variable that chooses its exporter.
    pub(crate) exporter: &'static str,
    /// The name of the setting for its own URL.
    pub(crate) endpoint_setting: &'static str,
    /// Its items, as messages call them.
    pub(crate) items: &'static str,
}

/// Traces, whose items are spans.
pub(crate) const TRACES: Signal = Signal {
    path: "/v1/traces",
    variable: "TRACES",
    exporter: "OTEL_TRACES_EXPORTER",
    endpoint_setting: "traces_endpoint",
    items: "spans",
};
