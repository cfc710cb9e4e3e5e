//! Trace context and baggage in W3C's formats and others, without any SDK.
//!
//! Each request gets its own span id, so that the services it calls become its children. Nothing is
//! exported here: the ids are in the record, in the event, and in the headers that
//! [`inject`](TraceContext::inject) adds to calls.
//!
//! The parsers are our own, because those of the SDK accept input that W3C forbids. A new trace has
//! the sampled flag set, because there is no sampler here. Without the flag, called services would
//! drop traces that they keep if the request has no `traceparent`. The flag does not affect the
//! events of this service.

pub(crate) mod b3;
pub(crate) mod baggage;
pub(crate) mod ids;
pub(crate) mod jaeger;
pub(crate) mod propagation;
pub(crate) mod sampling;
#[cfg(any(test, feature = "otel"))]
pub(crate) mod threshold_member;
pub(crate) mod traceparent;
pub(crate) mod tracestate;
pub(crate) mod wire;

pub use self::{
    baggage::Baggage,
    ids::{RemoteSpan, SpanId, TraceFlags, TraceId},
    propagation::Propagator,
    tracestate::TraceState,
};
use crate::{http::headers::HeaderLookup, trace::propagation::Propagators};

/// The position of a request in its trace.
///
/// ```
/// use obs_core::{Observer, adapter::RequestHead};
///
/// let observer = Observer::builder("shop").no_environment().build()?;
/// let observation = observer.start(&RequestHead::new("GET", "/", &()));
/// let trace = &observation.start().trace;
/// assert_eq!(trace.parent_id, None);
/// assert!(trace.traceparent().starts_with(&format!("00-{}-{}-", trace.trace_id, trace.span_id)));
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceContext {
    /// The trace: the caller's, or a new one.
    pub trace_id: TraceId,
    /// The span of the request itself, which is always new.
    pub span_id: SpanId,
    /// The caller's span, if its trace was continued.
    pub parent_id: Option<SpanId>,
    /// The flags that are sent to called services.
    pub flags: TraceFlags,
    /// The data that other tracing systems pass along.
    pub state: TraceState,
    /// The caller's span, if it was not trusted and its trace was not continued.
    pub link: Option<RemoteSpan>,
    /// The data that callers pass along to this service and to those that it calls.
    pub baggage: Baggage,
    /// The formats in which the context is passed on.
    pub(crate) propagators: Propagators,
}

impl TraceContext {
    /// Drops all data that callers passed along. The ids stay until the next request starts.
    #[inline]
    pub(crate) fn reset(&mut self) {
        let Self { trace_id: _, span_id: _, parent_id, flags: _, state, link, baggage, propagators: _ } =
            self;
        (*parent_id, *link) = (None, None);
        (*state, *baggage) = (TraceState::default(), Baggage::default());
    }

    /// Creates the memory for traces, which [`begin`](Self::begin) fills.
    pub(crate) fn new(propagators: Propagators) -> Self {
        Self {
            trace_id: TraceId::random(),
            span_id: SpanId::random(),
            parent_id: None,
            flags: TraceFlags::default(),
            state: TraceState::default(),
            link: None,
            baggage: Baggage::default(),
            propagators,
        }
    }

    /// Continues the trace in `headers`, if it is valid and trusted, or starts a new one.
    ///
    /// An untrusted context becomes a link. Its state and its baggage are ignored.
    #[cfg(any(test, feature = "otel"))]
    pub(crate) fn start(
        headers: &(impl HeaderLookup + ?Sized),
        propagators: Propagators,
        trusted: impl FnOnce() -> bool,
    ) -> Self {
        let mut trace = Self::new(propagators);
        trace.begin(headers, propagators, trusted);
        trace
    }

    /// Does the same in the memory of a trace that was [reset](Self::reset). A new value would be
    /// copied over it, and that costs more than the new ids.
    #[inline]
    pub(crate) fn begin(
        &mut self,
        headers: &(impl HeaderLookup + ?Sized),
        propagators: Propagators,
        trusted: impl FnOnce() -> bool,
    ) {
        debug_assert!(self.parent_id.is_none() && self.link.is_none(), "the trace was not reset");
        debug_assert!(self.state.is_empty() && self.baggage.is_empty(), "the trace was not reset");
        let remote = propagators.extract(headers);
        let trusted = trusted();
        if trusted && propagators.contains(Propagator::Baggage) {
            let baggage = Baggage::find(headers);
            if !baggage.is_empty() {
                self.baggage = baggage;
            }
        }
        self.propagators = propagators;
        self.span_id = SpanId::random();
        match remote {
            Some((parent, state)) if trusted => {
                self.trace_id = parent.trace_id;
                self.parent_id = Some(parent.span_id);
                self.flags = parent.flags;
                if !state.is_empty() {
                    self.state = state;
                }
            }
            untrusted => {
                // All bytes are random. Without a sampler, a new trace counts as sampled, because
                // each request emits an event.
                self.trace_id = TraceId::random();
                self.flags = TraceFlags(TraceFlags::SAMPLED.0 | TraceFlags::RANDOM.0);
                self.link = untrusted.map(|(span, _)| span);
            }
        }
    }

