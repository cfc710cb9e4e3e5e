//! The state that an observation shares with its handles and records.

#[cfg(feature = "otel")]
use crate::record::span::WorkSpan;
use crate::{
    base::clock::Moment,
    http::grpc::GrpcRequest,
    record::{
        endpoint::Endpoint,
        enrichment::Enrichment,
        policy::Policy,
        received::Received,
        request_id::RequestId,
        start::{RequestStart, Start, StartKind},
    },
    redact::Redactor,
    trace::TraceContext,
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// One piece of work. It lives as long as its observation or any of its handles or records.
///
/// It keeps the observer's [`Policy`] alive, but never its outputs: a sink may keep records, and
/// the observer keeps the sink.
pub(crate) struct WorkState {
    pub(crate) policy: Arc<Policy>,
    pub(crate) start: Start,
    pub(crate) started: Instant,
    /// The same work as a layer of another observer further outside sees it.
    pub(crate) outer: Option<Arc<Self>>,
    /// The work around a span of the application, whose data this is a part of.
    pub(crate) root: Option<Arc<Self>>,
    #[cfg(feature = "otel")]
    pub(crate) span: Option<WorkSpan>,
    pub(crate) enrichment: Mutex<Enrichment>,
    /// The gRPC data of a request with a gRPC content type.
    pub(crate) grpc: Option<Box<GrpcRequest>>,
    /// The endpoint of ours that a request is for.
    pub(crate) endpoint: Option<Endpoint>,
    /// The part of a request's body that was read, if it is counted.
    pub(crate) received: Received,
}

impl WorkState {
    /// A placeholder for the state of a request that is not known yet.
    pub(crate) fn no_request(policy: &Arc<Policy>) -> Self {
        Self {
            start: Start::no_request(policy),
            policy: Arc::clone(policy),
            started: Instant::now(),
            outer: None,
            root: None,
            #[cfg(feature = "otel")]
            span: None,
            enrichment: Mutex::new(Enrichment { finished: true, ..Enrichment::default() }),
            grpc: None,
            endpoint: None,
            received: Received::default(),
        }
    }

    /// Creates the state of work inside of other work, or of work of its own.
    pub(crate) fn inner(policy: &Arc<Policy>, around: Option<&Arc<Self>>, kind: StartKind) -> Self {
        let now = Moment::now();
        let (id, trace) = match around {
            Some(around) => (around.start.id.clone(), around.inner_trace()),
            None => (RequestId::uuid_v7(now.since_1970), TraceContext::root(policy.propagators)),
        };
        let service = Arc::clone(&policy.service);
        Self {
            policy: Arc::clone(policy),
            start: Start { service, id, trace, kind, since_1970: now.since_1970 },
            started: now.instant,
            outer: None,
            root: None,
            #[cfg(feature = "otel")]
            span: None,
            enrichment: Mutex::default(),
            grpc: None,
            endpoint: None,
            received: Received::default(),
        }
    }

    /// Sets the start back by the time for which the work has run already.
    pub(crate) fn started_ago(&mut self, ago: Duration) {
        if let Some(started) = self.started.checked_sub(ago) {
            self.started = started;
            self.start.since_1970 = self.start.since_1970.saturating_sub(ago);
        }
    }

    /// The trace position of new work inside of this work.
    fn inner_trace(&self) -> TraceContext {
        let trace = &self.start.trace;
        #[cfg(feature = "otel")]
        if let Some((span_id, flags)) = self.span().and_then(|_| WorkSpan::innermost(trace)) {
            return trace.inner(span_id, flags);
        }
        trace.inner(trace.span_id, trace.flags)
    }

    /// Resets everything that belongs to the finished work. Its enrichment has moved into its
    /// record.
    ///
    /// Returns false if the work was interrupted before its finish. Then some of its data may be
    /// left.
    #[inline]
    pub(crate) fn reset(&mut self) -> bool {
        let Self {
            policy: _,
            start,
            started: _,
            outer,
            root: _,
            #[cfg(feature = "otel")]
            span,
            enrichment,
            grpc,
            endpoint,
            received,
        } = self;
        start.reset();
        (*outer, *grpc, *endpoint) = (None, None, None);
        *received = Received::default();
        #[cfg(feature = "otel")]
        {
            *span = None;
        }
        enrichment.get_mut().is_ok_and(|enrichment| enrichment.finished)
    }

    /// The start of the request.
    pub(crate) const fn request(&self) -> &RequestStart {
        match &self.start.kind {
            StartKind::Request(request) => request,
            StartKind::Call(_) | StartKind::Span(_) => unreachable!(),
        }
    }

    pub(crate) fn redactor(&self) -> &Redactor {
        &self.policy.redactor
    }

    #[inline]
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The span of the work: this observer's, otherwise that of an outer observer.
    #[cfg(feature = "otel")]
    pub(crate) fn span(&self) -> Option<&WorkSpan> {
        self.span.as_ref().or_else(|| self.outer.as_ref()?.span())
    }

    /// Returns true if the work belongs to the observer with this policy.
    pub(crate) fn is_of(&self, policy: &Arc<Policy>) -> bool {
        Arc::ptr_eq(&self.policy, policy)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Enrichment> {
        self.enrichment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes to running work. A write after the end is counted and dropped.
    pub(crate) fn enrich(&self, write: impl FnOnce(&mut Enrichment)) {
        let mut enrichment = self.lock();
        if enrichment.finished {
            drop(enrichment);
            self.policy.late_writes.note(&self.start);
        } else {
            write(&mut enrichment);
        }
    }

    /// Sets the route. A route from an inner layer or the handler wins over the framework's.
    #[inline]
    pub(crate) fn set_route(&self, template: &str, from_within: bool) {
        let route = self.policy.routes.intern(template);
        self.enrich(|e| {
            if from_within || !e.route_from_within {
                e.route = route;
                e.route_from_within = from_within;
            }
        });
        #[cfg(feature = "logs")]
        if self.policy.tracing_span {
            self.record_route();
        }
    }
}
