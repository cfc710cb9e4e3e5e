//! What every output reads: one immutable record per request.

use std::{
    borrow::Cow,
    error::Error,
    fmt::{self, Write as _},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

#[cfg(feature = "otel")]
use crate::http::forwarded::host::Host;
use crate::{
    base::{
        panic::{PanicReport, catch},
        text::{self, Bounded, bounded},
    },
    http::{
        grpc::{GrpcCall, status::GrpcStatus},
        head::{HttpVersion, UrlScheme},
        method::Method,
    },
    observer::Observer,
    record::{
        calls::Calls,
        fields::Fields,
        head_text::HeadText,
        identity::User,
        request_id::RequestId,
        route::{self, Route},
        service::Service,
        shared::RequestState,
    },
    redact::Redactor,
    trace::{TraceContext, baggage::Baggage, tracestate::TraceState},
};

/// The longest unknown method that a record keeps, in bytes.
pub(crate) const MAX_METHOD: usize = 32;
/// The longest error message and the longest chain of sources that a record keeps.
const MAX_MESSAGE: usize = 4 * 1024;
const MAX_SOURCES: usize = 16;
/// How far behind its end an error message is read, for a secret that lies across it.
const BEHIND_THE_CUT: usize = 512;

/// How a request ended.
///
/// ```
/// use obs_core::Outcome;
/// assert_eq!(Outcome::CancelledInBody.as_str(), "cancelled_in_body");
/// assert!(!Outcome::CancelledInBody.is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The whole response was handed to the transport, whatever its status. Whether it arrived is not known.
    Completed,
    /// The connection was handed over at the head: 101, or a successful CONNECT.
    Upgraded,
    /// The service returned an error instead of a response.
    ServiceError,
    /// The response's body yielded an error.
    BodyError,
    /// The response's body ended before its declared `Content-Length`.
    Truncated,
    /// The handler, the service's `call`, the body or one of their destructors panicked.
    Panicked,
    /// The handler was dropped before it had answered: the client left, or a timeout outside this layer struck.
    CancelledBeforeResponse,
    /// The response's body was dropped before its end: the client left, or the shutdown aborted it.
    CancelledInBody,
    /// Dropped as the two above, when the time that a gRPC caller was ready to wait (`grpc-timeout`) was over.
    DeadlineExceeded,
}

impl Outcome {
    /// The outcome as events and the `error_type` label name it; `panic` for [`Outcome::Panicked`].
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Upgraded => "upgraded",
            Self::ServiceError => "service_error",
            Self::BodyError => "body_error",
            Self::Truncated => "truncated",
            Self::Panicked => "panic",
            Self::CancelledBeforeResponse => "cancelled_before_response",
            Self::CancelledInBody => "cancelled_in_body",
            Self::DeadlineExceeded => "deadline_exceeded",
        }
    }

    /// Whether the response reached its proper end ([`Completed`](Self::Completed) or
    /// [`Upgraded`](Self::Upgraded)), whatever its status.
    #[must_use]
    pub const fn is_ok(self) -> bool {
        matches!(self, Self::Completed | Self::Upgraded)
    }
}

/// What is known of a request when it starts.
///
/// [`RecordSink::on_start`](crate::RecordSink::on_start) gets it, and [`RequestRecord::request`] has it at the end.
///
/// What looks like a secret is masked in all its texts.
#[non_exhaustive]
pub struct RequestStart {
    /// The service, from [`Observer::builder`](crate::Observer::builder) or the environment.
    pub service: Arc<Service>,
    /// The request's id.
    pub id: RequestId,
    /// The method, folded to a bounded set.
    pub method: Method,
    /// The method's own text where [`method`](Self::method) is `_OTHER`, at most 32 bytes of it.
    pub method_original: Option<Box<str>>,
    /// The scheme of the URL, as the client sees it if [trusted proxies](crate::ObserverBuilder::trusted_proxies) tell.
    pub scheme: UrlScheme,
    /// The protocol's version.
    pub version: Option<HttpVersion>,
    /// The other end of the connection, which may be a proxy.
    pub peer: Option<SocketAddr>,
    /// The client: who [trusted proxies](crate::ObserverBuilder::trusted_proxies) say it is, else the other end of the connection.
    pub client: Option<IpAddr>,
    /// Its place in its trace.
    pub trace: TraceContext,
    /// When the request arrived, by the system's clock.
    pub started_at: SystemTime,
    /// The request body's size in bytes, from `Content-Length` or an exact size hint: 0 if there is none.
    pub body_bytes: Option<u64>,
    /// The headers that [events tell](crate::Events::headers), each with all its values, in lower case.
    pub headers: Vec<(Arc<str>, Vec<String>)>,
    pub(crate) text: HeadText,
    /// The same as `started_at`.
    pub(crate) since_1970: Duration,
}

