//! Ids of spans: the ones that a request has already, else new random ones.

use std::cell::Cell;

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::IdGenerator;

use crate::trace::TraceContext;

thread_local! {
    static NEXT: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// A request's ids, as OpenTelemetry has them.
pub(super) fn of(trace: &TraceContext) -> (TraceId, SpanId) {
    (TraceId::from_bytes(trace.trace_id.to_bytes()), SpanId::from_bytes(trace.span_id.to_bytes()))
}

/// Runs `make`, in which the first span gets the ids of `trace`.
pub(super) fn with<T>(trace: &TraceContext, make: impl FnOnce() -> T) -> T {
    /// Also if a sampler panics.
    struct Clear;
    impl Drop for Clear {
        fn drop(&mut self) {
            NEXT.set(None);
        }
    }
    NEXT.set(Some(of(trace)));
    let _clear = Clear;
    make()
}

/// Gives spans their ids.
#[derive(Debug)]
pub(super) struct Ids;

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        let next = NEXT.get().map(|(trace_id, _)| trace_id);
        next.unwrap_or_else(|| TraceId::from_bytes(crate::trace::ids::TraceId::random().to_bytes()))
    }

    fn new_span_id(&self) -> SpanId {
        // The SDK asks for a span's id first. A root's trace id is asked for then, so the pair stays until the span is there.
        let next = NEXT.get().map(|(_, span_id)| span_id);
        next.unwrap_or_else(|| SpanId::from_bytes(crate::trace::ids::SpanId::random().to_bytes()))
    }
}
