//! The ways in which work ends.

use crate::http::grpc::status::GrpcStatus;

/// The way in which a request ended.
///
/// ```
/// use obs_core::Outcome;
/// assert_eq!(Outcome::CancelledInBody.as_str(), "cancelled_in_body");
/// assert!(!Outcome::CancelledInBody.is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The whole response was handed to the transport, whatever its status. The client may still
    /// not have received it.
    Completed,
    /// The connection was upgraded at the response's head: status 101, or a successful CONNECT.
    Upgraded,
    /// The service returned an error instead of a response.
    ServiceError,
    /// The response's body yielded an error.
    BodyError,
    /// The response's body ended before its declared `Content-Length`.
    Truncated,
    /// The handler, the service's `call`, the body or one of their destructors panicked.
    Panicked,
    /// The handler was dropped before it answered: the client disconnected, or an outer timeout
    /// expired.
    CancelledBeforeResponse,
    /// The response's body was dropped before its end: the client disconnected, or the shutdown
    /// aborted it.
    CancelledInBody,
    /// The handler or body was dropped after the gRPC caller's deadline (`grpc-timeout`) had
    /// passed.
    DeadlineExceeded,
}

impl Outcome {
    /// All outcomes.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 9] = [
        Self::Completed,
        Self::Upgraded,
        Self::ServiceError,
        Self::BodyError,
        Self::Truncated,
        Self::Panicked,
        Self::CancelledBeforeResponse,
        Self::CancelledInBody,
        Self::DeadlineExceeded,
    ];

    /// The name in events and in the `error_type` label; [`Outcome::Panicked`] is `panic`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Upgraded => "upgraded",
            Self::ServiceError => "service_error",
            Self::BodyError => "body_error",
            Self::Truncated => "truncated",
            Self::Panicked => "panic",
            Self::CancelledBeforeResponse => "cancelled_before_response",
            Self::CancelledInBody => "cancelled_in_body",
            Self::DeadlineExceeded => "deadline_exceeded",
        }
    }

    /// Returns the kind of a call's failure in the words of OpenTelemetry's conventions for RPC. A
    /// panic has the status that its caller got.
    pub(crate) fn rpc_error_type(error_type: &'static str, status: Option<GrpcStatus>) -> &'static str {
        let panicked = error_type == Self::Panicked.as_str();
        status.filter(|status| panicked && status.is_failure()).map_or(error_type, GrpcStatus::as_str)
    }

    /// Returns the status for the labels of metrics: see
    /// [`status_label`](crate::output::FinishedRequest::status_label).
    pub(crate) fn status_label(self, sent: Option<u16>) -> u16 {
        sent.unwrap_or(match self {
            Self::CancelledBeforeResponse => 499,
            Self::DeadlineExceeded => 504,
            _ => 500,
        })
    }

    /// Returns true if the response reached its proper end, whatever its status:
    /// [`Completed`](Self::Completed) or [`Upgraded`](Self::Upgraded).
    #[must_use]
    pub const fn is_ok(self) -> bool {
        matches!(self, Self::Completed | Self::Upgraded)
    }
}
