//! Everything that is known of work when it starts.

#[cfg(feature = "otel")]
#[cfg(feature = "otel")]
use crate::http::forwarded::host::Host;
use crate::{
    http::{
        method::Method,
        protocol::{HttpVersion, UrlScheme},
    },
    record::{head_text::HeadText, policy::Policy, request_id::RequestId, service::Service},
    trace::TraceContext,
};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The longest unknown method that a record keeps, in bytes.
pub(crate) const MAX_METHOD: usize = 32;

/// The start of a piece of work: the part that all kinds of work have, and the part of its kind.
///
/// [`RecordSink::on_start`](crate::output::RecordSink::on_start) gets it, and [`Record::start`](crate::output::Record::start) has it at
/// the end. Secrets are masked in all its texts.
///
/// ```
/// use obs_core::{Observer, adapter::RequestHead, output::StartKind};
///
/// let observer = Observer::builder("shop").no_environment().build()?;
/// let observation = observer.start(&RequestHead::new("GET", "/items/7", &()));
/// let StartKind::Request(request) = &observation.start().kind else { panic!("it is a request") };
/// assert_eq!(request.path(), "/items/7");
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Start {
    /// The service, from [`Observer::builder`](crate::Observer::builder) or the environment.
    pub service: Arc<Service>,
    /// The id of the work: for a request its request id.
    pub id: RequestId,
    /// The place in its trace.
    pub trace: TraceContext,
    /// The time of the start, by the system's clock.
    pub started_at: SystemTime,
    /// The part that differs by kind.
    pub kind: StartKind,
    /// The same time as `started_at`.
    pub(crate) since_1970: Duration,
}

/// The part of a [`Start`] that differs by the kind of work.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartKind {
    /// An HTTP or gRPC request.
    Request(RequestStart),
}

impl StartKind {
    /// The kind's name, as events have it: `request`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Request(_) => "request",
        }
    }
}

/// The start of a request: everything that its head says. See [`Start`].
#[non_exhaustive]
pub struct RequestStart {
    /// The method, folded to a bounded set.
    pub method: Method,
    /// The method's own text where [`method`](Self::method) is `_OTHER`, at most 32 bytes of it.
    pub method_original: Option<Box<str>>,
    /// The URL's scheme, as the client sees it if [trusted proxies](crate::ObserverBuilder::trusted_proxies) say so.
    pub scheme: UrlScheme,
    /// The protocol's version.
    pub version: Option<HttpVersion>,
    /// The other end of the connection, which may be a proxy.
    pub peer: Option<SocketAddr>,
    /// The client that [trusted proxies](crate::ObserverBuilder::trusted_proxies) name, else the other end of the
    /// connection.
    pub client: Option<IpAddr>,
    /// The request body's size in bytes, from `Content-Length` or an exact size hint: 0 if there is none.
    pub body_bytes: Option<u64>,
    /// The headers that [events record](crate::Events::headers), each with all its values, in lower case.
    pub headers: Vec<(Arc<str>, Vec<String>)>,
    pub(crate) text: HeadText,
}

impl Start {
    /// A request's start before there is a request.
    pub(crate) fn no_request(policy: &Policy) -> Self {
        Self {
            service: Arc::clone(&policy.service),
            id: RequestId::empty(),
            trace: TraceContext::start(&(), policy.propagators, || false),
            started_at: UNIX_EPOCH,
            kind: StartKind::Request(RequestStart::empty()),
            since_1970: Duration::ZERO,
        }
    }

    /// The part of a request; `None` for other kinds of work.
    #[must_use]
    pub const fn request(&self) -> Option<&RequestStart> {
        match &self.kind {
            StartKind::Request(request) => Some(request),
        }
    }

    /// Drops everything that belongs to one request. The room for its texts stays.
    pub(crate) fn reset(&mut self) {
        let Self { service: _, id, trace, started_at: _, kind, since_1970: _ } = self;
        *id = RequestId::empty();
        trace.reset();
        match kind {
            StartKind::Request(request) => request.reset(),
        }
    }
}

impl RequestStart {
    fn empty() -> Self {
        Self {
            method: Method::Other,
            method_original: None,
            scheme: UrlScheme::Http,
            version: None,
            peer: None,
            client: None,
            body_bytes: None,
            headers: Vec::new(),
            text: HeadText::default(),
        }
    }

    fn reset(&mut self) {
        let Self { method, method_original, scheme, version, peer, client, body_bytes, headers, text } = self;
        (*method, *scheme, *version) = (Method::Other, UrlScheme::Http, None);
        (*peer, *client, *body_bytes) = (None, None, None);
        *method_original = None;
        if !headers.is_empty() {
            *headers = Vec::new();
        }
        text.clear();
    }

    /// The path without its query, at most 1 KiB of it.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.path()
    }

    /// The text after the path's `?`, at most 1 KiB of it.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.text.query()
    }

    /// The `User-Agent` header, at most 256 bytes of it.
    #[must_use]
    pub fn user_agent(&self) -> Option<&str> {
        self.text.user_agent()
    }

    /// The host that the client has named.
    #[cfg(feature = "otel")]
    pub(crate) fn host(&self) -> Option<Host<'_>> {
        self.text.host()
    }
}

impl fmt::Debug for RequestStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestStart")
            .field("method", &self.method)
            .field("path", &self.path())
            .field("version", &self.version)
            .field("peer", &self.peer)
            .field("body_bytes", &self.body_bytes)
            .finish_non_exhaustive()
    }
}
