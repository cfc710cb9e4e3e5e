//! The state that an observation shares with all its handles and records.

#[cfg(feature = "otel")]
use crate::record::span::WorkSpan;
use crate::{
    http::grpc::GrpcRequest,
    record::{
        endpoint::Endpoint,
        enrichment::Enrichment,
        policy::Policy,
        received::Received,
        start::{RequestStart, Start, StartKind},
    },
    redact::Redactor,
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// One piece of work, as long as anything of it is alive.
///
/// It keeps the observer's [`Policy`] alive, never its outputs: a sink may keep records, and the observer keeps the sink.
pub(crate) struct WorkState {
    pub(crate) policy: Arc<Policy>,
    pub(crate) start: Start,
    pub(crate) started: Instant,
    /// The same work, as a layer of another observer further out sees it.
    pub(crate) outer: Option<Arc<Self>>,
    #[cfg(feature = "otel")]
    pub(crate) span: Option<WorkSpan>,
    pub(crate) enrichment: Mutex<Enrichment>,
    /// Of a request whose content type is one of gRPC's.
    pub(crate) grpc: Option<Box<GrpcRequest>>,
    /// The endpoint that a request asks for.
    pub(crate) endpoint: Option<Endpoint>,
    /// How much of a request's body was read, where somebody counts.
    pub(crate) received: Received,
}

impl WorkState {
    /// The state of a request before there is a request.
    pub(crate) fn no_request(policy: &Arc<Policy>) -> Self {
        Self {
            start: Start::no_request(policy),
            policy: Arc::clone(policy),
            started: Instant::now(),
            outer: None,
            #[cfg(feature = "otel")]
            span: None,
            enrichment: Mutex::new(Enrichment { finished: true, ..Enrichment::default() }),
            grpc: None,
            endpoint: None,
            received: Received::default(),
        }
    }

    /// Drops everything that belongs to the work that has ended. The enrichment went into its record.
    ///
    /// Returns false if the work was torn in the middle, so that more may be left of it than is dropped here.
    pub(crate) fn reset(&mut self) -> bool {
        let Self {
            policy: _,
            start,
            started: _,
            outer,
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

    /// The part of a request.
    pub(crate) const fn request(&self) -> &RequestStart {
        let StartKind::Request(request) = &self.start.kind;
        request
    }

    pub(crate) fn redactor(&self) -> &Redactor {
        &self.policy.redactor
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The span of the work: this observer's, or that of one further out.
    #[cfg(feature = "otel")]
    pub(crate) fn span(&self) -> Option<&WorkSpan> {
        self.span.as_ref().or_else(|| self.outer.as_ref()?.span())
    }

    /// Returns whether it is work of the observer with this policy.
    pub(crate) fn is_of(&self, policy: &Arc<Policy>) -> bool {
        Arc::ptr_eq(&self.policy, policy)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Enrichment> {
        self.enrichment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes to work that runs; a late write is counted instead.
    pub(crate) fn enrich(&self, write: impl FnOnce(&mut Enrichment)) {
        let mut enrichment = self.lock();
        if enrichment.finished {
            drop(enrichment);
            self.policy.late_writes.note(&self.start);
        } else {
            write(&mut enrichment);
        }
    }

    /// Names the route. A name from within wins over the framework's.
    pub(crate) fn set_route(&self, template: &str, from_within: bool) {
        let route = self.policy.routes.intern(template);
        self.enrich(|e| {
            if from_within || !e.route_from_within {
                e.route = route;
                e.route_from_within = from_within;
            }
        });
    }
}
