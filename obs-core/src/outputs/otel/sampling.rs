//! The decision whether a request's span is recorded, where it depends on nothing but the trace.

use opentelemetry::trace::{SpanKind, TraceId};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, ShouldSample};

use crate::trace::TraceContext;

/// A sampler of the SDK's own that looks at the trace alone: it can be asked before there is anything else.
#[derive(Clone, Debug)]
pub(super) struct BuiltInSampler {
    /// A caller's decision holds.
    parent_based: bool,
    /// Decides otherwise.
    root: Sampler,
}

impl BuiltInSampler {
    /// `root` for all requests.
    pub(super) const fn always(root: Sampler) -> Self {
        Self { parent_based: false, root }
    }

    /// What callers have decided, else `root`.
    pub(super) const fn parent_based(root: Sampler) -> Self {
        Self { parent_based: true, root }
    }

    /// Whether the span of a request is recorded that has taken over its caller's trace, if it has a caller.
    pub(super) fn wants(&self, trace: &TraceContext) -> bool {
        if self.parent_based && trace.parent_id.is_some() {
            return trace.flags.is_sampled();
        }
        let trace_id = TraceId::from_bytes(trace.trace_id.to_bytes());
        let asked = self.root.should_sample(None, trace_id, "", &SpanKind::Server, &[], &[]);
        asked.decision == SamplingDecision::RecordAndSample
    }

    /// The same for the SDK, which asks it for the application's own spans.
    pub(super) fn into_sampler(self) -> Sampler {
        if self.parent_based { Sampler::ParentBased(Box::new(self.root)) } else { self.root }
    }
}
