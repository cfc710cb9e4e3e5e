//! The immutable record of a finished piece of work, which every output reads.

#[cfg(feature = "logs")]
use crate::record::kept_lines::KeptLines;
use crate::{
    base::panic::PanicReport,
    http::grpc::{GrpcCall, status::GrpcStatus},
    record::{
        call::{CallEnd, FinishedCall},
        calls::Calls,
        error::ErrorReport,
        fields::Fields,
        identity::User,
        outcome::Outcome,
        route::{self, Excluded, Route},
        spans::{SpanEnd, SpanStart, SpanTotals},
        start::{RequestStart, Start, StartKind},
        state::WorkState,
    },
    write::digits,
};
use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

/// A finished piece of work: the part that all kinds of work have, and the part of its kind.
///
/// All outputs read records and nothing else, so they cannot disagree.
///
/// ```
/// use obs_core::{Observer, Outcome, adapter::RequestHead, output::{Record, RecordSink}};
///
/// struct Slow;
/// impl RecordSink for Slow {
///     fn name(&self) -> &str { "slow" }
///     fn on_finish(&self, record: &Record) {
///         if let Some(request) = record.request() && record.duration.as_secs() > 1 {
///             println!("{} {} was slow", request.start.method.as_str(), request.route_label());
///         }
///     }
/// }
/// let observer = Observer::builder("shop").no_environment().sink(Slow).build()?;
/// observer.start(&RequestHead::new("GET", "/", &())).finish(Outcome::Completed);
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Record {
    pub(crate) state: Arc<WorkState>,
    /// The way in which it ended.
    pub outcome: Outcome,
    /// The last error that the application reported, or the error with which the service or the
    /// body failed.
    pub error: Option<Box<ErrorReport>>,
    /// The panic that ended it.
    pub panic: Option<Box<PanicReport>>,
    /// The time from start to end. For a request: from its head to the last byte of the response,
    /// or to its earlier end.
    pub duration: Duration,
    /// The user that it served: see [`Work::user`](crate::Work::user).
    pub user: Option<User>,
    /// The evaluated feature flags, each with its variant: see [`Work::flag`](crate::Work::flag).
    pub flags: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// The calls that it made.
    pub calls: Calls,
    /// The application's own fields.
    pub fields: Fields,
    /// True if it ended while the service was shutting down.
    pub draining: bool,
    /// The part that differs by kind.
    pub kind: RecordKind,
    /// The outputs from which it is excluded.
    pub(crate) excluded: Excluded,
    /// True if a status below 500 is enough to know that it did not fail.
    pub(crate) by_status: bool,
    pub(crate) classified: Classified,
    /// True if a rule of the events keeps it. The rules run when an output asks first.
    pub(crate) kept_by_rule: OnceLock<bool>,
    /// The log lines that were collected, and are written only if it failed.
    #[cfg(feature = "logs")]
    pub(crate) kept_lines: Option<Arc<KeptLines>>,
}

/// The decision of the application about the failure of a record.
#[derive(Clone, Copy)]
pub(crate) enum Classified {
    /// The application has no classifier, or it has not been called yet.
    ByDefault,
    As(Option<&'static str>),
}

/// The part of a [`Record`] that differs by the kind of work.
///
/// ```
/// # fn show(record: &obs_core::output::Record) {
/// use obs_core::output::RecordKind;
/// match &record.kind {
///     RecordKind::Request(request) => println!("a request with status {:?}", request.status),
///     _ => println!("work of another kind"),
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RecordKind {
    /// An HTTP or gRPC request.
    Request(RequestEnd),
    /// A call to another service or to a database.
    Call(CallEnd),
    /// A part of other work that the application measures.
    Span(SpanEnd),
}

/// The end of a request: everything that is known of its response. See [`Record`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestEnd {
    /// The route; `None` for a request that matched no route.
    pub route: Option<Route>,
    /// The status that was sent; `None` if no response head was sent.
    pub status: Option<u16>,
    /// The time from the request's head to the response's head; `None` if there was no response.
    pub time_to_head: Option<Duration>,
    /// The request body's size in bytes: the declared size, otherwise the bytes that the service
    /// read. `None` if neither is known.
    pub request_bytes: Option<u64>,
    /// The bytes of the response's body that were handed to the transport.
    pub response_bytes: u64,
    /// The facts of the gRPC call, if it was one.
    pub grpc: Option<GrpcCall>,
    /// True for a long-lived response: server-sent events, an upgrade, a gRPC call that streams
    /// messages, or [`Work::streaming`](crate::Work::streaming). Such requests are excluded from
    /// the latency histogram.
    pub stream: bool,
    /// True if an endpoint of the observer answered it, such as `/metrics` or `/readyz`.
    pub endpoint: bool,
}

/// The start and the end of a finished request: see [`Record::request`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FinishedRequest<'a> {
    /// Everything that its head says.
    pub start: &'a RequestStart,
    /// Everything that is known of its response.
    pub end: &'a RequestEnd,
    outcome: Outcome,
}

