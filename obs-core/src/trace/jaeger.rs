//! Jaeger's `uber-trace-id` header (Jaeger's documentation, "Client Libraries", "Propagation
//! Format").

use super::{
    ids::{RemoteSpan, SpanId, TraceFlags, TraceId},
    wire::{only, padded},
};
use crate::http::headers::HeaderLookup;

const HEADER: &str = "uber-trace-id";

/// Returns the context in the request's only `uber-trace-id`.
#[inline(never)]
pub(super) fn find(headers: &(impl HeaderLookup + ?Sized)) -> Option<RemoteSpan> {
    only(headers, HEADER, parse)
}

/// Sets the header. The parent is `0`, as the format requires, because the field is no longer used.
pub(super) fn inject(
    trace_id: TraceId,
    span_id: SpanId,
    flags: TraceFlags,
    set: &mut dyn FnMut(&'static str, &str),
) {
    set(HEADER, &format!("{trace_id}:{span_id}:0:{}", u8::from(flags.is_sampled())));
}

/// Parses `{trace id}:{span id}:{parent id}:{flags}`. Each part may lack its leading zeros.
fn parse(text: &str) -> Option<RemoteSpan> {
    /// The debug flag is only valid together with sampled, so it has the same effect.
    const SAMPLED_OR_DEBUG: u8 = 0b11;
    let (trace_id, rest) = split(text)?;
    let (span_id, rest) = split(rest)?;
    let (parent, flags) = split(rest)?;
    let [flags] = padded(flags)?;
    padded::<8>(parent)?;
    Some(RemoteSpan {
        trace_id: TraceId::from_bytes(padded(trace_id)?)?,
        span_id: SpanId::from_bytes(padded(span_id)?)?,
        flags: if flags & SAMPLED_OR_DEBUG == 0 { TraceFlags::default() } else { TraceFlags::SAMPLED },
    })
}

/// Splits at the first colon. Some of Jaeger's clients percent-encode the value, which changes only
/// the colons.
fn split(text: &str) -> Option<(&str, &str)> {
    let (part, rest) = text.split_at_checked(text.find([':', '%'])?)?;
    let colons = [":", "%3A", "%3a"];
    colons.iter().find_map(|colon| rest.strip_prefix(colon)).map(|rest| (part, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trace::tests::Pairs;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn found(value: &str) -> Option<String> {
        let span = find(&Pairs(&[(HEADER, value)]))?;
        Some(format!("{}:{}:{}", span.trace_id, span.span_id, span.flags.to_byte()))
    }

    #[test]
    fn valid_values_are_parsed() {
        for (value, flags) in [
            (format!("{TRACE}:{SPAN}:0:1"), 1),
            (format!("{TRACE}:{SPAN}:0:01"), 1),
            (format!("{TRACE}:{SPAN}:{SPAN}:0"), 0),
            (format!("{TRACE}:{}:0:1", SPAN.trim_start_matches('0')), 1),
            (format!("{}:{SPAN}:0:1", TRACE.to_uppercase()), 1),
            (format!("{TRACE}%3A{SPAN}%3a0%3A1"), 1),
            // Debug alone, debug and sampled, firehose alone, all flags.
            (format!("{TRACE}:{SPAN}:0:2"), 1),
            (format!("{TRACE}:{SPAN}:0:3"), 1),
            (format!("{TRACE}:{SPAN}:0:8"), 0),
            (format!("{TRACE}:{SPAN}:0:ff"), 1),
        ] {
            assert_eq!(found(&value), Some(format!("{TRACE}:{SPAN}:{flags}")), "{value:?}");
        }
        assert_eq!(
            found("abc:1:0:1").as_deref(),
            Some("00000000000000000000000000000abc:0000000000000001:1")
        );
    }

    #[test]
    fn invalid_values_are_ignored() {
        for value in [
            format!("0:{SPAN}:0:1"),
            format!("{TRACE}:0:0:1"),
            format!("{TRACE}0:{SPAN}:0:1"),
            format!("{TRACE}:{SPAN}0:0:1"),
            format!("{TRACE}:{SPAN}:{SPAN}0:1"),
            format!("{TRACE}:{SPAN}::1"),
            format!("{TRACE}:{SPAN}:0:"),
            format!("{TRACE}:{SPAN}:0:001"),
            format!("{TRACE}:{SPAN}:0:+1"),
            format!("{TRACE}:{SPAN}:0:1:"),
            format!("{TRACE}:{SPAN}:0"),
            format!("{TRACE}:{SPAN}"),
            format!("{TRACE}%2D{SPAN}:0:1"),
            format!("{TRACE}:{SPAN}:0%"),
            format!(":{SPAN}:0:1"),
            String::new(),
        ] {
            assert_eq!(found(&value), None, "{value:?}");
        }
        let value = format!("{TRACE}:{SPAN}:0:1");
        assert_eq!(find(&Pairs(&[(HEADER, &value), (HEADER, &value)])), None);
    }

    #[test]
    fn an_injected_context_is_extracted() {
        for (flags, digit) in [(0, '0'), (1, '1'), (2, '0'), (3, '1')] {
            let trace = TraceId::from_bytes([1; 16]).expect("not zero");
            let span = SpanId::from_bytes([2; 8]).expect("not zero");
            let mut out = Vec::new();
            inject(trace, span, TraceFlags::from_byte(flags), &mut |name, value| {
                out.push((name, value.to_owned()));
            });
            let expected = format!("{trace}:{span}:0:{digit}");
            assert_eq!(out, [(HEADER, expected.clone())]);
            assert_eq!(found(&expected), Some(format!("{trace}:{span}:{digit}")));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_accepted(text in "[0-9a-f]{1,33}(:|%3A)[0-9a-f]{1,17}(:|%3a)0:[0-9a-f]{1,3}|.{0,80}|[:%3A0-9]{0,60}") {
            if let Some(span) = parse(&text) {
                prop_assert!(!span.flags.is_random());
            }
        }
    }
}
