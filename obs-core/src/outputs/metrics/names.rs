//! The names and help texts of those HTTP metrics that are not histograms, for both namings.

/// The name and the help text of a family.
pub(super) type FamilyName = (&'static str, &'static str);

/// The families of a naming.
pub(super) struct FamilyNames {
    /// The counter of requests. OpenTelemetry has none, because the histogram counts them.
    pub(super) requests: Option<FamilyName>,
    pub(super) in_flight: FamilyName,
    /// The counter of errors. OpenTelemetry has none, because the failure is a label of the
    /// histogram.
    pub(super) errors: Option<FamilyName>,
}

const IN_FLIGHT: &str = "Requests that have started and not ended.";

pub(super) static PROMETHEUS: FamilyNames = FamilyNames {
    requests: Some(("http_requests_total", "Requests that have ended.")),
    in_flight: ("http_requests_in_flight", IN_FLIGHT),
    errors: Some(("http_request_errors_total", "Requests that failed, by the kind of failure.")),
};

/// Metrics of the semantic conventions for HTTP, as Prometheus writes them.
pub(super) static OPENTELEMETRY: FamilyNames =
    FamilyNames { requests: None, in_flight: ("http_server_active_requests", IN_FLIGHT), errors: None };
