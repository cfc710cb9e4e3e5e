//! The neutral, borrowed view of a request's and a response's head.

use std::net::SocketAddr;

use crate::request::handle::RequestHandle;

/// Looks headers up by name, whatever header map the framework has.
///
/// axum, hyper and tonic are on `http` 1, actix-web is on `http` 0.2, so the core names neither.
/// Implementations should allocate nothing for the names that the core asks for on every request: `content-type`,
/// `content-length`, `x-request-id`, `traceparent`, `tracestate`, `baggage`.
///
/// ```
/// use obs_core::HeaderLookup;
///
/// struct Pairs(Vec<(&'static str, &'static str)>);
/// impl HeaderLookup for Pairs {
///     fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
///         for (_, value) in self.0.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)) {
///             f(value.as_bytes());
///         }
///     }
/// }
/// let headers = Pairs(vec![("x-request-id", "a"), ("x-request-id", "b")]);
/// assert_eq!(obs_core::first_header(&headers, "X-Request-Id", |v| v.to_vec()), Some(b"a".to_vec()));
/// ```
pub trait HeaderLookup {
    /// Calls `f` with each value of the header `name` (any case), in the order of the wire.
    ///
    /// Values are bytes: a header need not be UTF-8.
    fn each(&self, name: &str, f: &mut dyn FnMut(&[u8]));

    /// Calls `f` with the name, in lower case, and the value of every header, those of one name in the order of the wire; `false`, without
    /// having called it, where that is not possible. It saves the core a look-up for each name.
    fn all<'a>(&'a self, _f: &mut dyn FnMut(&'a str, &'a [u8])) -> bool {
        false
    }
}

/// Reads the first value of a header through `read`; `None` if the header is absent.
pub fn first_header<T>(
    headers: &(impl HeaderLookup + ?Sized),
    name: &str,
    read: impl FnOnce(&[u8]) -> T,
) -> Option<T> {
    let mut read = Some(read);
    let mut found = None;
    headers.each(name, &mut |value| {
        if let Some(read) = read.take() {
            found = Some(read(value));
        }
    });
    found
}

/// The first value of a header that is a decimal number, as `Content-Length` is (RFC 9110 §8.6).
pub(crate) fn length_header(headers: &(impl HeaderLookup + ?Sized), name: &str) -> Option<u64> {
    first_header(headers, name, length).flatten()
}

fn length(value: &[u8]) -> Option<u64> {
    let digits = value.trim_ascii();
    let add = |number: u64, digit: &u8| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    };
    if digits.is_empty() { None } else { digits.iter().try_fold(0, add) }
}

/// What a response's head says of its body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResponseHead {
    pub(crate) content_length: Option<u64>,
    /// `text/event-stream`, in any case.
    pub(crate) is_event_stream: bool,
}

impl ResponseHead {
    /// In one pass, where the headers can be listed: see [`Wanted`](crate::wanted::Wanted).
    pub(crate) fn of(headers: &dyn HeaderLookup) -> Self {
        let mut this = Self::default();
        let (mut lengths, mut types) = (0_u32, 0_u32);
        let listed = headers.all(&mut |name, value| match name.len() {
            14 if name == "content-length" => {
                lengths = lengths.saturating_add(1);
                if lengths == 1 {
                    this.content_length = length(value);
                }
            }
            12 if name == "content-type" => {
                types = types.saturating_add(1);
                if types == 1 {
                    this.is_event_stream = is_event_stream(value);
                }
            }
            _ => {}
        });
        if !listed {
            this.content_length = length_header(headers, "content-length");
            this.is_event_stream = first_header(headers, "content-type", is_event_stream).unwrap_or(false);
        }
        this
    }
}

fn is_event_stream(content_type: &[u8]) -> bool {
    const EVENT_STREAM: &[u8; 17] = b"text/event-stream";
    // Most others are told apart by one letter.
    let is = |start: &[u8; 17]| start[5] | 0x20 == b'e' && start.eq_ignore_ascii_case(EVENT_STREAM);
    content_type.first_chunk().is_some_and(is)
}

/// The protocol version of a request, named as OpenTelemetry's `network.protocol.version` names it.
///
/// ```
/// assert_eq!(obs_core::HttpVersion::Http2.as_str(), "2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs)] // the names say it
pub enum HttpVersion {
    Http09,
    Http10,
    Http11,
    Http2,
    Http3,
}

impl HttpVersion {
    /// `0.9`, `1.0`, `1.1`, `2` or `3`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http09 => "0.9",
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2",
            Self::Http3 => "3",
        }
    }
}

/// The scheme of a request's URL, as far as it is known: behind a proxy it is what the proxy speaks.
///
/// ```
/// use obs_core::UrlScheme;
/// assert_eq!(UrlScheme::parse("HTTPS").as_str(), "https");
/// assert_eq!(UrlScheme::parse("gopher"), UrlScheme::Other);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UrlScheme {
    /// `http`: also where nobody says.
    #[default]
    Http,
    /// `https`
    Https,
    /// `_OTHER`: anything else that a client sent.
    Other,
}

impl UrlScheme {
    pub(crate) const ALL: [Self; 3] = [Self::Http, Self::Https, Self::Other];

