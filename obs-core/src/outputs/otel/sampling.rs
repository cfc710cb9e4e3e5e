//! Sampling that depends only on the trace context of a request.

use std::any::Any;

use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanKind, TraceContextExt as _, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{ParentBasedSampler, Sampler, SamplingDecision, SamplingResult, ShouldSample};

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
    /// A sampler of the SDK that reads no attributes, and its [bound](bound_of).
    Sdk(Sampler, u64),
    Probability(Threshold),
}

/// The bound of the SDK's `AlwaysOn`: every number is below it.
const ALL: u64 = 1 << 63;

/// The end of the `Debug` text of a parent-based sampler that follows every decision of a caller.
const NO_OTHERS: &str = ", remote_parent_sampled: None, remote_parent_not_sampled: None, \
                         local_parent_sampled: None, local_parent_not_sampled: None }";

/// Returns the number of which the last 63 bits of a trace id must be below, by the rule of the
/// SDK. A comparison is much cheaper than a call of the sampler. `None` for any other sampler.
fn bound_of(sampler: &Sampler) -> Option<u64> {
    match sampler {
        Sampler::AlwaysOn => Some(ALL),
        Sampler::AlwaysOff => Some(0),
        Sampler::TraceIdRatioBased(rate) if *rate >= 1.0 => Some(ALL),
        Sampler::TraceIdRatioBased(rate) => Some((rate.max(0.0) * ALL as f64) as u64),
        _ => None,
    }
}

impl BuiltInSampler {
    /// Applies `AlwaysOn` or `AlwaysOff` to all requests.
    pub(super) const fn always(on: bool) -> Self {
        let root = if on {
            RootSampler::Sdk(Sampler::AlwaysOn, ALL)
        } else {
            RootSampler::Sdk(Sampler::AlwaysOff, 0)
        };
        Self { parent_based: false, root }
    }

