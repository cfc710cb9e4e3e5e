//! What a request's observation and all its handles share.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use crate::{
    ErrorReport, Fields, HeaderLookup, Method, Observer, Outcome, PanicReport, RequestHandle, RequestHead,
    RequestRecord, RequestStart, Route, TraceContext,
    head::{content_type_is, first_header, length_header},
    observer::WeakObserver,
    record::{MAX_METHOD, MAX_PATH},
    text::bounded,
};

/// One request, as long as anything of it is alive.
///
/// It does not keep the observer alive: a sink may keep records, and the observer keeps the sink.
pub(crate) struct RequestState {
    observer: WeakObserver,
    start: RequestStart,
    started: Instant,
    /// The request's content type if it is one of gRPC's.
    grpc: Option<String>,
    outer: Option<RequestHandle>,
    enrichment: Mutex<Enrichment>,
}

/// What may still be added while the request runs.
#[derive(Default)]
pub(crate) struct Enrichment {
    pub(crate) fields: Fields,
    pub(crate) error: Option<ErrorReport>,
    pub(crate) error_kind: Option<&'static str>,
    pub(crate) panic: Option<PanicReport>,
    pub(crate) route: Option<Route>,
    /// The handler or a layer further within named the route: the framework's view no longer counts.
    pub(crate) route_from_within: bool,
    pub(crate) stream: bool,
    finished: bool,
}

impl Enrichment {
    /// The error with the kind that the handler gave it.
    fn take_error(&mut self) -> Option<ErrorReport> {
        let Some(kind) = self.error_kind else { return self.error.take() };
        let mut error = self.error.take().unwrap_or_else(|| ErrorReport::of_text(&kind));
        error.type_name = Some(kind);
        Some(error)
    }
}

impl RequestState {
    /// The state of a request that starts now.
    pub(crate) fn start(observer: &Observer, head: RequestHead<'_>) -> Arc<Self> {
        let started = Instant::now();
        let started_at = SystemTime::now();
        let outer = head.outer.filter(|outer| outer.is_active());
        let shared_id = outer.and_then(RequestHandle::request_id).cloned();
        let shared_trace = outer.and_then(RequestHandle::trace).cloned();
        let method = Method::parse(head.method);
        let unknown = method == Method::Other;
        let start = RequestStart {
            service: observer.service_name(),
            id: shared_id.unwrap_or_else(|| observer.ids().choose(head.headers, started_at)),
            method,
            method_original: unknown.then(|| bounded(head.method, MAX_METHOD).into()),
            path: bounded(head.path, MAX_PATH).into(),
            version: head.version,
            peer: head.peer,
            trace: shared_trace
                .unwrap_or_else(|| TraceContext::start(head.headers, || observer.trusts_trace(&head))),
            started_at,
            body_bytes: length_header(head.headers, "content-length")
                // Frameworks differ in what they say of a request without a body.
                .or(head.body_bytes.filter(|bytes| *bytes > 0)),
        };
        Arc::new(Self {
            observer: observer.downgrade(),
            start,
            started,
            grpc: grpc_type(head.headers),
            outer: outer.cloned(),
            enrichment: Mutex::default(),
        })
    }

    pub(crate) const fn request(&self) -> &RequestStart {
        &self.start
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn grpc(&self) -> Option<&str> {
        self.grpc.as_deref()
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
                e.route = Some(route);
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
        progress: &Progress,
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
        enrichment.panic = Some(panic);
        let progress = Progress::default();
        let record = Self::close(this, &mut enrichment, &observer, &progress, Outcome::Panicked);
        drop(enrichment);
        observer.on_finish(&record);
        observer.flush(Duration::from_secs(1));
    }

    fn close(
        this: &Arc<Self>,
        enrichment: &mut Enrichment,
        observer: &Observer,
        progress: &Progress,
        outcome: Outcome,
    ) -> RequestRecord {
        enrichment.finished = true;
        let panic = enrichment.panic.take();
        RequestRecord {
            state: Arc::clone(this),
            route: enrichment.route.take(),
            status: progress.status,
            // Whatever becomes of the answer to a panic: it was one.
            outcome: if panic.is_some() { Outcome::Panicked } else { outcome },
            error: enrichment.take_error(),
            panic,
            duration: this.elapsed(),
            time_to_head: progress.time_to_head,
            response_bytes: progress.response_bytes,
            fields: mem::take(&mut enrichment.fields),
            stream: progress.stream || enrichment.stream,
            endpoint: progress.endpoint,
            draining: observer.is_draining(),
        }
    }
}

/// How far the answer has come: known to the observation alone.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) status: Option<u16>,
    pub(crate) time_to_head: Option<Duration>,
    pub(crate) response_bytes: u64,
    pub(crate) stream: bool,
    pub(crate) endpoint: bool,
}

/// The content type of a gRPC request: its answers must have the same.
fn grpc_type(headers: &dyn HeaderLookup) -> Option<String> {
    if !content_type_is(headers, "application/grpc") {
        return None;
    }
    let text = first_header(headers, "content-type", |value| String::from_utf8(value.to_vec()).ok());
    text.flatten().filter(|text| text.len() <= 64 && text.bytes().all(|b| b.is_ascii_graphic()))
}