impl Record {
    /// Everything that was known at its start.
    #[must_use]
    pub fn start(&self) -> &Start {
        &self.state.start
    }

    /// The finished request; `None` for other kinds of work.
    #[must_use]
    #[inline]
    pub fn request(&self) -> Option<FinishedRequest<'_>> {
        match (&self.state.start.kind, &self.kind) {
            (StartKind::Request(start), RecordKind::Request(end)) => {
                Some(FinishedRequest { start, end, outcome: self.outcome })
            }
            _ => None,
        }
    }

    /// The finished call; `None` for other kinds of work.
    #[must_use]
    pub fn call(&self) -> Option<FinishedCall<'_>> {
        match (&self.state.start.kind, &self.kind) {
            (StartKind::Call(start), RecordKind::Call(end)) => Some(FinishedCall { start, end }),
            _ => None,
        }
    }

    /// The start and the end of a span that the application measured; `None` for other kinds of
    /// work.
    #[must_use]
    pub fn span(&self) -> Option<(&SpanStart, SpanEnd)> {
        match (&self.state.start.kind, &self.kind) {
            (StartKind::Span(start), RecordKind::Span(end)) => Some((start, *end)),
            _ => None,
        }
    }

    /// The spans of the application inside of it: the totals of each name, in the order of their
    /// first ends. At most 16 names are counted separately.
    #[must_use]
    pub fn spans(&self) -> &[SpanTotals] {
        self.calls.spans()
    }

    /// The low-cardinality kind of its failure; `None` if it did not fail.
    ///
    /// * An outcome that is not ok: the outcome's name.
    /// * A 5xx response: the type that the handler reported, otherwise the status.
    /// * A gRPC status that is [the service's failure](GrpcStatus::is_failure): the same as for a
    ///   5xx response.
    /// * A response below 500: none, even if its handler reported an error.
    /// * A 5xx response of one of our endpoints: none, because 503 is a correct answer to a probe.
    /// * A call: see [`CallEnd::error_type`].
    /// * A span that failed: the type of its error, otherwise `failed`.
    ///
    /// A [classifier](crate::ObserverBuilder::classify_errors) can decide otherwise.
    #[must_use]
    #[inline]
    pub fn error_type(&self) -> Option<&'static str> {
        match &self.kind {
            RecordKind::Request(request) => self.error_type_of(request),
            _ => self.failure_of_inner(),
        }
    }

    /// The same for the request whose end this is. The outputs of requests know the end already.
    #[inline]
    pub(crate) fn error_type_of(&self, request: &RequestEnd) -> Option<&'static str> {
        if self.by_status && request.status.is_none_or(|status| status < 500) {
            None
        } else {
            self.failure(request)
        }
    }

    #[inline(never)]
    fn failure_of_inner(&self) -> Option<&'static str> {
        match &self.kind {
            RecordKind::Call(call) => call.error_type(),
            RecordKind::Span(span) => {
                let reported = self.error.as_ref().and_then(|error| error.type_name);
                span.failed.then(|| reported.unwrap_or("failed"))
            }
            RecordKind::Request(_) => None,
        }
    }

    #[inline(never)]
    fn failure(&self, request: &RequestEnd) -> Option<&'static str> {
        if let Classified::As(error_type) = self.classified {
            return error_type;
        }
        if !self.outcome.is_ok() {
            return Some(self.outcome.as_str());
        }
        let failed = match request.grpc_status() {
            Some(status) => status.is_failure().then(|| status.as_str()),
            None => request.status.filter(|status| *status >= 500 && !request.endpoint).map(digits::status),
        };
        let reported = self.error.as_ref().and_then(|error| error.type_name);
        failed.map(|status| reported.unwrap_or(status))
    }

    /// Returns true if it needs neither an event nor a span: a successful request for one of our
    /// endpoints.
    pub(crate) fn is_quiet(&self) -> bool {
        let RecordKind::Request(request) = &self.kind else { return false };
        // Few requests are for an endpoint, so this is checked first.
        request.endpoint && self.outcome.is_ok() && request.status.is_none_or(|status| status < 500)
    }
}

impl RequestEnd {
    /// The status that a gRPC call ended with.
    pub(crate) fn grpc_status(&self) -> Option<GrpcStatus> {
        self.grpc.as_ref().and_then(|call| call.status)
    }
}

impl FinishedRequest<'_> {
    /// The route, or `unmatched`.
    #[must_use]
    pub fn route_label(&self) -> &'static str {
        self.end.route.as_ref().map_or(route::UNMATCHED, Route::as_str)
    }

    /// The status for the labels of metrics: the status that was sent, otherwise one that stands
    /// for the outcome. A cancelled request has `499`, a passed deadline `504`, any other failure
    /// `500`.
    #[must_use]
    pub fn status_label(&self) -> u16 {
        self.outcome.status_label(self.end.status)
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("start", self.start())
            .field("kind", &self.kind)
            .field("outcome", &self.outcome)
            .field("error", &self.error)
            .field("panic", &self.panic)
            .field("duration", &self.duration)
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}