impl RequestStart {
    /// Without a request.
    pub(crate) fn empty(observer: &Observer) -> Self {
        Self {
            service: Arc::clone(observer.service()),
            id: RequestId::empty(),
            method: Method::Other,
            method_original: None,
            scheme: UrlScheme::Http,
            version: None,
            peer: None,
            client: None,
            trace: TraceContext::start(&(), observer.propagators(), || false),
            started_at: UNIX_EPOCH,
            body_bytes: None,
            headers: Vec::new(),
            text: HeadText::default(),
            since_1970: Duration::ZERO,
        }
    }

    /// Lets go of what belongs to the request, but for the room of its texts.
    pub(crate) fn let_go(&mut self) {
        self.id = RequestId::empty();
        self.method_original = None;
        self.trace.state = TraceState::default();
        self.trace.baggage = Baggage::default();
        if !self.headers.is_empty() {
            self.headers = Vec::new();
        }
        self.text.clear();
    }

    /// The path without its query, at most 1 KiB of it.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.path()
    }

    /// What came after the path's `?`, at most 1 KiB of it.
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
            .field("id", &self.id)
            .field("method", &self.method)
            .field("path", &self.path())
            .field("version", &self.version)
            .field("peer", &self.peer)
            .field("trace", &self.trace.traceparent())
            .field("body_bytes", &self.body_bytes)
            .finish_non_exhaustive()
    }
}

/// An error that ended a request or that its handler reported, as texts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorReport {
    /// The kind that the handler gave it, else the error's Rust type where it is known. A type's name changes when
    /// it is moved, so for dashboards that last give it a [kind](crate::RequestHandle::error_kind).
    pub type_name: Option<&'static str>,
    /// Its `Display`, at most 4 KiB of it.
    pub message: String,
    /// The `Display` of its sources, outermost first, at most 16.
    pub sources: Vec<String>,
}

impl ErrorReport {
    /// An error with its type and its sources.
    #[must_use]
    pub fn of<E: Error + ?Sized>(error: &E) -> Self {
        let mut sources = Vec::new();
        let mut next = error.source();
        while let Some(source) = next
            && sources.len() < MAX_SOURCES
        {
            sources.push(Self::text(&source));
            next = source.source();
        }
        // Of a trait object the type is not known any more.
        let type_name = Some(std::any::type_name::<E>()).filter(|name| !name.starts_with("dyn "));
        Self { type_name, message: Self::text(&error), sources }
    }

    /// An error of which only its text is known.
    #[must_use]
    pub fn of_text(error: &dyn fmt::Display) -> Self {
        Self { type_name: None, message: Self::text(error), sources: Vec::new() }
    }

    /// With what looks like a secret masked.
    pub(crate) fn redacted(mut self, redactor: &Redactor) -> Self {
        for text in std::iter::once(&mut self.message).chain(&mut self.sources) {
            if let Cow::Owned(masked) = redactor.text(text) {
                *text = masked;
            }
            // What would be cut off could not be recognised any more, so it is cut off now.
            if text.len() > MAX_MESSAGE {
                *text = bounded(text, MAX_MESSAGE).into_owned();
            }
        }
        self
    }

    fn text(error: &dyn fmt::Display) -> String {
        // An error's `Display` is user code: it may fail, panic, or never stop writing.
        let mut text = Bounded::new(MAX_MESSAGE.saturating_add(BEHIND_THE_CUT));
        let _ = catch(|| write!(text, "{error}"));
        text.into_text()
    }
}