    /// Returns a sampler that decides like this one of the SDK. `None` if it may read attributes.
    ///
    /// A parent-based sampler hides its root, so the root is recognised by its `Debug` text. An
    /// application's own root may have the same text, so both must decide alike around the bound.
    fn of_sdk(sampler: &(impl ShouldSample + 'static)) -> Option<Self> {
        let root = match (sampler as &dyn Any).downcast_ref() {
            Some(Sampler::ParentBased(root)) => named(&format!("{root:?}"))?,
            Some(root) => {
                let root = RootSampler::Sdk(root.clone(), bound_of(root)?);
                return Some(Self { parent_based: false, root });
            }
            None => {
                (sampler as &dyn Any).downcast_ref::<ParentBasedSampler>()?;
                let text = format!("{sampler:?}");
                named(text.strip_prefix("ParentBasedSampler { root: ")?.strip_suffix(NO_OTHERS)?)?
            }
        };
        let bound = bound_of(&root)?;
        let decides_alike = |number: u64| {
            let id = TraceId::from_bytes(u128::from(number << 1 | 1).to_be_bytes());
            let asked = sampler.should_sample(None, id, "", &SpanKind::Server, &[], &[]);
            (asked.decision == SamplingDecision::RecordAndSample) == (number < bound)
        };
        let numbers = [0, bound.saturating_sub(1), bound.min(ALL - 1), ALL - 1];
        let alike = numbers.into_iter().all(decides_alike);
        alike.then_some(Self { parent_based: true, root: RootSampler::Sdk(root, bound) })
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
    #[inline]
    pub(super) fn wants(&self, trace: &TraceContext) -> bool {
        if self.parent_based && trace.parent_id.is_some() {
            return trace.flags.is_sampled();
        }
        match &self.root {
            RootSampler::Probability(threshold) => threshold.keeps(trace),
            RootSampler::Sdk(_, bound) => u128::from_be_bytes(trace.trace_id.to_bytes()) as u64 >> 1 < *bound,
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
            RootSampler::Sdk(sampler, _) => Box::new(sampler),
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
        let of_sdk = BuiltInSampler::of_sdk(&sampler);
        of_sdk.map_or_else(|| Self::Other(Box::new(sampler)), Self::BuiltIn)
    }
}

/// Returns the sampler of the SDK with this `Debug` text, if it reads no attributes.
fn named(text: &str) -> Option<Sampler> {
    match text {
        "AlwaysOn" => Some(Sampler::AlwaysOn),
        "AlwaysOff" => Some(Sampler::AlwaysOff),
        text => {
            let rate = text.strip_prefix("TraceIdRatioBased(")?.strip_suffix(')')?;
            rate.parse().ok().map(Sampler::TraceIdRatioBased)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A sampler of an application that wraps one of the SDK.
    #[derive(Clone, Debug)]
    struct Own(Sampler);
    impl ShouldSample for Own {
        fn should_sample(
            &self,
            parent: Option<&Context>,
            id: TraceId,
            name: &str,
            kind: &SpanKind,
            attributes: &[KeyValue],
            links: &[Link],
        ) -> SamplingResult {
            self.0.should_sample(parent, id, name, kind, attributes, links)
        }
    }

    /// A sampler of an application that has the name of one of the SDK.
    #[derive(Clone, Debug)]
    struct AlwaysOn;
    impl ShouldSample for AlwaysOn {
        fn should_sample(
            &self,
            _: Option<&Context>,
            _: TraceId,
            _: &str,
            _: &SpanKind,
            _: &[KeyValue],
            _: &[Link],
        ) -> SamplingResult {
            let decision = SamplingDecision::Drop;
            SamplingResult { decision, attributes: Vec::new(), trace_state: TraceState::NONE }
        }
    }

    fn is_built_in(sampler: impl ShouldSample + 'static) -> bool {
        matches!(SamplerChoice::new(sampler), SamplerChoice::BuiltIn(_))
    }

    #[test]
    fn samplers_that_read_no_attributes_are_recognised() {
        let parent_based = |root: Sampler| Sampler::ParentBased(Box::new(root));
        for root in [Sampler::AlwaysOn, Sampler::AlwaysOff, Sampler::TraceIdRatioBased(0.1)] {
            assert!(is_built_in(root.clone()) && is_built_in(parent_based(root.clone())), "{root:?}");
            assert!(is_built_in(Sampler::parent_based(root.clone())), "{root:?}");
            assert!(!is_built_in(Own(root.clone())), "{root:?}");
            assert!(!is_built_in(Sampler::ParentBased(Box::new(Own(root.clone())))), "{root:?}");
            let own_for_callers =
                Sampler::parent_based(root.clone()).with_remote_parent_not_sampled(Sampler::AlwaysOn);
            assert!(!is_built_in(own_for_callers), "{root:?}");
        }
        assert!(!is_built_in(Sampler::ParentBased(Box::new(AlwaysOn))), "it decides otherwise");
    }

    proptest! {
        /// With and without a caller, the decision is that of the SDK.
        #[test]
        fn recognised_samplers_decide_like_the_sdk(
            id in 1..=u128::MAX,
            rate in prop_oneof![-0.5..1.5, Just(0.0), Just(1.0), Just(f64::MIN_POSITIVE), Just(f64::NAN)],
            caller in prop_oneof![Just(None), any::<bool>().prop_map(Some)],
            parent_based in any::<bool>(),
        ) {
            let root = Sampler::TraceIdRatioBased(rate);
            let sampler = if parent_based { Sampler::ParentBased(Box::new(root)) } else { root };
            let mut trace = TraceContext::new(Propagators::default());
            trace.trace_id = trace::TraceId::from_bytes(id.to_be_bytes()).expect("not zero");
            let parent = caller.map(|sampled| {
                trace.parent_id = trace::SpanId::from_bytes([7; 8]);
                trace.flags = trace.flags.with_sampled(sampled);
                super::super::tracing::remote_context(&Context::new(), &trace)
            });
            let id = TraceId::from_bytes(id.to_be_bytes());
            let sdk = sampler.should_sample(parent.as_ref(), id, "", &SpanKind::Server, &[], &[]);
            let SamplerChoice::BuiltIn(ours) = SamplerChoice::new(sampler) else { panic!("not recognised") };
            prop_assert_eq!(ours.wants(&trace), sdk.decision == SamplingDecision::RecordAndSample);
        }
    }
}
