//! Sampling that depends only on the trace context of a request.

use std::any::Any;

use opentelemetry::trace::{SpanKind, TraceId};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, ShouldSample};

use crate::trace::TraceContext;

/// A sampler of the SDK that reads only the trace context, so it can decide before the span exists.
#[derive(Clone, Debug)]
pub(super) struct BuiltInSampler {
    /// True if a caller's decision has priority.
    parent_based: bool,
    /// The sampler for requests without a caller's decision.
    root: Sampler,
}

impl BuiltInSampler {
    /// Applies `root` to all requests.
    pub(super) const fn always(root: Sampler) -> Self {
        Self { parent_based: false, root }
    }

    /// Follows the caller's decision. Applies `root` to requests without one.
    pub(super) const fn parent_based(root: Sampler) -> Self {
        Self { parent_based: true, root }
    }

    /// Returns true if the span of a request is recorded. The trace context already contains the
    /// caller's decision, if there is a caller.
    pub(super) fn wants(&self, trace: &TraceContext) -> bool {
        if self.parent_based && trace.parent_id.is_some() {
            return trace.flags.is_sampled();
        }
        let trace_id = TraceId::from_bytes(trace.trace_id.to_bytes());
        let asked = self.root.should_sample(None, trace_id, "", &SpanKind::Server, &[], &[]);
        asked.decision == SamplingDecision::RecordAndSample
    }

    /// Converts it for the SDK, which samples the application's own spans with it.
    pub(super) fn into_sampler(self) -> Sampler {
        if self.parent_based { Sampler::ParentBased(Box::new(self.root)) } else { self.root }
    }
}

/// The sampler that decides which requests are recorded.
#[derive(Clone, Debug)]
pub(super) enum SamplerChoice {
    BuiltIn(BuiltInSampler),
    /// A sampler that may read attributes.
    Other(Box<dyn ShouldSample>),
}

impl SamplerChoice {
    pub(super) fn new(sampler: impl ShouldSample + 'static) -> Self {
        // These three samplers of the SDK read no attributes. A parent-based sampler hides its
        // inner one, so it counts as `Other`.
        match (&sampler as &dyn Any).downcast_ref() {
            Some(root @ (Sampler::AlwaysOn | Sampler::AlwaysOff | Sampler::TraceIdRatioBased(_))) => {
                Self::BuiltIn(BuiltInSampler::always(root.clone()))
            }
            _ => Self::Other(Box::new(sampler)),
        }
    }
}