/// A finished request. Every output reads this and nothing else, so no two of them can disagree.
///
/// ```
/// use obs_core::{Observer, Outcome, RecordSink, RequestHead, RequestRecord};
///
/// struct Slow;
/// impl RecordSink for Slow {
///     fn name(&self) -> &'static str { "slow" }
///     fn on_finish(&self, record: &RequestRecord) {
///         if record.duration.as_secs() > 1 {
///             println!("{} {} was slow", record.request().method.as_str(), record.route_label());
///         }
///     }
/// }
/// let observer = Observer::builder("shop").no_environment().sink(Slow).build()?;
/// observer.start(&RequestHead::new("GET", "/", &())).finish(Outcome::Completed);
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct RequestRecord {
    pub(crate) state: Arc<RequestState>,
    /// The route's template; `None` for a request that matched no route.
    pub route: Option<Route>,
    /// The status that was sent; `None` if no head was.
    pub status: Option<u16>,
    /// How it ended.
    pub outcome: Outcome,
    /// The error that the handler reported last, or with which the service or the body failed.
    pub error: Option<Box<ErrorReport>>,
    /// The panic that ended it.
    pub panic: Option<Box<PanicReport>>,
    /// From the request's head to the response's last byte, or to whatever ended it before.
    pub duration: Duration,
    /// From the request's head to the response's head; `None` if there was none.
    pub time_to_head: Option<Duration>,
    /// The request body's size in bytes: as it was declared, or else as many as the service has read. `None` if it was not declared
    /// and nobody could count.
    pub request_bytes: Option<u64>,
    /// Bytes of the response's body that were handed to the transport.
    pub response_bytes: u64,
    /// Whom it served: see [`RequestHandle::user`](crate::RequestHandle::user).
    pub user: Option<User>,
    /// The feature flags that were evaluated, and what came out: see [`RequestHandle::flag`](crate::RequestHandle::flag).
    pub flags: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// What it called.
    pub calls: Calls,
    /// The handler's own fields.
    pub fields: Fields,
    /// What gRPC tells, if it was a call of gRPC.
    pub grpc: Option<GrpcCall>,
    /// A long-lived answer (server-sent events, an upgrade, gRPC with other than one message, what said so itself): kept out of
    /// the latency histogram.
    pub stream: bool,
    /// Answered by the middleware itself: `/metrics`, `/health`, `/livez`, `/readyz`.
    pub endpoint: bool,
    /// It ended while the service was shutting down.
    pub draining: bool,
    pub(crate) excluded_from_metrics: bool,
    pub(crate) excluded_from_events: bool,
}

impl RequestRecord {
    /// What was known at its start.
    #[must_use]
    pub fn request(&self) -> &RequestStart {
        self.state.request()
    }

    /// The route's template, or `unmatched`.
    #[must_use]
    pub fn route_label(&self) -> &str {
        self.route.as_ref().map_or(route::UNMATCHED, Route::as_str)
    }

    /// The status for metrics' labels: the one that was sent; `499` if the request was cancelled before
    /// that, `504` if its deadline passed before that, `500` if the service failed before that.
    #[must_use]
    pub fn status_label(&self) -> u16 {
        self.status.unwrap_or(match self.outcome {
            Outcome::CancelledBeforeResponse => 499,
            Outcome::DeadlineExceeded => 504,
            _ => 500,
        })
    }

    /// The status that a gRPC call ended with.
    pub(crate) fn grpc_status(&self) -> Option<GrpcStatus> {
        self.grpc.as_ref().and_then(|call| call.status)
    }

    /// A request for an endpoint of ours that went well is worth neither an event nor a span.
    pub(crate) fn is_quiet(&self) -> bool {
        let failed = !self.outcome.is_ok() || self.status.is_some_and(|status| status >= 500);
        self.endpoint && !failed
    }

    /// The low-cardinality kind of its failure; `None` if it did not fail.
    ///
    /// An outcome that is not ok names itself. A 5xx answer has the type that the handler reported, else the
    /// status. An answer below 500 is no failure of the service, even if its handler reported an error; nor is a
    /// 503 of our own to a probe, which is what it asked for. A [status of gRPC's](GrpcStatus::is_failure) counts as a 5xx answer if
    /// it is the service's failure.
    #[must_use]
    #[inline]
    pub fn error_type(&self) -> Option<&'static str> {
        let plain = self.outcome.is_ok() && self.grpc.is_none();
        if plain && self.status.is_none_or(|status| status < 500) { None } else { self.failure() }
    }

    #[inline(never)]
    fn failure(&self) -> Option<&'static str> {
        if !self.outcome.is_ok() {
            return Some(self.outcome.as_str());
        }
        let failed = match self.grpc_status() {
            Some(status) => status.is_failure().then(|| status.as_str()),
            None => self.status.filter(|status| *status >= 500 && !self.endpoint).map(text::status),
        };
        let reported = self.error.as_ref().and_then(|error| error.type_name);
        failed.map(|status| reported.unwrap_or(status))
    }
}

impl fmt::Debug for RequestRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestRecord")
            .field("request", self.request())
            .field("route", &self.route)
            .field("status", &self.status)
            .field("outcome", &self.outcome)
            .field("error", &self.error)
            .field("panic", &self.panic)
            .field("duration", &self.duration)
            .field("time_to_head", &self.time_to_head)
            .field("response_bytes", &self.response_bytes)
            .field("fields", &self.fields)
            .field("stream", &self.stream)
            .field("endpoint", &self.endpoint)
            .field("draining", &self.draining)
            .finish()
    }
}
