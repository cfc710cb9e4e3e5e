//! The end of a request, which makes its record.

#[cfg(feature = "logs")]
use crate::record::enrichment::ExpectedRoute;
use crate::{
    base::panic::PanicReport,
    record::{
        enrichment::Enrichment,
        finished::{Classified, Record, RecordKind, RequestEnd},
        hook::Hook,
        outcome::Outcome,
        policy::Classifier,
        state::WorkState,
    },
    request::in_flight::Progress,
};
use std::{
    mem,
    sync::{Arc, OnceLock},
};

impl WorkState {
    /// Ends a request. Later writes to it are dropped.
    pub(crate) fn finish(
        this: &Arc<Self>,
        progress: &mut Progress,
        outcome: Outcome,
        draining: bool,
    ) -> Record {
        Self::close(this, &mut this.lock(), progress, outcome, draining)
    }

    /// Ends a request in a process that is about to abort. `None` if it has ended, or if its lock
    /// is held.
    ///
    /// The observation is on a stack that will never unwind, so status and bytes are unknown. The
    /// caller sets `draining`.
    pub(crate) fn abort(this: &Arc<Self>, panic: PanicReport) -> Option<Record> {
        // The panicking thread may hold the lock, and it will never release it.
        let mut enrichment = this.enrichment.try_lock().ok()?;
        if enrichment.finished {
            return None;
        }
        enrichment.panic = Some(panic.redacted(this.redactor()).into());
        let progress = &mut Progress::default();
        Some(Self::close(this, &mut enrichment, progress, Outcome::Panicked, false))
    }

    fn close(
        this: &Arc<Self>,
        enrichment: &mut Enrichment,
        progress: &mut Progress,
        outcome: Outcome,
        draining: bool,
    ) -> Record {
        // A panic decides the outcome, whatever happens to its response.
        let mut outcome = if enrichment.panic.is_some() { Outcome::Panicked } else { outcome };
        let duration = this.elapsed();
        let grpc = this.grpc.as_deref().filter(|request| request.native).map(|request| {
            let (call, ended) = this.end_call(request, enrichment, progress, outcome, duration);
            outcome = ended;
            call
        });
        let routes = &this.policy.routes;
        let excluded = if routes.is_completed_at_end() {
            let status = outcome.status_label(progress.status);
            routes.complete(&mut enrichment.route, this.request().path(), status)
        } else {
            routes.excludes(enrichment.route.as_ref())
        };
        let error = enrichment.take_error();
        // Every field is taken or reset, so that the next request in this memory finds nothing. The
        // span was taken before this lock, because its end may run code of the application.
        let Enrichment {
            fields,
            error: _,
            error_kind,
            panic,
            route,
            #[cfg(feature = "logs")]
            expected_route,
            route_from_within,
            stream,
            user,
            flags,
            calls,
            #[cfg(feature = "logs")]
            kept_lines,
            #[cfg(feature = "logs")]
                tracing_span: _,
            finished,
        } = enrichment;
        *finished = true;
        calls.keep_repeated(this.policy.repeated_queries.at_least);
        let by_status = outcome.is_ok() && grpc.is_none();
        (*error_kind, *route_from_within) = (None, false);
        #[cfg(feature = "logs")]
        {
            *expected_route = ExpectedRoute::Unknown;
        }
        let end = RequestEnd {
            route: route.take(),
            status: progress.status,
            time_to_head: progress.time_to_head,
            request_bytes: this.request().body_bytes.or_else(|| this.received.bytes()),
            response_bytes: progress.response_bytes,
            grpc,
            stream: progress.stream | mem::take(stream),
            endpoint: progress.endpoint,
        };
        Record {
            state: Arc::clone(this),
            outcome,
            error,
            panic: panic.take(),
            duration,
            user: user.take(),
            flags: mem::take(flags),
            calls: mem::take(calls),
            fields: mem::take(fields),
            draining,
            kind: RecordKind::Request(end),
            excluded,
            by_status,
            classified: Classified::ByDefault,
            kept_by_rule: OnceLock::new(),
            #[cfg(feature = "logs")]
            kept_lines: kept_lines.take(),
        }
    }
}

impl Record {
    /// Lets the application decide about the failure. No lock is held, because the function may use
    /// the handle of the request.
    #[cold]
    #[inline(never)]
    pub(super) fn classify(&mut self, classifier: &Hook<Classifier>) {
        if let Some(error_type) = classifier.call(|classify| classify(self)) {
            self.classified = Classified::As(error_type);
            self.by_status = false;
        }
    }
}
