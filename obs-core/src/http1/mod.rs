//! The support for frameworks that use `http` 1 (feature `http`): header look-up, request heads,
//! answers, bodies.

pub(crate) mod body;
pub(crate) mod chunks;

use std::{
    cell::RefCell,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use ::http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

use crate::{
    http::{
        answer::Answer,
        answer_body::AnswerBody,
        head::RequestHead,
        headers::HeaderLookup,
        protocol::{HttpVersion, UrlScheme},
    },
    record::request_id::RequestId,
    request::observation::Observation,
    trace::TraceContext,
    work::{
        call::{guard::CallGuard, observation::CallObservation},
        handle::Work,
    },
};

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
static BAGGAGE: HeaderName = HeaderName::from_static("baggage");
static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

impl HeaderLookup for HeaderMap {
    fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
        // Parsing a name from text costs more than looking it up.
        let all = match name {
            "traceparent" => self.get_all(&TRACEPARENT),
            "tracestate" => self.get_all(&TRACESTATE),
            "baggage" => self.get_all(&BAGGAGE),
            "x-request-id" => self.get_all(&X_REQUEST_ID),
            "content-type" => self.get_all(CONTENT_TYPE),
            "content-length" => self.get_all(CONTENT_LENGTH),
            name => self.get_all(name),
        };
        all.iter().for_each(|value| f(value.as_bytes()));
    }

    fn all<'a>(&'a self, f: &mut dyn FnMut(&'a str, &'a [u8])) -> bool {
        self.iter().for_each(|(name, value)| f(name.as_str(), value.as_bytes()));
        true
    }
}

impl<'a> RequestHead<'a> {
    /// The head of an `http` request, with its version and the exact size of its body.
    #[must_use]
    #[inline]
    pub fn of<B: Body>(request: &'a Request<B>) -> Self {
        let head = Self::new(request.method().as_str(), request.uri().path(), request.headers())
            .query(request.uri().query())
            .scheme(request.uri().scheme_str().map_or(UrlScheme::Http, UrlScheme::parse))
            .authority(request.uri().authority().map(::http::uri::Authority::as_str))
            .body_bytes(request.body().size_hint().exact());
        match request.version() {
            Version::HTTP_09 => head.version(HttpVersion::Http09),
            Version::HTTP_10 => head.version(HttpVersion::Http10),
            Version::HTTP_11 => head.version(HttpVersion::Http11),
            Version::HTTP_2 => head.version(HttpVersion::Http2),
            Version::HTTP_3 => head.version(HttpVersion::Http3),
            _ => head,
        }
    }

    /// Replaces the path, for a router that shortens the path of the request's URI.
    #[must_use]
    pub const fn path(mut self, path: &'a str) -> Self {
        self.path = path;
        self
    }
}

/// Copies a text into a piece of memory that several copies share. Every response has such a copy,
/// so this saves an allocation for each. A piece is freed with the last of its copies.
fn in_shared_memory(text: &[u8]) -> Bytes {
    /// Enough for about fifty ids.
    const PIECE: usize = 2048;
    thread_local! {
        static MEMORY: RefCell<BytesMut> = RefCell::new(BytesMut::with_capacity(PIECE));
    }
    let copied = MEMORY.try_with(|memory| {
        let mut memory = memory.try_borrow_mut().ok()?;
        // If the piece is full, this reuses it when no copy is left, otherwise it allocates a new
        // one.
        memory.extend_from_slice(text);
        Some(memory.split().freeze())
    });
    copied.ok().flatten().unwrap_or_else(|| Bytes::copy_from_slice(text))
}

impl RequestId {
    /// The id as the value of a header, which is always valid.
    #[must_use]
    pub fn header_value(&self) -> HeaderValue {
        let value = HeaderValue::from_maybe_shared(in_shared_memory(self.as_bytes()));
        value.unwrap_or(HeaderValue::from_static("invalid"))
    }
}

impl Observation {
    /// Writes the request id into the headers of the request, before the service is called, if the
    /// settings [ask for it](crate::ObserverBuilder::request_id_in_request).
    #[inline]
    pub fn write_id(&self, headers: &mut HeaderMap) {
        let names = self.observer().id_headers_of_requests();
        if !names.is_empty() {
            write_id(&self.start().id, names, headers);
        }
    }
}

#[cold]
#[inline(never)]
fn write_id(id: &RequestId, names: &[String], headers: &mut HeaderMap) {
    let value = id.header_value();
    for name in names.iter().filter_map(|name| HeaderName::try_from(name).ok()) {
        headers.insert(name, value.clone());
    }
}

impl TraceContext {
    /// Sets the headers that propagate this context, and replaces existing ones.
    pub fn inject_http(&self, headers: &mut HeaderMap) {
        self.inject(|name, value| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        });
    }
}

impl Work {
    /// [Propagates](Self::inject) the trace and the request id in headers of `http` 1, and replaces
    /// existing ones.
    ///
    /// ```
    /// let mut headers = http::HeaderMap::new();
    /// obs_core::current().inject_http(&mut headers);
    /// assert!(headers.is_empty(), "there is no request here");
    /// ```
    pub fn inject_http(&self, headers: &mut HeaderMap) {
        self.inject(|name, value| set(headers, name, value));
    }
}

impl CallGuard {
    /// [Propagates](Self::inject) the trace and the request id in headers of `http` 1, and replaces
    /// existing ones.
    ///
    /// ```
    /// # async fn send(_: http::HeaderMap) -> Result<(), std::io::Error> { Ok(()) }
    /// # async fn handler() -> Result<(), std::io::Error> {
    /// let mut headers = http::HeaderMap::new();
    /// let call = obs_core::current().call("payments").inject_http(&mut headers);
    /// call.observe(send(headers)).await
    /// # }
    /// ```
    pub fn inject_http(self, headers: &mut HeaderMap) -> Self {
        self.inject(|name, value| set(headers, name, value))
    }
}

impl CallObservation {
    /// [Propagates](Self::inject) the trace in headers of `http` 1, and replaces existing ones.
    pub fn inject_http(&self, headers: &mut HeaderMap) {
        self.inject(&mut |name, value| set(headers, name, value));
    }
}

/// Sets a header, unless its name or its value is invalid.
fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}

impl Answer {
    /// Converts the answer to an `http` response.
    #[must_use]
    pub fn into_http(self) -> Response<AnswerBody> {
        let mut response = Response::new(AnswerBody::default());
        *response.status_mut() =
            StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers() {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
                response.headers_mut().insert(name, value);
            }
        }
        let body = self.into_body();
        // Servers derive the length from a body, but an omitted body has no bytes.
        if body.is_omitted()
            && let Some(size) = body.size()
        {
            response.headers_mut().insert(CONTENT_LENGTH, size.into());
        }
        *response.body_mut() = body;
        response
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.poll_piece(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended()
    }

    fn size_hint(&self) -> SizeHint {
        // The hint for an omitted body is open, so that no layer adds `Content-Length: 0`.
        let size = self.size().filter(|_| !self.is_omitted());
        size.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
