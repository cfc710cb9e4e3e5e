//! The path of request spans that bypasses the SDK, from the sampler to the queue.
//!
//! If the provider is ours and the sampler reads no attributes, only the collector reads these
//! spans. So a span stores only what the application adds to it. The rest is encoded from the
//! request's record at the end.

use std::{sync::Arc, time::Duration};

use opentelemetry::{
    Context,
    trace::{SpanContext, TraceContextExt as _, TraceFlags},
};
use opentelemetry_sdk::trace::SpanLimits;

use super::{
    encoding::EndedSpan,
    ending, ids,
    queue::SpanQueue,
    sampling::BuiltInSampler,
    tracing::{linked, state, with_baggage},
    waiting::{self, Waiting},
};
use crate::{
    outputs::delivery::{
        items::ItemStore,
        worker::{self, Worker},
    },
    record::{
        finished::Record,
        span::{Added, OpenSpan, Recorder, WorkSpan},
    },
    trace::TraceContext,
};

/// The export of spans if the application has no provider of its own.
pub(super) struct Pipeline {
    pub(super) queue: Arc<SpanQueue>,
    /// The thread that exports.
    pub(super) worker: Worker<ItemStore<Waiting>>,
    pub(super) limits: SpanLimits,
    /// The sampler, if it reads only the trace context.
    pub(super) sampler: Option<BuiltInSampler>,
    /// True if spans have exceptions as events.
    pub(super) exceptions: bool,
}

impl Pipeline {
    /// Decides whether a request is traced. Returns `None` if the SDK must decide.
    #[inline]
    pub(super) fn decide(&self, trace: &mut TraceContext) -> Option<bool> {
        Some(self.sampler.as_ref()?.decide(trace))
    }

    /// Starts the span of a request after [`decide`](Self::decide), with the ids of its trace
    /// context. Returns `None` if the SDK must start it.
    #[inline]
    pub(super) fn start(&self, trace: &TraceContext) -> Option<WorkSpan> {
        self.sampler.as_ref()?;
        let (trace_id, span_id) = ids::of(trace);
        let flags = TraceFlags::new(trace.flags.to_byte());
        let span = SpanContext::new(trace_id, span_id, flags, false, state(trace));
        let context = with_baggage(Context::new(), trace);
        if trace.flags.is_sampled() {
            return Some(self.recorded(&context, span, trace));
        }
        Some(WorkSpan { context: context.with_remote_span_context(span), recorder: Recorder::Nobody })
    }

    #[inline(never)]
    fn recorded(&self, context: &Context, span: SpanContext, trace: &TraceContext) -> WorkSpan {
        let (span, adding) = OpenSpan::new(span, self.limits, self.linked(trace));
        WorkSpan { context: context.with_span(span), recorder: Recorder::Ourselves(adding) }
    }

    /// Exports a span for a request that had no span while it ran, if the sampler accepts it.
    /// Returns false if the SDK must do that.
    pub(super) fn export_late(&self, record: &Record) -> bool {
        let Some(sampler) = &self.sampler else { return false };
        if sampler.wants(&record.start().trace) {
            self.export(self.linked(&record.start().trace), record);
        }
        true
    }

    /// Returns the initial additions to a span: a link to the trace of an untrusted caller, or
    /// nothing.
    fn linked(&self, trace: &TraceContext) -> Added {
        let mut added = Added::default();
        if let Some(link) = &trace.link {
            added.link(linked(link), self.limits);
        }
        added
    }

    /// Exports the span of an ended request.
    pub(super) fn export(&self, mut added: Added, record: &Record) {
        if self.exceptions && (record.error.is_some() || record.panic.is_some()) {
            ending::exceptions(record).for_each(|event| added.event(event, self.limits));
        }
        added.status(ending::status(record));
        let panic = record.panic.as_ref().filter(|_| self.exceptions);
        let backtrace = panic.and_then(|panic| panic.backtrace.clone());
        let panic = backtrace.and_then(|backtrace| {
            let event = added.events.pop_if(|event| event.name == waiting::EXCEPTION)?;
            Some((event, backtrace))
        });
        let span = EndedSpan { record, added: &added, limits: self.limits }.encoded();
        self.queue.push(Waiting::encoded(span, panic));
    }

    pub(super) fn flush(&self, deadline: Duration) -> bool {
        self.worker.wait_for(&self.queue.ask_to_flush(deadline))
    }

    /// Returns the numbers of exported and of lost spans, for the report of a shutdown.
    pub(super) fn report(&self) -> (u64, u64) {
        self.queue.report()
    }
}

/// Exports the remaining spans. The queue accepts nothing more.
impl Drop for Pipeline {
    fn drop(&mut self) {
        worker::end(std::iter::once(&mut self.worker));
    }
}
