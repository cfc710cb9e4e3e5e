//! actix's request heads, on `http` 0.2, as the core reads them.

use actix_web::{
    dev::{Payload, ServiceRequest},
    http::{
        Version,
        header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName},
    },
};
use obs_core::{HeaderLookup, HttpVersion, RequestHead, UrlScheme};

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
static BAGGAGE: HeaderName = HeaderName::from_static("baggage");
static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(crate) struct Headers<'a>(pub(crate) &'a HeaderMap);

impl HeaderLookup for Headers<'_> {
    fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
        // Making a name of a text allocates.
        let all = match name {
            "traceparent" => self.0.get_all(&TRACEPARENT),
            "tracestate" => self.0.get_all(&TRACESTATE),
            "baggage" => self.0.get_all(&BAGGAGE),
            "x-request-id" => self.0.get_all(&X_REQUEST_ID),
            "content-type" => self.0.get_all(CONTENT_TYPE),
            "content-length" => self.0.get_all(CONTENT_LENGTH),
            name => self.0.get_all(name),
        };
        all.for_each(|value| f(value.as_bytes()));
    }
}

/// The head without what lies in extensions: those are a `RefCell` that must not stay borrowed.
pub(crate) fn of<'a>(request: &'a ServiceRequest, headers: &'a Headers<'a>) -> RequestHead<'a> {
    let (_, payload) = request.parts();
    let head = RequestHead::new(request.method().as_str(), request.path(), headers)
        .query(request.uri().query())
        .scheme(request.uri().scheme_str().map_or_else(|| of_connection(request), UrlScheme::parse))
        .body_bytes(matches!(payload, Payload::None).then_some(0))
        .peer(request.peer_addr());
    match request.version() {
        Version::HTTP_09 => head.version(HttpVersion::Http09),
        Version::HTTP_10 => head.version(HttpVersion::Http10),
        Version::HTTP_11 => head.version(HttpVersion::Http11),
        Version::HTTP_2 => head.version(HttpVersion::Http2),
        Version::HTTP_3 => head.version(HttpVersion::Http3),
        _ => head,
    }
}

/// Over HTTP/1 a request names no scheme, but the server knows whether it speaks TLS.
fn of_connection(request: &ServiceRequest) -> UrlScheme {
    if request.app_config().secure() { UrlScheme::Https } else { UrlScheme::Http }
}
