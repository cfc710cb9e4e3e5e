//! The `tracestate` that the collector gets. Callers fill it, so it may contain a secret.
//!
//! Only the exported form is masked. Outgoing calls pass on the original.

use std::borrow::Cow;

use opentelemetry::trace::{Link, SpanContext};
use opentelemetry_sdk::trace::SpanData;

use crate::{redact::Redactor, trace::tracestate::TraceState};

/// Returns the list without secrets. It is empty if it is then invalid, because a key was masked.
pub(super) fn masked<'a>(state: &'a TraceState, redactor: &Redactor) -> Cow<'a, TraceState> {
    match redactor.text(state.as_str()) {
        Cow::Borrowed(_) => Cow::Borrowed(state),
        Cow::Owned(masked) => Cow::Owned(TraceState::parse(&masked)),
    }
}

/// Returns the link with the masked list.
pub(super) fn masked_link(link: &Link, redactor: &Redactor) -> Link {
    let mut link = link.clone();
    mask_context(&mut link.span_context, redactor);
    link
}

/// Masks the lists of a span of the SDK, and of its links.
pub(super) fn mask_span(span: &mut SpanData, redactor: &Redactor) {
    mask_context(&mut span.span_context, redactor);
    span.links.links.iter_mut().for_each(|link| mask_context(&mut link.span_context, redactor));
}

fn mask_context(context: &mut SpanContext, redactor: &Redactor) {
    let header = context.trace_state().header();
    if let Cow::Owned(masked) = redactor.text(&header) {
        let (trace_id, span_id, flags) = (context.trace_id(), context.span_id(), context.trace_flags());
        let state = masked.parse().unwrap_or_default();
        *context = SpanContext::new(trace_id, span_id, flags, context.is_remote(), state);
    }
}
