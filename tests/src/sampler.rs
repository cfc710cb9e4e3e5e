//! A sampler that `obs` does not know.

use obs_core::otel::{
    opentelemetry::{
        Context, KeyValue, TraceId,
        trace::{Link, SpanKind},
    },
    opentelemetry_sdk::trace::{Sampler, SamplingResult, ShouldSample},
};

/// A sampler that decides like the inner one. `obs` must use the SDK for it, because it could read
/// any attribute.
#[derive(Clone, Debug)]
pub struct UnknownSampler(pub Sampler);

impl ShouldSample for UnknownSampler {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        self.0.should_sample(parent, trace_id, name, kind, attributes, links)
    }
}
