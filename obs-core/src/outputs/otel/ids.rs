//! Ids of spans: those of a request's trace context, or else new random ones.

use std::cell::Cell;

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::IdGenerator;

use crate::trace::TraceContext;

thread_local! {
    static NEXT: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// Returns a request's ids as types of OpenTelemetry.
pub(super) fn of(trace: &TraceContext) -> (TraceId, SpanId) {
    (TraceId::from_bytes(trace.trace_id.to_bytes()), SpanId::from_bytes(trace.span_id.to_bytes()))
}

/// Runs `make`. The first span that it creates gets the ids of `trace`.
pub(super) fn with<T>(trace: &TraceContext, make: impl FnOnce() -> T) -> T {
    /// Clears the ids when it is dropped, also after a panic of a sampler.
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

/// The generator of ids for the SDK.
#[derive(Debug)]
pub(super) struct Ids;

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        let next = NEXT.get().map(|(trace_id, _)| trace_id);
        next.unwrap_or_else(|| TraceId::from_bytes(crate::trace::ids::TraceId::random().to_bytes()))
    }

    fn new_span_id(&self) -> SpanId {
        // The SDK asks for the span id first and then, for a root span, for the trace id. So both
        // ids stay set until the span exists.
        let next = NEXT.get().map(|(_, span_id)| span_id);
        next.unwrap_or_else(|| SpanId::from_bytes(crate::trace::ids::SpanId::random().to_bytes()))
    }
}
