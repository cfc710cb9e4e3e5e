//! Trace context and baggage as W3C has them, without any SDK.
//!
//! The service makes a span id of its own for every request, so that what it calls becomes its child. Nothing is
//! exported here: the ids are in the record, in the line, and in what is [injected](TraceContext::inject) into calls.

pub(crate) mod b3;
pub(crate) mod baggage;
pub(crate) mod jaeger;
pub(crate) mod propagation;
pub(crate) mod traceparent;
pub(crate) mod tracestate;
pub(crate) mod wire;

use std::fmt;

pub use self::{baggage::Baggage, propagation::Propagator, tracestate::TraceState};
use crate::trace::propagation::Propagators;
use crate::{base::random, http::headers::HeaderLookup, write::hex};

/// `N` hexadecimal digits, without allocation.
pub(crate) struct Hex<const N: usize>([u8; N]);

impl<const N: usize> AsRef<[u8]> for Hex<N> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl<const N: usize> std::ops::Deref for Hex<N> {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $hex:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// The id of these bytes; `None` if all of them are 0, which W3C forbids.
            #[must_use]
            pub fn from_bytes(bytes: [u8; $bytes]) -> Option<Self> {
                bytes.iter().any(|byte| *byte != 0).then_some(Self(bytes))
            }

            /// Its bytes, the first one first.
            #[must_use]
            pub const fn to_bytes(self) -> [u8; $bytes] {
                self.0
            }

            /// A new random one.
            #[inline]
            pub(crate) fn random() -> Self {
                loop {
                    let mut bytes = [0; $bytes];
                    random::fill(&mut bytes);
                    if let Some(id) = Self::from_bytes(bytes) {
                        return id;
                    }
                }
            }
        }

        impl $name {
            /// Its lower-case hexadecimal digits.
            pub(crate) fn hex(&self) -> Hex<$hex> {
                Hex(hex::encode(&self.0))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

id! {
    /// The id of a trace: 16 bytes, not all 0.
    ///
    /// ```
    /// use obs_core::trace::TraceId;
    /// assert_eq!(TraceId::from_bytes([1; 16]).unwrap().to_string(), "01010101010101010101010101010101");
    /// assert!(TraceId::from_bytes([0; 16]).is_none());
    /// ```
    TraceId, 16, 32
}

id! {
    /// The id of one span, which W3C calls parent-id: 8 bytes, not all 0.
    ///
    /// ```
    /// use obs_core::trace::SpanId;
    /// assert_eq!(SpanId::from_bytes([10; 8]).unwrap().to_string(), "0a0a0a0a0a0a0a0a");
    /// ```
    SpanId, 8, 16
}

/// The flags of a trace context (Trace Context level 2, §3.2.2.5).
///
/// ```
/// use obs_core::trace::TraceFlags;
/// assert!(TraceFlags::SAMPLED.is_sampled());
/// assert!(!TraceFlags::SAMPLED.is_random());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TraceFlags(u8);

impl TraceFlags {
    /// The caller may have recorded the trace.
    pub const SAMPLED: Self = Self(0b01);
    /// The right-most 7 bytes of the trace id are random.
    pub const RANDOM: Self = Self(0b10);

    /// Of `byte` the two known flags: others must go out as 0.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Self {
        Self(byte & (Self::SAMPLED.0 | Self::RANDOM.0))
    }

    /// The same with the sampled flag so.
    #[cfg(feature = "otel")]
    pub(crate) const fn with_sampled(self, sampled: bool) -> Self {
        if sampled { Self(self.0 | Self::SAMPLED.0) } else { Self(self.0 & !Self::SAMPLED.0) }
    }

    /// Both flags as they go out.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        self.0
    }

    /// Whether the trace is recorded.
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        self.0 & Self::SAMPLED.0 != 0
    }

    /// Whether the trace id's last 7 bytes are random.
    #[must_use]
    pub const fn is_random(self) -> bool {
        self.0 & Self::RANDOM.0 != 0
    }
}

/// A span of another service, as a `traceparent` header names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteSpan {
    /// Its trace.
    pub trace_id: TraceId,
    /// Itself.
    pub span_id: SpanId,
    /// Its flags.
    pub flags: TraceFlags,
}

impl RemoteSpan {
    /// Reads a `traceparent` value strictly by Trace Context level 2; `None` if it is not valid.
    ///
    /// ```
    /// use obs_core::trace::RemoteSpan;
    /// let valid = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    /// assert!(RemoteSpan::parse(valid).is_some_and(|span| span.flags.is_sampled()));
    /// assert!(RemoteSpan::parse(b"00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01").is_none());
    /// ```
    #[must_use]
    pub fn parse(traceparent: &[u8]) -> Option<Self> {
        traceparent::parse(traceparent)
    }
}

