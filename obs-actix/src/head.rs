//! The conversion of actix-web's request heads, which use `http` 0.2, for the core.

use actix_web::{
    dev::ServiceRequest,
    http::{
        Version,
        header::{HeaderMap, HeaderName},
    },
};
use obs_core::adapter::{HeaderLookup, HttpVersion, RequestHead, UrlScheme};

/// Returns the values of a header. The names that the core reads are static, because parsing a name
/// allocates.
macro_rules! values {
    ($headers:expr, $name:expr, $($known:literal)*) => {
        match $name {
            $($known => {
                static NAME: HeaderName = HeaderName::from_static($known);
                $headers.get_all(&NAME)
            })*
            name => $headers.get_all(name),
        }
    };
}

pub(crate) struct Headers<'a>(pub(crate) &'a HeaderMap);

impl HeaderLookup for Headers<'_> {
    fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
        let all = values!(self.0, name,
            "traceparent" "tracestate" "baggage" "x-request-id" "content-type" "content-length" "user-agent" "host"
            "forwarded" "x-forwarded-for" "x-forwarded-proto" "x-forwarded-host" "x-forwarded-port"
            "b3" "x-b3-traceid" "x-b3-spanid" "x-b3-sampled" "x-b3-flags" "uber-trace-id"
            "transfer-encoding" "grpc-status" "grpc-message" "grpc-timeout");
        all.for_each(|value| f(value.as_bytes()));
    }

    fn all<'a>(&'a self, f: &mut dyn FnMut(&'a str, &'a [u8])) -> bool {
        self.0.iter().for_each(|(name, value)| f(name.as_str(), value.as_bytes()));
        true
    }
}

/// Returns the request's head, without data from its extensions: those are a `RefCell` that must
/// not stay borrowed.
#[inline]
pub(crate) fn of<'a>(request: &'a ServiceRequest, headers: &'a Headers<'a>) -> RequestHead<'a> {
    let head = RequestHead::new(request.method().as_str(), request.path(), headers)
        .query(request.uri().query())
        .scheme(request.uri().scheme_str().map_or_else(|| of_connection(request), UrlScheme::parse))
        .authority(request.uri().authority().map(|authority| authority.as_str()))
        .peer(request.peer_addr());
    match request.version() {
        Version::HTTP_09 => head.version(HttpVersion::Http09).body_needs_header(),
        Version::HTTP_10 => head.version(HttpVersion::Http10).body_needs_header(),
        Version::HTTP_11 => head.version(HttpVersion::Http11).body_needs_header(),
        Version::HTTP_2 => head.version(HttpVersion::Http2),
        Version::HTTP_3 => head.version(HttpVersion::Http3),
        _ => head,
    }
}

/// Returns the scheme of the connection. Over HTTP/1 a request names no scheme, but the server
/// knows if it uses TLS.
#[inline]
fn of_connection(request: &ServiceRequest) -> UrlScheme {
    if request.app_config().secure() { UrlScheme::Https } else { UrlScheme::Http }
}
