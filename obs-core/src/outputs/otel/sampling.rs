//! Sampling that depends only on the trace context of a request.

use std::any::Any;

use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanKind, TraceContextExt as _, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample};

use super::tracing::from_span_context;
use crate::trace::{
    self, TraceContext,
    propagation::Propagators,
    sampling::Threshold,
    threshold_member::{remove_threshold, remove_wrong_threshold},
};

/// A sampler that reads only the trace context, so it can decide before the span exists.
#[derive(Clone, Debug)]
pub(super) struct BuiltInSampler {
    /// True if a caller's decision has priority.
    parent_based: bool,
    /// The sampler for requests without a caller's decision.
    root: RootSampler,
}

#[derive(Clone, Debug)]
enum RootSampler {
    /// A sampler of the SDK that reads no attributes.
    Sdk(Sampler),
    Probability(Threshold),
}

impl BuiltInSampler {
    /// Applies `root` to all requests.
    pub(super) const fn always(root: Sampler) -> Self {
        Self { parent_based: false, root: RootSampler::Sdk(root) }
    }

    /// Keeps this share of the traces.
    pub(super) fn share(rate: f64) -> Self {
        Self { parent_based: false, root: RootSampler::Probability(Threshold::of_rate(rate)) }
    }

    /// Follows the caller's decision, and decides itself on requests without one.
    pub(super) fn parent_based(self) -> Self {
        Self { parent_based: true, ..self }
    }

    /// Returns true if the span of a request is recorded. The trace context already contains the
    /// caller's decision, if there is a caller.
    pub(super) fn wants(&self, trace: &TraceContext) -> bool {
        if self.parent_based && trace.parent_id.is_some() {
            return trace.flags.is_sampled();
        }
        match &self.root {
            RootSampler::Probability(threshold) => threshold.keeps(trace),
            RootSampler::Sdk(sampler) => {
                let trace_id = TraceId::from_bytes(trace.trace_id.to_bytes());
                let asked = sampler.should_sample(None, trace_id, "", &SpanKind::Server, &[], &[]);
                asked.decision == SamplingDecision::RecordAndSample
            }
        }
    }

    /// Decides on a request, and writes the decision into its flags and its state.
    #[inline]
    pub(super) fn decide(&self, trace: &mut TraceContext) -> bool {
        let sampled = self.wants(trace);
        trace.flags = trace.flags.with_sampled(sampled);
        // A request without a caller, at a rate of 1, has nothing to write.
        let threshold = match &self.root {
            RootSampler::Probability(threshold) if !threshold.keeps_all() => Some(*threshold),
            _ => None,
        };
        if (sampled && threshold.is_some()) || !trace.state.is_empty() {
            self.update_state(trace, threshold, sampled);
        }
        sampled
    }

    #[inline(never)]
    fn update_state(&self, trace: &mut TraceContext, threshold: Option<Threshold>, sampled: bool) {
        if self.parent_based && trace.parent_id.is_some() {
            return remove_wrong_threshold(trace);
        }
        match threshold.filter(|_| sampled) {
            Some(threshold) => threshold.write_to(&mut trace.state),
            // The caller's threshold is not that of this decision.
            None => remove_threshold(&mut trace.state),
        }
    }

    /// Converts it for the SDK, which samples the application's own spans with it.
    pub(super) fn into_sampler(self) -> Box<dyn ShouldSample> {
        let parent_based = self.parent_based;
        let root: Box<dyn ShouldSample> = match self.root {
            RootSampler::Sdk(sampler) => Box::new(sampler),
            root @ RootSampler::Probability(_) => Box::new(Self { parent_based: false, root }),
        };
        if parent_based { Box::new(Sampler::ParentBased(root)) } else { root }
    }
}

/// Decides on a span of the application that has no parent.
impl ShouldSample for BuiltInSampler {
    fn should_sample(
        &self,
        parent_context: Option<&Context>,
        trace_id: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let parent = parent_context.map(|context| context.span().span_context().clone());
        let parent = parent.and_then(|parent| from_span_context(&parent, Propagators::default()));
        let mut trace = parent.unwrap_or_else(|| TraceContext::new(Propagators::default()));
        trace.trace_id = trace::TraceId::from_bytes(trace_id.to_bytes()).unwrap_or(trace.trace_id);
        let decision =
            if self.decide(&mut trace) { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop };
        let trace_state = trace.state.as_str().parse().unwrap_or(TraceState::NONE);
        SamplingResult { decision, attributes: Vec::new(), trace_state }
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
