//! What a request's observation and all its handles share.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, UNIX_EPOCH},
};

#[cfg(feature = "otel")]
use crate::outputs::otel::tracing::RequestSpan;
use crate::{
    base::{clock::Moment, panic::PanicReport, text::bounded},
    endpoints::Endpoint,
    http::{
        forwarded::Forwarded,
        grpc::GrpcRequest,
        head::{HeaderLookup, RequestHead, length_header},
        method::Method,
        wanted::Wanted,
    },
    observer::{Observer, WeakObserver},
    record::{
        enrichment::Enrichment,
        finished::{MAX_METHOD, Outcome, RequestRecord, RequestStart},
    },
    redact::Redactor,
    request::{handle::RequestHandle, in_flight::Progress, request_body::Received},
    trace::TraceContext,
};

/// One request, as long as anything of it is alive.
///
/// It does not keep the observer alive: a sink may keep records, and the observer keeps the sink.
pub(crate) struct RequestState {
    observer: WeakObserver,
    redactor: Redactor,
    start: RequestStart,
    started: Instant,
    /// Of a request whose content type is one of gRPC's.
    grpc: Option<Box<GrpcRequest>>,
    /// The endpoint of ours that it asks for.
    endpoint: Option<Endpoint>,
    #[cfg(feature = "otel")]
    span: Option<RequestSpan>,
    outer: Option<RequestHandle>,
    /// How much of the request's body was read, where somebody counts.
    pub(crate) received: Received,
    enrichment: Mutex<Enrichment>,
}

/// No body is longer, in bytes: a greater `Content-Length` is a lie, and would spoil the sum of all sizes.
const MAX_LENGTH: u64 = 1 << 44;

impl RequestState {
    /// Without a request.
    pub(crate) fn empty(observer: &Observer) -> Self {
        Self {
            observer: observer.downgrade(),
            redactor: observer.redactor().clone(),
            start: RequestStart::empty(observer),
            started: Instant::now(),
            grpc: None,
            endpoint: None,
            #[cfg(feature = "otel")]
            span: None,
            outer: None,
            received: Received::default(),
            enrichment: Mutex::new(Enrichment { finished: true, ..Enrichment::default() }),
        }
    }

    /// A request starts.
    pub(crate) fn begin(&mut self, observer: &Observer, head: &RequestHead<'_>) {
        // The end of the request before has emptied it.
        self.enrichment.get_mut().unwrap_or_else(PoisonError::into_inner).finished = false;
        let now = Moment::now();
        self.started = now.instant;
        let mut headers = Wanted::none();
        headers.look(head.headers, observer.wanted_headers());
        let headers = &headers;
        let outer = head.outer.filter(|outer| outer.is_active());
        let method = observer.known_methods().parse(head.method);
        let peer = head.peer.map(|peer| peer.ip());
        let forwarded = Forwarded::of(headers, peer, observer.trusted_proxies()).unwrap_or_default();
        self.grpc = GrpcRequest::of(headers).map(Box::new);
        self.endpoint = observer.endpoints().asked(head);

        let start = &mut self.start;
        start.started_at = UNIX_EPOCH.checked_add(now.since_1970).unwrap_or(UNIX_EPOCH);
        start.since_1970 = now.since_1970;
        start.id = match outer.and_then(RequestHandle::request_id) {
            Some(shared) => shared.clone(),
            None => observer.ids().choose(headers, observer.redactor(), start.since_1970),
        };
        start.trace = match outer.and_then(RequestHandle::trace) {
            Some(shared) => shared.clone(),
            None => TraceContext::start(headers, observer.propagators(), || observer.trusts_trace(head)),
        };
        start.method = method;
        if method == Method::Other {
            start.method_original = Some(original_method(observer, head.method));
        }
        start.scheme = forwarded.scheme.unwrap_or(head.scheme);
        start.version = head.version;
        start.peer = head.peer;
        start.client = forwarded.client.or(peer);
        let declared = length_header(headers, "content-length").filter(|length| *length <= MAX_LENGTH);
        start.body_bytes = declared.or(head.body_bytes);
        if !observer.told_headers().is_empty() {
            start.headers = told_headers(observer, headers);
        }
        self.outer = outer.cloned();
        let tells_host = self.decide(observer);
        let host = tells_host.then(|| forwarded.host.as_deref().or(head.authority));
        self.start.text.fill(head, headers, observer.redactor(), host);

        self.received = Received::default();
        let route = head.route.filter(|_| self.endpoint.is_none());
        let route = route.and_then(|template| observer.intern_route(template));
        self.enrichment.get_mut().unwrap_or_else(PoisonError::into_inner).route = route;
        #[cfg(feature = "otel")]
        {
            self.span = self.start_span(observer);
        }
    }

