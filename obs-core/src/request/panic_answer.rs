//! The answer to a request whose handler panicked.

use crate::{
    http::{answer::Answer, method::Method},
    record::request_id::RequestId,
};

/// The answer to a request whose handler panicked.
///
/// For HTTP it is a problem document (RFC 9457) with the request id. For gRPC it is a trailers-only
/// response with status 200 (gRPC over HTTP/2, "Responses") and `grpc-status` 13, INTERNAL.
pub(crate) fn to_panic(id: &RequestId, method: Method, grpc: Option<&str>) -> Answer {
    if let Some(content_type) = grpc {
        return Answer::new(200, content_type.to_owned(), "")
            .header("grpc-status", "13")
            .header("grpc-message", "internal error");
    }
    // An id needs no escaping: see `RequestId`.
    let body = format!(
        r#"{{"type":"about:blank","title":"Internal Server Error","status":500,"request_id":"{id}"}}"#
    );
    Answer::new(500, "application/problem+json", body).to(method)
}
