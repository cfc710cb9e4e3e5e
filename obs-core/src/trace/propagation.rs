//! The formats in which a trace context is read and written.

use super::{b3, ids::RemoteSpan, jaeger, traceparent, tracestate::TraceState};
use crate::http::headers::HeaderLookup;

/// A format in which services pass on their trace context or their baggage.
///
/// ```
/// use obs_core::trace::Propagator;
/// assert_eq!(Propagator::B3Multi.as_str(), "b3multi");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Propagator {
    /// W3C Trace Context: `traceparent` and `tracestate`.
    TraceContext,
    /// W3C Baggage: `baggage`.
    Baggage,
    /// Zipkin's B3, written as one `b3` header. Both forms of B3 are read.
    B3,
    /// Zipkin's B3, written as `x-b3-traceid`, `x-b3-spanid` and `x-b3-sampled`. Both forms of B3
    /// are read.
    B3Multi,
    /// Jaeger's `uber-trace-id`.
    Jaeger,
}

impl Propagator {
    const ALL: [Self; 5] = [Self::TraceContext, Self::Baggage, Self::B3, Self::B3Multi, Self::Jaeger];

    /// The name in `OTEL_PROPAGATORS`: `tracecontext`, `baggage`, `b3`, `b3multi` or `jaeger`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TraceContext => "tracecontext",
            Self::Baggage => "baggage",
            Self::B3 => "b3",
            Self::B3Multi => "b3multi",
            Self::Jaeger => "jaeger",
        }
    }

    /// Returns the format with this name, in exactly this case.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|propagator| propagator.as_str() == name)
    }

    /// Returns the caller's context, if the request has a valid one in this format.
    #[inline]
    fn extract(self, headers: &(impl HeaderLookup + ?Sized)) -> Option<(RemoteSpan, TraceState)> {
        let span = match self {
            Self::TraceContext => {
                return traceparent::find(headers).map(|span| (span, TraceState::find(headers)));
            }
            Self::Baggage => None,
            // The single header takes precedence, whichever form is written (Propagators API, "B3
            // Requirements").
            Self::B3 | Self::B3Multi => b3::find_single(headers).or_else(|| b3::find_multi(headers)),
            Self::Jaeger => jaeger::find(headers),
        };
        span.map(|span| (span, TraceState::default()))
    }
}

/// The formats in use, in their order and without repetition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Propagators([Option<Propagator>; Propagator::ALL.len()]);

impl Propagators {
    pub(crate) fn new(propagators: impl IntoIterator<Item = Propagator>) -> Self {
        let mut set = Self([None; Propagator::ALL.len()]);
        for propagator in propagators {
            if set.contains(propagator) {
                continue;
            }
            if let Some(free) = set.0.iter_mut().find(|place| place.is_none()) {
                *free = Some(propagator);
            }
        }
        set
    }

    /// Parses the list of `OTEL_PROPAGATORS`. Also returns its unknown names.
    ///
    /// `none` means no formats only if it stands alone ("Environment Variable Specification",
    /// "General SDK Configuration").
    pub(crate) fn from_list(list: &str) -> (Self, Vec<String>) {
        let mut unknown = Vec::new();
        if list.trim() == "none" {
            return (Self::new([]), unknown);
        }
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        let known = Self::new(names.filter_map(|name| {
            let propagator = Propagator::parse(name);
            if propagator.is_none() {
                unknown.push(name.to_owned());
            }
            propagator
        }));
        (known, unknown)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }

    pub(crate) fn contains(self, propagator: Propagator) -> bool {
        self.iter().any(|other| other == propagator)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Propagator> {
        self.0.into_iter().map_while(|propagator| propagator)
    }

    /// Returns the caller's context in the first format that has a valid one. Only Trace Context
    /// has a state.
    #[inline]
    pub(crate) fn extract(self, headers: &(impl HeaderLookup + ?Sized)) -> Option<(RemoteSpan, TraceState)> {
        self.iter().find_map(|propagator| propagator.extract(headers))
    }
}

/// The defaults of OpenTelemetry: Trace Context and Baggage.
impl Default for Propagators {
    fn default() -> Self {
        Self::new([Propagator::TraceContext, Propagator::Baggage])
    }
}

#[cfg(test)]
mod tests {
    use Propagator::{B3, B3Multi, Baggage, Jaeger, TraceContext};