    /// Lets go of what belongs to nobody but the request that has ended. What was added to it went into its record.
    ///
    /// False if it was torn in the middle, so that more may be left of it than is let go here.
    pub(crate) fn let_go(&mut self) -> bool {
        self.grpc = None;
        #[cfg(feature = "otel")]
        {
            self.span = None;
        }
        self.outer = None;
        self.start.let_go();
        self.enrichment.get_mut().is_ok_and(|enrichment| enrichment.finished)
    }

    pub(crate) const fn request(&self) -> &RequestStart {
        &self.start
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn grpc(&self) -> Option<&GrpcRequest> {
        self.grpc.as_deref()
    }

    #[cfg(feature = "otel")]
    pub(crate) const fn span(&self) -> Option<&RequestSpan> {
        self.span.as_ref()
    }

    /// Decides whether the request is traced, and whether anybody will want to know the host that the client has named.
    #[cfg(feature = "otel")]
    fn decide(&mut self, observer: &Observer) -> bool {
        match observer.tracing() {
            None => false,
            Some(tracing) => !self.has_span_from_start() || tracing.decide(&mut self.start.trace),
        }
    }

    #[cfg(not(feature = "otel"))]
    fn decide(&mut self, _: &Observer) -> bool {
        false
    }

    /// Not so if another observer makes a span of this very request already, or it asks for an endpoint of ours, which gets one only if
    /// it fails.
    #[cfg(feature = "otel")]
    fn has_span_from_start(&self) -> bool {
        self.outer.as_ref().and_then(RequestHandle::span).is_none() && self.endpoint.is_none()
    }

    #[cfg(feature = "otel")]
    fn start_span(&mut self, observer: &Observer) -> Option<RequestSpan> {
        let tracing = observer.tracing().filter(|_| self.has_span_from_start())?;
        let grpc = self.grpc.as_deref().filter(|request| request.native);
        tracing.start(&mut self.start, grpc, observer.identities())
    }

    pub(crate) const fn endpoint(&self) -> Option<Endpoint> {
        self.endpoint
    }

    pub(crate) const fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    pub(crate) const fn observer(&self) -> &WeakObserver {
        &self.observer
    }

    pub(crate) const fn outer(&self) -> Option<&RequestHandle> {
        self.outer.as_ref()
    }

    /// Writes to a request that runs; a late write is counted instead.
    pub(crate) fn enrich(&self, write: impl FnOnce(&mut Enrichment)) {
        let mut enrichment = self.lock();
        if enrichment.finished {
            drop(enrichment);
            if let Some(observer) = self.observer.upgrade() {
                observer.late_write(&self.start);
            }
        } else {
            write(&mut enrichment);
        }
    }

    /// Names the route. What comes from within wins over what the framework says.
    pub(crate) fn set_route(&self, observer: &Observer, template: &str, from_within: bool) {
        let route = observer.intern_route(template);
        self.enrich(|e| {
            if from_within || !e.route_from_within {
                e.route = route;
                e.route_from_within = from_within;
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Enrichment> {
        self.enrichment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the request: what is written from now on is late.
    pub(crate) fn finish(
        this: &Arc<Self>,
        observer: &Observer,
        progress: &mut Progress,
        outcome: Outcome,
    ) -> RequestRecord {
        Self::close(this, &mut this.lock(), observer, progress, outcome)
    }

    /// Ends the request of a process that is about to abort.
    ///
    /// The observation itself sits in a stack that will never unwind, so status and bytes stay unknown.
    pub(crate) fn abort(this: &Arc<Self>, panic: PanicReport) {
        let Some(observer) = this.observer.upgrade() else { return };
        // The panicking thread might hold the lock, and it will never release it.
        let Ok(mut enrichment) = this.enrichment.try_lock() else { return };
        if enrichment.finished {
            return;
        }
        enrichment.panic = Some(panic.redacted(&this.redactor).into());
        let record =
            Self::close(this, &mut enrichment, &observer, &mut Progress::default(), Outcome::Panicked);
        drop(enrichment);
        observer.on_finish(&record);
        observer.flush(Duration::from_secs(1));
    }

    fn close(
        this: &Arc<Self>,
        enrichment: &mut Enrichment,
        observer: &Observer,
        progress: &mut Progress,
        outcome: Outcome,
    ) -> RequestRecord {
        // Whatever becomes of the answer to a panic: it was one.
        let mut outcome = if enrichment.panic.is_some() { Outcome::Panicked } else { outcome };
        let duration = this.elapsed();
        let call = this.grpc().filter(|request| request.native).map(|request| {
            let (call, ended) = this.end_call(request, enrichment, observer, progress, outcome, duration);
            outcome = ended;
            call
        });
        let stream = progress.stream || enrichment.stream;
        let excluded = observer.excludes(enrichment.route.as_ref());
        let error = enrichment.take_error();
        // All of it: the memory's next request must find nothing.
        let Enrichment {
            fields,
            error: _,
            error_kind,
            panic,
            route,
            route_from_within,
            stream: said_to_be_a_stream,
            user,
            flags,
            calls,
            finished,
        } = enrichment;
        *finished = true;
        (*error_kind, *route_from_within, *said_to_be_a_stream) = (None, false, false);
        RequestRecord {
            state: Arc::clone(this),
            excluded_from_metrics: excluded.metrics,
            excluded_from_events: excluded.events,
            error,
            route: route.take(),
            request_bytes: this.start.body_bytes.or_else(|| this.received.bytes()),
            status: progress.status,
            outcome,
            panic: panic.take(),
            duration,
            time_to_head: progress.time_to_head,
            response_bytes: progress.response_bytes,
            user: user.take(),
            flags: mem::take(flags),
            calls: mem::take(calls),
            fields: mem::take(fields),
            grpc: call,
            stream,
            endpoint: progress.endpoint,
            draining: observer.is_draining(),
        }
    }
}

/// A method that is none of those that are known.
#[inline(never)]
fn original_method(observer: &Observer, method: &str) -> Box<str> {
    bounded(&observer.redactor().text(method), MAX_METHOD).into()
}

/// The values of the headers that events tell.
#[inline(never)]
fn told_headers(observer: &Observer, headers: &(impl HeaderLookup + ?Sized)) -> Vec<(Arc<str>, Vec<String>)> {
    /// The most values of a header, and the longest value, that are kept.
    const MAX_VALUES: usize = 8;
    const MAX_VALUE: usize = 1024;
    let mut told = Vec::new();
    for name in observer.told_headers() {
        let mut values = Vec::new();
        headers.each(name, &mut |value| {
            if values.len() < MAX_VALUES {
                let value = String::from_utf8_lossy(value);
                values.push(bounded(&observer.redactor().value(name, &value), MAX_VALUE).into_owned());
            }
        });
        if !values.is_empty() {
            told.push((Arc::clone(name), values));
        }
    }
    told
}
