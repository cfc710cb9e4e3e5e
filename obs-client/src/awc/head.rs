//! Heads of awc, which use `http` 0.2, for the core.

use std::net::SocketAddr;

use actix_http::{
    RequestHead, RequestHeadType, Version,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use awc::ConnectRequest;
use obs_core::adapter::{CallHead, CallObservation, HeaderLookup, HttpVersion};

/// The head of a request.
pub(super) fn of(request: &ConnectRequest) -> &RequestHead {
    match request {
        ConnectRequest::Client(head, ..) => head.as_ref(),
        ConnectRequest::Tunnel(head, _) => head,
    }
}

/// Describes a request for the core.
pub(super) fn of_call<'a>(head: &'a RequestHead, dependency: Option<&'a str>) -> CallHead<'a> {
    let uri = &head.uri;
    CallHead::http(head.method.as_str(), uri.scheme_str().unwrap_or("http"), uri.host().unwrap_or(""))
        .port(uri.port_u16())
        .path(uri.path())
        .query(uri.query())
        .dependency(dependency)
}

/// The address that the application has resolved.
pub(super) const fn peer(request: &ConnectRequest) -> Option<SocketAddr> {
    match request {
        ConnectRequest::Client(.., addr) | ConnectRequest::Tunnel(_, addr) => *addr,
    }
}

/// Adds the headers of a call. They replace those of the request that have the same names.
pub(super) fn inject(call: &CallObservation, request: &mut ConnectRequest) {
    let headers = match request {
        ConnectRequest::Client(RequestHeadType::Owned(head), ..) | ConnectRequest::Tunnel(head, _) => {
            // A state belongs to its parent. The parent of a forwarded request is replaced.
            head.headers.remove("tracestate");
            &mut head.headers
        }
        // The head of a frozen request is shared. Its extra headers replace those of the head.
        ConnectRequest::Client(RequestHeadType::Rc(_, extra), ..) => extra.get_or_insert_with(HeaderMap::new),
    };
    call.inject(&mut |name, value| {
        let parsed = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value));
        if let (Ok(name), Ok(value)) = parsed {
            headers.insert(name, value);
        }
    });
}

/// The headers of a response.
pub(super) struct AwcHeaders<'a>(pub(super) &'a HeaderMap);

impl HeaderLookup for AwcHeaders<'_> {
    fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
        self.0.get_all(name).for_each(|value| f(value.as_bytes()));
    }

    fn all<'a>(&'a self, f: &mut dyn FnMut(&'a str, &'a [u8])) -> bool {
        self.0.iter().for_each(|(name, value)| f(name.as_str(), value.as_bytes()));
        true
    }
}

/// Translates the version of a response.
pub(super) const fn version(version: Version) -> Option<HttpVersion> {
    match version {
        Version::HTTP_09 => Some(HttpVersion::Http09),
        Version::HTTP_10 => Some(HttpVersion::Http10),
        Version::HTTP_11 => Some(HttpVersion::Http11),
        Version::HTTP_2 => Some(HttpVersion::Http2),
        Version::HTTP_3 => Some(HttpVersion::Http3),
        _ => None,
    }
}
