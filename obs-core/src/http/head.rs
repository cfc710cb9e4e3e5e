//! The head of a request, borrowed and independent of the framework.

use std::{borrow::Cow, net::SocketAddr};

use crate::http::{
    headers::HeaderLookup,
    protocol::{HttpVersion, UrlScheme},
    thread_routes::ThreadRoutes,
};

/// The head of a request, as an adapter passes it to [`Observer::start`](crate::Observer::start).
///
/// Everything is borrowed. The core copies what it stores.
///
/// ```
/// use obs_core::{Observer, adapter::{HttpVersion, RequestHead}};
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
    /// The method as received.
    pub method: &'a str,
    /// The path without the query.
    pub path: &'a str,
    /// The query: the part of the URL after the `?`.
    pub query: Option<&'a str>,
    /// The scheme of the URL.
    pub scheme: UrlScheme,
    /// The authority of the URL, if it has one. Otherwise, the header `Host` has it.
    pub authority: Option<&'a str>,
    /// The protocol version.
    pub version: Option<HttpVersion>,
    /// The peer address of the connection, which may be a proxy's.
    pub peer: Option<SocketAddr>,
    /// The exact size of the request body in bytes, if it is known without `Content-Length`. It is
    /// 0 if there is no body.
    pub body_bytes: Option<u64>,
    /// True if the request has no body unless a header announces one.
    pub(crate) body_needs_header: bool,
    /// The headers.
    pub headers: &'a dyn HeaderLookup,
    pub(crate) route: Option<&'a str>,
    pub(crate) find_route: Option<&'a dyn Fn() -> Option<String>>,
    pub(crate) thread_routes: Option<u64>,
}

impl<'a> RequestHead<'a> {
    /// Creates a head from its three required parts. `path` is without the query.
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
            body_needs_header: false,
            headers,
            route: None,
            find_route: None,
            thread_routes: None,
        }
    }

    /// Sets the query: the part of the URL after the `?`.
    #[must_use]
    pub const fn query(mut self, query: Option<&'a str>) -> Self {
        self.query = query;
        self
    }

    /// Sets the scheme of the URL.
    #[must_use]
    pub const fn scheme(mut self, scheme: UrlScheme) -> Self {
        self.scheme = scheme;
        self
    }

    /// Sets the authority of the URL: HTTP/2's `:authority`, or that of a request in absolute form.
    #[must_use]
    pub const fn authority(mut self, authority: Option<&'a str>) -> Self {
        self.authority = authority;
        self
    }

    /// Sets the protocol version.
    #[must_use]
    pub const fn version(mut self, version: HttpVersion) -> Self {
        self.version = Some(version);
        self
    }

    /// Sets the peer address of the connection, which may be a proxy's.
    #[must_use]
    pub const fn peer(mut self, peer: Option<SocketAddr>) -> Self {
        self.peer = peer;
        self
    }

    /// Sets the exact size of the request body in bytes, if the framework knows it without
    /// `Content-Length`.
    #[must_use]
    pub const fn body_bytes(mut self, bytes: Option<u64>) -> Self {
        self.body_bytes = bytes;
        self
    }

    /// States that the body is framed as in HTTP/1: without `Content-Length` and
    /// `Transfer-Encoding`, there is no body (RFC 9112 §6.3).
    #[must_use]
    pub const fn body_needs_header(mut self) -> Self {
        self.body_needs_header = true;
        self
    }

    /// Sets the route, such as `/items/{id}`, if the framework has already routed the request. A
    /// call of [`Observation::set_route`](crate::adapter::Observation::set_route) is then not
    /// necessary. A request for an [endpoint](crate::adapter::Observation::endpoint) ignores it.
    ///
    /// Each text is stored once and never freed, so it must be a route and never a path.
    #[must_use]
    pub const fn route(mut self, template: Option<&'a str>) -> Self {
        self.route = template;
        self
    }

    /// Sets a function that returns the application's route for this path, for a framework that
    /// routes requests after its middlewares. It is called only if there is an
    /// [endpoint](crate::adapter::Observation::endpoint) at the path, or if
    /// [routes are excluded](crate::ObserverBuilder::exclude_routes) from spans.
    #[must_use]
    pub const fn find_route(mut self, find: &'a dyn Fn() -> Option<String>) -> Self {
        self.find_route = Some(find);
        self
    }

    /// Sets the routes of this thread, for the log lines of a framework that routes requests after
    /// its middlewares.
    #[must_use]
    pub const fn thread_routes(mut self, routes: &ThreadRoutes) -> Self {
        self.thread_routes = Some(routes.id());
        self
    }

    /// Returns the application's route for this path.
    pub(crate) fn application_route(&self) -> Option<Cow<'a, str>> {
        self.route.map(Cow::Borrowed).or_else(|| self.find_route?().map(Cow::Owned))
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

#[cfg(test)]
mod tests {

    use crate::http::{
        headers::{HeaderLookup, length_header},
        response_head::ResponseHead,
    };

    struct One(&'static str);
    impl HeaderLookup for One {
        fn each(&self, _: &str, f: &mut dyn FnMut(&[u8])) {
            f(self.0.as_bytes());
        }
    }

    #[test]
    fn a_content_length_has_only_digits() {
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