    use super::*;
    use crate::trace::tests::Pairs;

    fn formats_of(propagators: Propagators) -> Vec<Propagator> {
        propagators.iter().collect()
    }

    #[test]
    fn names_are_case_sensitive() {
        for propagator in Propagator::ALL {
            assert_eq!(Propagator::parse(propagator.as_str()), Some(propagator));
            assert_eq!(Propagator::parse(&propagator.as_str().to_uppercase()), None);
        }
    }

    #[test]
    fn formats_are_kept_once_in_their_order() {
        assert_eq!(
            formats_of(Propagators::new([Jaeger, B3, Jaeger, TraceContext])),
            [Jaeger, B3, TraceContext]
        );
        assert_eq!(formats_of(Propagators::new(Propagator::ALL)), Propagator::ALL);
        assert_eq!(formats_of(Propagators::default()), [TraceContext, Baggage]);
        assert!(!Propagators::default().contains(B3));
    }

    #[test]
    fn lists_of_the_environment_are_parsed() {
        for (list, known, unknown) in [
            ("b3, jaeger ,b3", &[B3, Jaeger][..], &[][..]),
            ("none", &[], &[]),
            (" none ", &[], &[]),
            ("none,b3multi", &[B3Multi], &["none"]),
            ("b3,xray,ottrace", &[B3], &["xray", "ottrace"]),
            ("B3,baggage", &[Baggage], &["B3"]),
            ("xray", &[], &["xray"]),
            (",b3,,", &[B3], &[]),
            ("", &[], &[]),
        ] {
            let (propagators, names) = Propagators::from_list(list);
            assert_eq!(propagators.is_empty(), known.is_empty(), "{list}");
            assert_eq!(
                (formats_of(propagators).as_slice(), names.as_slice()),
                (known, &strings(unknown)[..]),
                "{list}"
            );
        }
    }

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_first_format_with_a_valid_context_is_used() {
        const W3C: (&str, &str) = ("traceparent", "00-11111111111111111111111111111111-1111111111111111-03");
        const SINGLE: (&str, &str) = ("b3", "2222222222222222-2222222222222222-1");
        const MULTI: [(&str, &str); 2] =
            [("x-b3-traceid", "3333333333333333"), ("x-b3-spanid", "3333333333333333")];
        const JAEGER: (&str, &str) = ("uber-trace-id", "4:4444444444444444:0:1");
        const STATE: (&str, &str) = ("tracestate", "a=1");
        let everything = [W3C, SINGLE, MULTI[0], MULTI[1], JAEGER, STATE];
        for (propagators, pairs, span, state) in [
            (&[TraceContext, B3][..], &everything[..], Some("1"), "a=1"),
            (&[B3, TraceContext], &everything, Some("2"), ""),
            (&[B3Multi], &everything, Some("2"), ""),
            (&[B3], &MULTI, Some("3"), ""),
            (&[B3Multi], &[("b3", "0"), MULTI[0], MULTI[1]], Some("3"), ""),
            (&[Jaeger, B3], &everything, Some("4"), ""),
            (&[TraceContext, B3], &[("traceparent", "nonsense"), SINGLE, STATE], Some("2"), ""),
            (&[TraceContext, Baggage], &[SINGLE, JAEGER], None, ""),
            (&[Baggage], &everything, None, ""),
            (&[], &everything, None, ""),
        ] {
            let found = Propagators::new(propagators.iter().copied()).extract(&Pairs(pairs));
            let digit = found.as_ref().map(|(span, _)| span.span_id.to_string());
            assert_eq!(digit, span.map(|digit| digit.repeat(16)), "{propagators:?}");
            let found = found.map(|(_, state)| state).unwrap_or_default();
            assert_eq!(found.as_str(), state, "{propagators:?}");
        }
    }
}
