//! The rules of an observer. They refer to its outputs only weakly.

use std::{
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    base::{
        counter::Counter,
        panic::{PanicReport, catch},
    },
    http::{
        answer::Answer, forwarded::network::TrustedProxies, found_headers::HeaderNameSet, head::RequestHead,
        method::KnownMethods,
    },
    record::{
        dependency::DependencyTable,
        finished::Record,
        hook::Hook,
        id_policy::IdPolicy,
        identity::IdentityPolicy,
        internal_hosts::InternalHosts,
        known_database::KnownDatabase,
        repeated::RepeatedQueries,
        route::RouteTable,
        service::Service,
        start::{RequestStart, Start},
        work_outputs::WorkOutputs,
    },
    redact::{Redactor, diagnostics},
    trace::propagation::Propagators,
};

/// The response to a panic in a handler, after the panic has been recorded.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum PanicPolicy {
    /// The client gets a 500 as `application/problem+json` with the request id; over gRPC, status
    /// 13 (INTERNAL).
    #[default]
    Answer,
    /// The panic continues, as it would without this middleware: the connection or stream is
    /// aborted.
    Resume,
    /// The client gets the application's own answer: see [`with`](Self::with).
    Custom(PanicAnswer),
}

/// The application's own answer to a panic: see [`PanicPolicy::with`].
#[derive(Clone)]
pub struct PanicAnswer(Arc<AnswerToPanic>);

struct AnswerToPanic<F: ?Sized = dyn Fn(&PanicReport) -> Answer + Send + Sync> {
    /// True once the warning about a panic of the function was logged.
    warned: AtomicBool,
    make: F,
}

impl PanicPolicy {
    /// Answers each panic with the result of `answer`.
    ///
    /// The function runs in the scope of the request, so [`current`](crate::current) returns the
    /// request's handle. Secrets in the message of the report are already masked. The request is
    /// recorded as a panic, whatever the status of the answer is. If the function panics, the
    /// client gets the default answer.
    ///
    /// A gRPC call always gets the default answer: its client expects a status of gRPC.
    pub fn with(answer: impl Fn(&PanicReport) -> Answer + Send + Sync + 'static) -> Self {
        Self::Custom(PanicAnswer(Arc::new(AnswerToPanic { warned: AtomicBool::new(false), make: answer })))
    }
}

impl PanicAnswer {
    pub(crate) fn make(&self, report: &PanicReport) -> Answer {
        (self.0.make)(report)
    }

    /// Warns about a panic of the function, once.
    pub(crate) fn warn(&self, panic: &PanicReport) {
        if !self.0.warned.swap(true, Ordering::Relaxed) {
            diagnostics::warn(format_args!(
                "the function of `PanicPolicy::with` panicked: {}; clients get the default answer instead",
                panic.message
            ));
        }
    }
}

impl fmt::Debug for PanicAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PanicAnswer").finish_non_exhaustive()
    }
}

/// The response header that returns the trace context to the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TraceHeader {
    /// No header.
    #[default]
    Off,
    /// `traceresponse`, a W3C draft: for other services.
    TraceResponse,
    /// `server-timing: traceparent;desc="…"`: readable by web pages in browsers.
    ServerTiming,
}

/// A rule that returns true for requests from outside, whose trace is not continued.
pub(crate) type PublicEndpoint = Box<dyn Fn(&RequestHead<'_>) -> bool + Send + Sync>;

/// A function that returns the kind of failure of a record; `None` if it has not failed.
pub(crate) type Classifier = dyn Fn(&Record) -> Option<&'static str> + Send + Sync;

/// A function that is called with the start of a request and the status of its response.
pub(crate) type OnResponded = Box<dyn Fn(&Start, u16) + Send + Sync>;

/// The rules by which an observer identifies, describes and masks its work.
///
/// It keeps no output, so records and handles may keep it for ever. The alignment separates it from
/// its reference count, which all cores write to: a processor fetches two cache lines at once.
#[repr(align(128))]
pub(crate) struct Policy {
    pub(crate) service: Arc<Service>,
    pub(crate) redactor: Redactor,
    pub(crate) identities: IdentityPolicy,
    /// The headers that events record, in lower case.
    pub(crate) recorded_headers: Vec<Arc<str>>,
    /// The headers above, the headers of the request id, and the headers that the core reads.
    pub(crate) header_names: HeaderNameSet,
    pub(crate) ids: IdPolicy,
    pub(crate) panic_policy: PanicPolicy,
    pub(crate) public_endpoint: Option<PublicEndpoint>,
    pub(crate) classifier: Option<Hook<Classifier>>,
    pub(crate) trace_header: TraceHeader,
    pub(crate) known_methods: KnownMethods,
    pub(crate) propagators: Propagators,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) routes: RouteTable,
    pub(crate) dependencies: DependencyTable,
    pub(crate) internal_hosts: InternalHosts,
    /// The database of clients that do not know it.
    pub(crate) database: Option<KnownDatabase>,
    pub(crate) repeated_queries: RepeatedQueries,
    /// The outputs, which keep the policy. The reference is weak, so the policy does not keep them.
    /// The observer sets it when it is made.
    pub(crate) outputs: Option<Weak<dyn WorkOutputs>>,
    pub(crate) late_writes: LateWrites,
    /// True if each request has a span of `tracing`.
    #[cfg(feature = "logs")]
    pub(crate) tracing_span: bool,
    /// The test kit, which names requests that still run.
    #[cfg(feature = "testing")]
    pub(crate) on_responded: Option<OnResponded>,
}

impl Policy {
    /// The outputs, unless the observer is gone.
    pub(crate) fn outputs(&self) -> Option<Arc<dyn WorkOutputs>> {
        self.outputs.as_ref()?.upgrade()
    }

    /// Returns true if the trace of a request is continued. A rule that panics counts as untrusted.
    pub(crate) fn trusts_trace(&self, head: &RequestHead<'_>) -> bool {
        let is_public = |rule: &PublicEndpoint| catch(|| rule(head)).unwrap_or(true);
        !self.public_endpoint.as_ref().is_some_and(is_public)
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("service", &self.service.name).finish_non_exhaustive()
    }
}

/// Writes to work that has ended: each is counted, the first is warned about.
pub(crate) struct LateWrites {
    count: Arc<Counter>,
    warned: AtomicBool,
}

impl LateWrites {
    pub(crate) const fn new(count: Arc<Counter>) -> Self {
        Self { count, warned: AtomicBool::new(false) }
    }

    pub(crate) fn note(&self, start: &Start) {
        self.count.add(1);
        if !self.warned.swap(true, Ordering::Relaxed) {
            let path = start.request().map_or("", RequestStart::path);
            diagnostics::warn(format_args!(
                "request {} ({path}) was written to after it had ended; the data is dropped, and further \
                 late writes are only counted in `obs_late_writes_total`",
                start.id,
            ));
        }
    }
}
