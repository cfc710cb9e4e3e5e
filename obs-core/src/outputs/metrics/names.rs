//! The names, help texts and buckets of the HTTP metrics, in both namings.

/// Bounds of the duration's buckets in seconds.
pub(super) const PROMETHEUS_DURATION: [f64; 11] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
pub(super) const OPENTELEMETRY_DURATION: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// The name and the help text of a family.
pub(super) type FamilyName = (&'static str, &'static str);

/// The families of a naming.
pub(super) struct FamilyNames {
    /// The counter of requests. OpenTelemetry has none, because the histogram counts them.
    pub(super) requests: Option<FamilyName>,
    pub(super) duration: FamilyName,
    pub(super) stream: FamilyName,
    pub(super) head: FamilyName,
    pub(super) request_size: FamilyName,
    pub(super) response_size: FamilyName,
    pub(super) in_flight: FamilyName,
    /// The counter of errors. OpenTelemetry has none, because the failure is a label of the
    /// histogram.
    pub(super) errors: Option<FamilyName>,
}

const DURATION: &str = "Time from a request's head to its response's last byte.";
const STREAM: &str = "Time that long-lived streams lasted; they are not in the latency.";
const HEAD: &str = "Time from a request's head to its response's head.";
const REQUEST_SIZE: &str = "Size of the request's body, where it is known.";
const RESPONSE_SIZE: &str = "Bytes of the response's body that were handed to the transport.";
const IN_FLIGHT: &str = "Requests that have started and not ended.";

pub(super) static PROMETHEUS: FamilyNames = FamilyNames {
    requests: Some(("http_requests_total", "Requests that have ended.")),
    duration: ("http_request_duration_seconds", DURATION),
    stream: ("http_stream_duration_seconds", STREAM),
    head: ("http_response_head_seconds", HEAD),
    request_size: ("http_request_size_bytes", REQUEST_SIZE),
    response_size: ("http_response_size_bytes", RESPONSE_SIZE),
    in_flight: ("http_requests_in_flight", IN_FLIGHT),
    errors: Some(("http_request_errors_total", "Requests that failed, by the kind of failure.")),
};

/// The stable and development metrics of the semantic conventions for HTTP, in the notation of
/// Prometheus. Metrics that the conventions do not define have names in the same style.
pub(super) static OPENTELEMETRY: FamilyNames = FamilyNames {
    requests: None,
    duration: ("http_server_request_duration_seconds", DURATION),
    stream: ("http_server_stream_duration_seconds", STREAM),
    head: ("http_server_response_head_duration_seconds", HEAD),
    request_size: ("http_server_request_body_size_bytes", REQUEST_SIZE),
    response_size: ("http_server_response_body_size_bytes", RESPONSE_SIZE),
    in_flight: ("http_server_active_requests", IN_FLIGHT),
    errors: None,
};
