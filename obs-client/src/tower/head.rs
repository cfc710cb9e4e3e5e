//! The head of a call, from a request of the crate `http`.

use http::{
    HeaderName, HeaderValue, Request, Uri,
    header::{CONTENT_TYPE, HOST},
};

use obs_core::adapter::CallHead;

static GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Returns the head of the call of a request. A request whose URI is only a path goes to `origin`.
pub(super) fn of<'a, B>(
    request: &'a Request<B>,
    name: Option<&'a str>,
    origin: Option<&'a Uri>,
) -> CallHead<'a> {
    let uri = request.uri();
    let origin = if uri.authority().is_some() { uri } else { origin.unwrap_or(uri) };
    let scheme = origin.scheme_str().unwrap_or("http");
    let (host, port) = match origin.authority() {
        Some(authority) => (authority.host(), authority.port_u16()),
        None => host_header(request),
    };
    let head = if is_grpc(request) {
        let timeout = request.headers().get(&GRPC_TIMEOUT).map(HeaderValue::as_bytes);
        CallHead::grpc(uri.path(), scheme, host).grpc_timeout(timeout)
    } else {
        CallHead::http(request.method().as_str(), scheme, host).path(uri.path()).query(uri.query())
    };
    head.port(port).dependency(name)
}

/// A request without a host in its URI has the host in a header.
fn host_header<B>(request: &Request<B>) -> (&str, Option<u16>) {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
        _ => (host, None),
    }
}

/// Returns `true` for the content types of gRPC: `application/grpc`, `application/grpc+proto`.
fn is_grpc<B>(request: &Request<B>) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let content_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    content_type
        .and_then(|value| value.strip_prefix(GRPC))
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}