    /// The scheme that `text` names, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text.eq_ignore_ascii_case("http") {
            Self::Http
        } else if text.eq_ignore_ascii_case("https") {
            Self::Https
        } else {
            Self::Other
        }
    }

    /// `http`, `https` or `_OTHER`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Other => "_OTHER",
        }
    }
}

/// A request's head as an adapter hands it to [`Observer::start`](crate::Observer::start).
///
/// Everything is borrowed: the core copies what it keeps.
///
/// ```
/// use obs_core::{HttpVersion, Observer, RequestHead};
///
/// let observer = Observer::builder("shop").no_environment().build()?;
/// let head = RequestHead::new("GET", "/items/7", &()).version(HttpVersion::Http11);
/// let observation = observer.start(&head);
/// assert_eq!(observation.request().path(), "/items/7");
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct RequestHead<'a> {
    /// The method as it came.
    pub method: &'a str,
    /// The path without the query.
    pub path: &'a str,
    /// What comes after the path's `?`.
    pub query: Option<&'a str>,
    /// The scheme of the URL.
    pub scheme: UrlScheme,
    /// The authority of the URL, where it names one: else there is the header `Host`.
    pub authority: Option<&'a str>,
    /// The protocol's version.
    pub version: Option<HttpVersion>,
    /// The address at the other end of the connection.
    pub peer: Option<SocketAddr>,
    /// The request body's exact size in bytes, where it is known without `Content-Length`: 0 if there is none.
    pub body_bytes: Option<u64>,
    /// The headers.
    pub headers: &'a dyn HeaderLookup,
    pub(crate) route: Option<&'a str>,
    pub(crate) outer: Option<&'a RequestHandle>,
    pub(crate) own_route: Option<&'a dyn Fn() -> bool>,
}

impl<'a> RequestHead<'a> {
    /// A head with its three required parts. `path` is without the query.
    #[must_use]
    pub fn new(method: &'a str, path: &'a str, headers: &'a dyn HeaderLookup) -> Self {
        Self {
            method,
            path,
            query: None,
            scheme: UrlScheme::Http,
            authority: None,
            version: None,
            peer: None,
            body_bytes: None,
            headers,
            route: None,
            outer: None,
            own_route: None,
        }
    }

    /// What comes after the path's `?`.
    #[must_use]
    pub const fn query(mut self, query: Option<&'a str>) -> Self {
        self.query = query;
        self
    }

    /// The scheme of the URL.
    #[must_use]
    pub const fn scheme(mut self, scheme: UrlScheme) -> Self {
        self.scheme = scheme;
        self
    }

    /// The authority of the URL: HTTP/2's `:authority`, or that of a request in absolute form.
    #[must_use]
    pub const fn authority(mut self, authority: Option<&'a str>) -> Self {
        self.authority = authority;
        self
    }

    /// The protocol's version.
    #[must_use]
    pub const fn version(mut self, version: HttpVersion) -> Self {
        self.version = Some(version);
        self
    }

    /// The address at the other end of the connection, which may be a proxy's.
    #[must_use]
    pub const fn peer(mut self, peer: Option<SocketAddr>) -> Self {
        self.peer = peer;
        self
    }

    /// The request body's exact size in bytes where the framework knows it without `Content-Length`.
    #[must_use]
    pub const fn body_bytes(mut self, bytes: Option<u64>) -> Self {
        self.body_bytes = bytes;
        self
    }

    /// The route's template, such as `/items/{id}`, where the framework has routed already. It saves a call of
    /// [`Observation::set_route`](crate::Observation::set_route), and a request for an [endpoint](crate::Observation::endpoint) does without.
    ///
    /// Each text is kept once, and for ever, so it must be a template, never a path.
    #[must_use]
    pub const fn route(mut self, template: Option<&'a str>) -> Self {
        self.route = template;
        self
    }

    /// The handle that another observer's layer left in the request's extensions.
    ///
    /// Both then share the request id, and each [`Observer::current`](crate::Observer::current) finds its own.
    #[must_use]
    pub const fn within(mut self, outer: Option<&'a RequestHandle>) -> Self {
        self.outer = outer;
        self
    }

    /// Says whether the application has a route of its own at the very path: it then wins over an endpoint of ours. Asked only where
    /// there is an endpoint.
    #[must_use]
    pub const fn own_route(mut self, has_route: &'a dyn Fn() -> bool) -> Self {
        self.own_route = Some(has_route);
        self
    }
}

impl std::fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", &self.method)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// No headers at all.
impl HeaderLookup for () {
    fn each(&self, _: &str, _: &mut dyn FnMut(&[u8])) {}

    fn all<'a>(&'a self, _: &mut dyn FnMut(&'a str, &'a [u8])) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One(&'static str);
    impl HeaderLookup for One {
        fn each(&self, _: &str, f: &mut dyn FnMut(&[u8])) {
            f(self.0.as_bytes());
        }
    }

    #[test]
    fn content_length_is_digits_only() {
        for (text, length) in [
            ("12", Some(12)),
            ("+12", None),
            ("-1", None),
            ("", None),
            ("1e3", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(length_header(&One(text), "content-length"), length, "{text}");
        }
    }

    #[test]
    fn media_types_are_compared_in_any_case() {
        assert!(ResponseHead::of(&One("Text/Event-Stream; charset=utf-8")).is_event_stream);
        assert!(!ResponseHead::of(&One("text/plain")).is_event_stream);
    }
}