    /// Creates the position of work that begins a trace.
    pub(crate) fn root(propagators: Propagators) -> Self {
        let flags = TraceFlags(TraceFlags::SAMPLED.0 | TraceFlags::RANDOM.0);
        Self { flags, ..Self::new(propagators) }
    }

    /// Creates the position of work inside of this one. `parent` is the span around it.
    pub(crate) fn inner(&self, parent: SpanId, flags: TraceFlags) -> Self {
        Self {
            trace_id: self.trace_id,
            span_id: SpanId::random(),
            parent_id: Some(parent),
            flags,
            state: self.state.clone(),
            link: None,
            baggage: self.baggage.clone(),
            propagators: self.propagators,
        }
    }

    /// Returns the value of the `traceparent` header for calls of this request.
    #[must_use]
    pub fn traceparent(&self) -> String {
        traceparent::format(self.trace_id, self.span_id, self.flags)
    }

    /// Calls `set` with the name and the value of each header that passes this context on.
    ///
    /// By default, these are `traceparent`, and `tracestate` and `baggage` if they are not empty.
    /// Other [propagators](crate::ObserverBuilder::propagators) use other headers.
    pub fn inject(&self, set: impl FnMut(&'static str, &str)) {
        self.inject_as(self.span_id, self.flags, set);
    }

    /// Does the same as [`inject`](Self::inject) for a span within the request.
    pub(crate) fn inject_as(
        &self,
        span_id: SpanId,
        flags: TraceFlags,
        mut set: impl FnMut(&'static str, &str),
    ) {
        for propagator in self.propagators.iter() {
            match propagator {
                Propagator::TraceContext => {
                    set("traceparent", &traceparent::format(self.trace_id, span_id, flags));
                    if !self.state.is_empty() {
                        set("tracestate", self.state.as_str());
                    }
                }
                Propagator::Baggage if !self.baggage.is_empty() => set("baggage", self.baggage.as_str()),
                Propagator::Baggage => {}
                Propagator::B3 => b3::inject_single(self.trace_id, span_id, flags, &mut set),
                Propagator::B3Multi => b3::inject_multi(self.trace_id, span_id, flags, &mut set),
                Propagator::Jaeger => jaeger::inject(self.trace_id, span_id, flags, &mut set),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) struct Pairs<'a>(pub(super) &'a [(&'a str, &'a str)]);
    impl HeaderLookup for Pairs<'_> {
        fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
            self.0.iter().filter(|(n, _)| *n == name).for_each(|(_, value)| f(value.as_bytes()));
        }
    }

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03";

    fn start(pairs: &[(&str, &str)], trusted: bool) -> TraceContext {
        TraceContext::start(&Pairs(pairs), Propagators::default(), || trusted)
    }

    #[test]
    fn a_trusted_trace_continues_with_a_new_span() {
        let trace = start(&[("traceparent", PARENT), ("tracestate", "a=1"), ("baggage", "k=v")], true);
        assert_eq!(trace.trace_id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace.parent_id.map(|id| id.to_string()).as_deref(), Some("00f067aa0ba902b7"));
        let mut headers = Vec::new();
        trace.inject(|name, value| headers.push(format!("{name}: {value}")));
        let parent = format!("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-{}-03", trace.span_id);
        assert_eq!(headers, [parent.as_str(), "tracestate: a=1", "baggage: k=v"]);
    }

    #[test]
    fn an_untrusted_trace_is_linked_and_its_state_and_baggage_are_dropped() {
        let trace = start(&[("traceparent", PARENT), ("tracestate", "a=1"), ("baggage", "k=v")], false);
        let link = trace.link.expect("a link");
        assert_eq!(link.trace_id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_ne!(trace.trace_id, link.trace_id);
        assert!(trace.parent_id.is_none() && trace.state.is_empty() && trace.baggage.is_empty());
    }

    #[test]
    fn a_new_trace_starts_without_a_valid_traceparent() {
        for pairs in [
            &[][..],
            &[("tracestate", "a=1")],
            &[("traceparent", "nonsense"), ("tracestate", "a=1")],
            &[("traceparent", PARENT), ("traceparent", PARENT), ("tracestate", "a=1")],
        ] {
            let trace = start(pairs, true);
            assert!(trace.parent_id.is_none() && trace.link.is_none() && trace.state.is_empty(), "{pairs:?}");
            assert!(trace.flags.is_sampled() && trace.flags.is_random());
        }
    }

    #[test]
    fn an_invalid_tracestate_does_not_affect_the_traceparent() {
        let trace = start(&[("traceparent", PARENT), ("tracestate", "NOT VALID")], true);
        assert!(trace.parent_id.is_some() && trace.state.is_empty());
    }
}
