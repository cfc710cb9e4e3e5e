//! The span of `tracing` for a request, for other layers of the application's subscriber (feature
//! `logs`). Our own lines do not need it.

use tracing::{Span, info_span};

use crate::record::{route::Route, state::WorkState};

/// The span of a running request.
pub(crate) struct RequestSpan {
    span: Span,
    /// The route that the span has.
    route: Option<&'static str>,
}

impl WorkState {
    /// Creates the span of the request. `None` if the subscriber does not want it.
    pub(crate) fn new_tracing_span(&self) -> Option<RequestSpan> {
        let route = self.lock().route.as_ref().map(Route::as_str);
        let span = info_span!(
            target: "obs",
            "request",
            http.request.method = self.request().method.as_str(),
            http.route = route,
            request_id = %self.start.id,
            trace_id = %self.start.trace.trace_id,
        );
        (!span.is_disabled()).then_some(RequestSpan { span, route })
    }

    /// Adds the route to the span, unless the span has it. No lock is held while a layer of the
    /// application is called.
    pub(crate) fn record_route(&self) {
        let mut enrichment = self.lock();
        let route = enrichment.route.as_ref().map(Route::as_str);
        let Some(open) = enrichment.tracing_span.as_mut().filter(|open| open.route != route) else { return };
        open.route = route;
        let span = open.span.clone();
        drop(enrichment);
        span.record("http.route", route);
    }

    /// The span of the request, while it runs.
    pub(crate) fn tracing_span(&self) -> Option<Span> {
        if !self.policy.tracing_span {
            return None;
        }
        self.lock().tracing_span.as_ref().map(|open| open.span.clone())
    }

    /// Takes the span at the request's end.
    pub(crate) fn take_tracing_span(&self) -> Option<RequestSpan> {
        if self.policy.tracing_span { self.lock().tracing_span.take() } else { None }
    }
}
