//! The names that OTLP uses for each signal.

/// The names of a signal: traces or logs.
#[derive(Debug)]
pub(crate) struct Signal {
    /// The path that is appended to the URL for all signals.
    pub(crate) path: &'static str,
    /// The part of its environment variables after `OTEL_EXPORTER_OTLP_`.
    pub(crate) variable: &'static str,
    /// The environment variable that selects its exporter.
    pub(crate) exporter: &'static str,
    /// The name of the setting for its own URL.
    pub(crate) endpoint_setting: &'static str,
    /// The word for its items in messages.
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

/// Logs, whose items are log lines.
#[cfg(feature = "logs")]
pub(crate) const LOGS: Signal = Signal {
    path: "/v1/logs",
    variable: "LOGS",
    exporter: "OTEL_LOGS_EXPORTER",
    endpoint_setting: "endpoint",
    items: "log lines",
};
