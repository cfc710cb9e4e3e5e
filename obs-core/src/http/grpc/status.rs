//! The status codes of gRPC.

/// The status with which a service ends a gRPC call.
///
/// gRPC's "Status codes and their use in gRPC" defines the codes and their meaning.
///
/// ```
/// use obs_core::GrpcStatus;
/// assert_eq!(GrpcStatus::parse(b"14").as_str(), "UNAVAILABLE");
/// assert_eq!(GrpcStatus::parse(b"99"), GrpcStatus::Unknown);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
#[allow(missing_docs)] // the names say it
pub enum GrpcStatus {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl GrpcStatus {
    /// All statuses with their names, in the order of their codes.
    pub(crate) const ALL: [(Self, &'static str); 17] = [
        (Self::Ok, "OK"),
        (Self::Cancelled, "CANCELLED"),
        (Self::Unknown, "UNKNOWN"),
        (Self::InvalidArgument, "INVALID_ARGUMENT"),
        (Self::DeadlineExceeded, "DEADLINE_EXCEEDED"),
        (Self::NotFound, "NOT_FOUND"),
        (Self::AlreadyExists, "ALREADY_EXISTS"),
        (Self::PermissionDenied, "PERMISSION_DENIED"),
        (Self::ResourceExhausted, "RESOURCE_EXHAUSTED"),
        (Self::FailedPrecondition, "FAILED_PRECONDITION"),
        (Self::Aborted, "ABORTED"),
        (Self::OutOfRange, "OUT_OF_RANGE"),
        (Self::Unimplemented, "UNIMPLEMENTED"),
        (Self::Internal, "INTERNAL"),
        (Self::Unavailable, "UNAVAILABLE"),
        (Self::DataLoss, "DATA_LOSS"),
        (Self::Unauthenticated, "UNAUTHENTICATED"),
    ];

    /// Parses the value of a `grpc-status` header. An invalid value becomes
    /// [`Unknown`](Self::Unknown), as in gRPC clients.
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        let text = std::str::from_utf8(value).unwrap_or_default();
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let code = text.parse::<usize>().ok().filter(|_| digits);
        code.and_then(|code| Self::ALL.get(code)).map_or(Self::Unknown, |(status, _)| *status)
    }

    /// Returns the status of a response that has none, such as the response of a proxy ("HTTP to
    /// gRPC Status Code Mapping"). `None` for 200.
    pub(crate) const fn of_http(status: u16) -> Option<Self> {
        Some(match status {
            200 => return None,
            400 => Self::Internal,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::Unimplemented,
            429 | 502 | 503 | 504 => Self::Unavailable,
            _ => Self::Unknown,
        })
    }

    /// The name, as in `rpc.response.status_code`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.get(usize::from(self.code())).map_or("UNKNOWN", |(_, name)| name)
    }

    /// The code.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Returns `true` for a failure of the service, not of its caller (OpenTelemetry's conventions
    /// for gRPC, server spans).
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(
            self,
            Self::Unknown
                | Self::DeadlineExceeded
                | Self::Unimplemented
                | Self::Internal
                | Self::Unavailable
                | Self::DataLoss
        )
    }
}

#[cfg(test)]
mod tests {
    use super::GrpcStatus;

    #[test]
    fn every_status_has_its_code_as_index_and_is_parsed() {
        for (code, (status, name)) in GrpcStatus::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(status.code()), code);
            assert_eq!(status.as_str(), name);
            assert_eq!(GrpcStatus::parse(code.to_string().as_bytes()), status);
        }
        for wrong in ["", "+1", "-1", "17", "ok", "1 "] {
            assert_eq!(GrpcStatus::parse(wrong.as_bytes()), GrpcStatus::Unknown, "{wrong:?}");
        }
    }
}