/// The place of a request in its trace.
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
    /// The request itself, as a span: new for every request.
    pub span_id: SpanId,
    /// The caller's span, if its trace was continued.
    pub parent_id: Option<SpanId>,
    /// The flags that go out.
    pub flags: TraceFlags,
    /// What other tracing systems pass along.
    pub state: TraceState,
    /// The caller's span if it was not trusted, so that its trace was not continued.
    pub link: Option<RemoteSpan>,
    /// What callers pass along for those who come after them.
    pub baggage: Baggage,
    /// The formats in which it is passed on.
    pub(crate) propagators: Propagators,
}

impl TraceContext {
    /// Drops everything that callers have passed along. The ids stay until the next request begins.
    pub(crate) fn reset(&mut self) {
        let Self { trace_id: _, span_id: _, parent_id, flags: _, state, link, baggage, propagators: _ } =
            self;
        (*parent_id, *link) = (None, None);
        (*state, *baggage) = (TraceState::default(), Baggage::default());
    }

    /// Continues the trace in `headers`, if there is a valid one and it is trusted, or begins a new one.
    ///
    /// An untrusted context becomes a link; its state and its baggage are left behind.
    pub(crate) fn start(
        headers: &(impl HeaderLookup + ?Sized),
        propagators: Propagators,
        trusted: impl FnOnce() -> bool,
    ) -> Self {
        let remote = propagators.extract(headers);
        let trusted = trusted();
        let baggage = if trusted && propagators.contains(Propagator::Baggage) {
            Baggage::find(headers)
        } else {
            Baggage::default()
        };
        let link = remote.as_ref().map(|(span, _)| *span);
        match remote.filter(|_| trusted) {
            Some((parent, state)) => Self {
                trace_id: parent.trace_id,
                span_id: SpanId::random(),
                parent_id: Some(parent.span_id),
                flags: parent.flags,
                state,
                link: None,
                baggage,
                propagators,
            },
            // All our bytes are random. With no sampler to ask, a new trace is recorded: as lines it is.
            None => Self {
                trace_id: TraceId::random(),
                span_id: SpanId::random(),
                parent_id: None,
                flags: TraceFlags(TraceFlags::SAMPLED.0 | TraceFlags::RANDOM.0),
                state: TraceState::default(),
                link,
                baggage,
                propagators,
            },
        }
    }

    /// The value of the `traceparent` header for what this request calls.
    #[must_use]
    pub fn traceparent(&self) -> String {
        traceparent::format(self.trace_id, self.span_id, self.flags)
    }

    /// Calls `set` with the name and the value of each header that passes this context on: `traceparent`, and
    /// `tracestate` and `baggage` if there are any, or what the [propagators](crate::ObserverBuilder::propagators) are instead.
    pub fn inject(&self, set: impl FnMut(&'static str, &str)) {
        self.inject_as(self.span_id, self.flags, set);
    }

    /// The same for a span within the request.
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

/// All values of a header in their order with commas between them, as RFC 9110 §5.3 joins them; `None` if there are
/// none, if they are longer than `limit` together, or if one is not ASCII.
fn joined(headers: &(impl HeaderLookup + ?Sized), name: &str, limit: usize) -> Option<String> {
    let mut all = String::new();
    let (mut any, mut valid) = (false, true);
    headers.each(name, &mut |value| {
        let text = std::str::from_utf8(value).ok().filter(|text| text.is_ascii());
        let fits = all.len().saturating_add(value.len()) < limit;
        match text {
            Some(text) if valid && fits => {
                if any {
                    all.push(',');
                }
                all.push_str(text);
                any = true;
            }
            _ => valid = false,
        }
    });
    (any && valid).then_some(all)
}

/// Without spaces and tabs at its ends: optional white space, as RFC 9110 §5.6.3 calls it.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
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
    fn continues_a_trusted_trace_with_a_span_of_its_own() {
        let trace = start(&[("traceparent", PARENT), ("tracestate", "a=1"), ("baggage", "k=v")], true);
        assert_eq!(trace.trace_id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace.parent_id.map(|id| id.to_string()).as_deref(), Some("00f067aa0ba902b7"));
        let mut headers = Vec::new();
        trace.inject(|name, value| headers.push(format!("{name}: {value}")));
        let parent = format!("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-{}-03", trace.span_id);
        assert_eq!(headers, [parent.as_str(), "tracestate: a=1", "baggage: k=v"]);
    }

    #[test]
    fn links_an_untrusted_trace_and_leaves_its_luggage() {
        let trace = start(&[("traceparent", PARENT), ("tracestate", "a=1"), ("baggage", "k=v")], false);
        let link = trace.link.expect("a link");
        assert_eq!(link.trace_id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_ne!(trace.trace_id, link.trace_id);
        assert!(trace.parent_id.is_none() && trace.state.is_empty() && trace.baggage.is_empty());
    }

    #[test]
    fn restarts_where_there_is_no_valid_trace() {
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
    fn an_invalid_state_does_not_hurt_the_parent() {
        let trace = start(&[("traceparent", PARENT), ("tracestate", "NOT VALID")], true);
        assert!(trace.parent_id.is_some() && trace.state.is_empty());
    }
}
