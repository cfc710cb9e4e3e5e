//! Everything that is known of work at its start.

#[cfg(feature = "otel")]
use crate::http::forwarded::host::Host;
use crate::{
    http::{
        method::Method,
        protocol::{HttpVersion, UrlScheme},
    },
    record::{
        call::CallStart, head_text::HeadText, policy::Policy, request_id::RequestId, service::Service,
        spans::SpanStart,
    },
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
/// [`RecordSink::on_start`](crate::output::RecordSink::on_start) receives it at the start,
/// [`Record::start`](crate::output::Record::start) returns it at the end. Secrets are masked in all
/// its texts.
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
    /// The id of the work; for a request, the request id.
    pub id: RequestId,
    /// The position in its trace.
    pub trace: TraceContext,
    /// The part that differs by kind.
    pub kind: StartKind,
    /// The time of the start.
    pub(crate) since_1970: Duration,
}

impl Start {
    /// Returns the time of the start, by the system's clock.
    #[must_use]
    pub fn started_at(&self) -> SystemTime {
        UNIX_EPOCH.checked_add(self.since_1970).unwrap_or(UNIX_EPOCH)
    }
}

/// The part of a [`Start`] that differs by the kind of work.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartKind {
    /// An HTTP or gRPC request.
    Request(RequestStart),
    /// A call to another service or to a database.
    Call(CallStart),
    /// A part of other work that the application measures.
    Span(SpanStart),
}

impl StartKind {
    pub(crate) const REQUEST: &'static str = "request";

    /// The name of the kind: `request`, `call` or `span`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Request(_) => Self::REQUEST,
            Self::Call(_) => "call",
            Self::Span(_) => "span",
        }
    }
}

/// The start of a request: everything that its head says. See [`Start`].
#[non_exhaustive]
pub struct RequestStart {
    /// The method, reduced to a bounded set.
    pub method: Method,
    /// The method's original text if [`method`](Self::method) is `_OTHER`, at most 32 bytes.
    pub method_original: Option<Box<str>>,
    /// The URL's scheme from [trusted proxies](crate::ObserverBuilder::trusted_proxies), otherwise
    /// that of the connection.
    pub scheme: UrlScheme,
    /// The protocol's version.
    pub version: Option<HttpVersion>,
    /// The peer address of the connection, which may belong to a proxy.
    pub peer: Option<SocketAddr>,
    /// The client's address from [trusted proxies](crate::ObserverBuilder::trusted_proxies),
    /// otherwise the peer address.
    pub client: Option<IpAddr>,
    /// The request body's size in bytes, from `Content-Length` or an exact size hint; 0 without a
    /// body.
    pub body_bytes: Option<u64>,
    /// The values of the headers that [events record](crate::Events::headers). Names are in lower
    /// case.
    pub headers: Vec<(Arc<str>, Vec<String>)>,
    pub(crate) text: HeadText,
}

impl Start {
    /// A placeholder for the start of a request that is not known yet.
    pub(crate) fn no_request(policy: &Policy) -> Self {
        Self {
            service: Arc::clone(&policy.service),
            id: RequestId::empty(),
            trace: TraceContext::new(policy.propagators),
            kind: StartKind::Request(RequestStart::empty()),
            since_1970: Duration::ZERO,
        }
    }

    /// The start of the request; `None` for other kinds of work.
    #[must_use]
    pub const fn request(&self) -> Option<&RequestStart> {
        match &self.kind {
            StartKind::Request(request) => Some(request),
            StartKind::Call(_) | StartKind::Span(_) => None,
        }
    }

    /// The start of the call; `None` for other kinds of work.
    #[must_use]
    pub const fn call(&self) -> Option<&CallStart> {
        match &self.kind {
            StartKind::Call(call) => Some(call),
            StartKind::Request(_) | StartKind::Span(_) => None,
        }
    }

    /// Resets everything that belongs to one request. The capacity for its texts is kept.
    #[inline]
    pub(crate) fn reset(&mut self) {
        let Self { service: _, id, trace, kind, since_1970: _ } = self;
        *id = RequestId::empty();
        trace.reset();
        match kind {
            StartKind::Request(request) => request.reset(),
            StartKind::Call(_) | StartKind::Span(_) => {}
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

    #[inline]
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

    /// The path without its query, at most 1 KiB.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.path()
    }

    /// The query after the `?`, at most 1 KiB.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.text.query()
    }

    /// The `User-Agent` header, at most 256 bytes.
    #[must_use]
    pub fn user_agent(&self) -> Option<&str> {
        self.text.user_agent()
    }

    /// The host that the client named.
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
