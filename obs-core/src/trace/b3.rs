//! Zipkin's `b3` and `X-B3-…` headers (b3-propagation, "Http Encodings"), by OpenTelemetry's rules
//! for them (Propagators API, "B3 Requirements").

use super::{
    ids::{RemoteSpan, SpanId, TraceFlags, TraceId},
    wire::{only, padded},
};
use crate::http::headers::HeaderLookup;

/// Returns the context in the request's only `b3` header. A sampling decision alone (`b3: 0`) is
/// not a context.
#[inline(never)]
pub(super) fn find_single(headers: &(impl HeaderLookup + ?Sized)) -> Option<RemoteSpan> {
    only(headers, "b3", parse)
}

/// Returns the context in `X-B3-TraceId` and `X-B3-SpanId`, with the sampling decision of the other
/// headers.
#[inline(never)]
pub(super) fn find_multi(headers: &(impl HeaderLookup + ?Sized)) -> Option<RemoteSpan> {
    let trace_id = only(headers, "x-b3-traceid", trace_id)?;
    let span_id = only(headers, "x-b3-spanid", span_id)?;
    // Debug implies sampled. Tracers sent `true` before there was a specification.
    let debug = only(headers, "x-b3-flags", |text| (text == "1").then_some(()));
    let sampled =
        debug.or_else(|| only(headers, "x-b3-sampled", |text| matches!(text, "1" | "true").then_some(())));
    Some(RemoteSpan { trace_id, span_id, flags: flags(sampled.is_some()) })
}

pub(super) fn inject_single(
    trace_id: TraceId,
    span_id: SpanId,
    flags: TraceFlags,
    set: &mut dyn FnMut(&'static str, &str),
) {
    set("b3", &format!("{trace_id}-{span_id}-{}", state(flags)));
}

/// Sets the headers with names in lower case, as HTTP/2 requires.
pub(super) fn inject_multi(
    trace_id: TraceId,
    span_id: SpanId,
    flags: TraceFlags,
    set: &mut dyn FnMut(&'static str, &str),
) {
    set("x-b3-traceid", &trace_id.hex());
    set("x-b3-spanid", &span_id.hex());
    set("x-b3-sampled", state(flags));
}

/// Parses `{trace id}-{span id}-{state}-{parent id}`. The last two parts are each optional.
fn parse(text: &str) -> Option<RemoteSpan> {
    let mut parts = text.split('-');
    let trace_id = trace_id(parts.next()?)?;
    let span_id = span_id(parts.next()?)?;
    let (sampled, parent) = match parts.next() {
        Some("0") => (false, parts.next()),
        Some("1" | "d") => (true, parts.next()),
        // Deferred: the caller made no sampling decision.
        parent => (false, parent),
    };
    // The parent's parent is not used, because each side of a call has its own span here.
    let parent_fits = parent.is_none_or(|parent| parent.len() == 16 && lowercase_hex::<8>(parent).is_some());
    let fits = parent_fits && parts.next().is_none();
    fits.then_some(RemoteSpan { trace_id, span_id, flags: flags(sampled) })
}

/// Returns the flags of a context. Without a decision, the trace is not sampled, as in
/// OpenTelemetry's own propagators, because a context has no third state. The header does not state
/// if the id is random.
const fn flags(sampled: bool) -> TraceFlags {
    if sampled { TraceFlags::SAMPLED } else { TraceFlags::from_byte(0) }
}

const fn state(flags: TraceFlags) -> &'static str {
    if flags.is_sampled() { "1" } else { "0" }
}

/// Parses a trace id of 32 digits, or of 16 digits for 64 bits.
fn trace_id(text: &str) -> Option<TraceId> {
    if text.len() != 16 && text.len() != 32 {
        return None;
    }
    TraceId::from_bytes(lowercase_hex(text)?)
}

fn span_id(text: &str) -> Option<SpanId> {
    if text.len() != 16 {
        return None;
    }
    SpanId::from_bytes(lowercase_hex(text)?)
}

fn lowercase_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    padded(text).filter(|_| !text.bytes().any(|b| b.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trace::tests::Pairs;

    const TRACE: &str = "80f198ee56343ba864fe8b2a57d3eff7";
    const SPAN: &str = "e457b5a2e4d86bd1";
    const PARENT: &str = "05e3ac9a4f6e3b90";

    fn shown(span: RemoteSpan) -> String {
        format!("{}-{}-{}", span.trace_id, span.span_id, span.flags.to_byte())
    }

    #[test]
    fn the_single_header_is_parsed() {
        let zeros = "0".repeat(32);
        for (value, flags) in [
            (format!("{TRACE}-{SPAN}-1-{PARENT}"), Some(1)),
            (format!("{TRACE}-{SPAN}-1"), Some(1)),
            (format!("{TRACE}-{SPAN}-d"), Some(1)),
            (format!("{TRACE}-{SPAN}-d-{PARENT}"), Some(1)),
            (format!("{TRACE}-{SPAN}-0"), Some(0)),
            (format!("{TRACE}-{SPAN}"), Some(0)),
            (format!("{TRACE}-{SPAN}-{PARENT}"), Some(0)),
            (format!(" {TRACE}-{SPAN}-1\t"), Some(1)),
            // Sampling decisions alone.
            ("0".to_owned(), None),
            ("1".to_owned(), None),
            ("d".to_owned(), None),
            // An id of zeros is invalid.
            (format!("{zeros}-{SPAN}-1"), None),
            (format!("{TRACE}-{}-1", &zeros[..16]), None),
            // Only lower case and only these lengths are valid.
            (format!("{}-{SPAN}-1", TRACE.to_uppercase()), None),
            (format!("{TRACE}-{}-1", SPAN.to_uppercase()), None),
            (format!("{}-{SPAN}-1", &TRACE[1..]), None),
            (format!("{TRACE}0-{SPAN}-1"), None),
            (format!("{TRACE}-{}-1", &SPAN[1..]), None),
            // Invalid states and parents, and too many parts.
            (format!("{TRACE}-{SPAN}-"), None),
            (format!("{TRACE}-{SPAN}-2"), None),
            (format!("{TRACE}-{SPAN}-true"), None),
            (format!("{TRACE}-{SPAN}-1-"), None),
            (format!("{TRACE}-{SPAN}-1-{PARENT}-"), None),
            (format!("{TRACE}-{SPAN}-{PARENT}-1"), None),
            (TRACE.to_owned(), None),
            (String::new(), None),
        ] {
            let found = find_single(&Pairs(&[("b3", &value)]));
            let expected = flags.map(|flags| format!("{TRACE}-{SPAN}-{flags}"));
            assert_eq!(found.map(shown), expected, "{value:?}");
        }
    }

    #[test]
    fn short_trace_ids_get_zeros_on_the_left() {
        let padded = format!("0000000000000000{PARENT}-{SPAN}-1");
        let single = format!("{PARENT}-{SPAN}-1");
        assert_eq!(find_single(&Pairs(&[("b3", &single)])).map(shown), Some(padded.clone()));
        let multi = [("x-b3-traceid", PARENT), ("x-b3-spanid", SPAN), ("x-b3-sampled", "1")];
        assert_eq!(find_multi(&Pairs(&multi)).map(shown), Some(padded));
    }

    #[test]
    fn several_headers_are_parsed() {
        for (more, flags) in [
            (&[][..], 0),
            (&[("x-b3-sampled", "1")], 1),
            (&[("x-b3-sampled", "true")], 1),
            (&[("x-b3-sampled", "0")], 0),
            (&[("x-b3-sampled", "false")], 0),
            (&[("x-b3-sampled", "nonsense")], 0),
            (&[("x-b3-flags", "1")], 1),
            (&[("x-b3-flags", "0")], 0),
            (&[("x-b3-flags", "1"), ("x-b3-sampled", "0")], 1),
            (&[("x-b3-flags", "0"), ("x-b3-sampled", "1")], 1),
            (&[("x-b3-parentspanid", "nonsense"), ("x-b3-sampled", "1")], 1),
            (&[("x-b3-sampled", "1"), ("x-b3-sampled", "1")], 0),
        ] {
            let pairs = [&[("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN)], more].concat();
            let expected = format!("{TRACE}-{SPAN}-{flags}");
            assert_eq!(find_multi(&Pairs(&pairs)).map(shown), Some(expected), "{more:?}");
        }
    }

    #[test]
    fn incomplete_and_repeated_contexts_are_ignored() {
        for pairs in [
            &[][..],
            &[("x-b3-sampled", "0")],
            &[("x-b3-traceid", TRACE)],
            &[("x-b3-spanid", SPAN)],
            &[("x-b3-traceid", TRACE), ("x-b3-spanid", "0000000000000000")],
            &[("x-b3-traceid", TRACE), ("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN)],
            &[("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), ("x-b3-spanid", SPAN)],
        ] {
            assert_eq!(find_multi(&Pairs(pairs)), None, "{pairs:?}");
        }
        let single = format!("{TRACE}-{SPAN}-1");
        assert_eq!(find_single(&Pairs(&[("b3", &single), ("b3", &single)])), None);
    }

    #[test]
    fn an_injected_context_is_extracted() {
        let span = |flags| RemoteSpan {
            trace_id: TraceId::from_bytes([1; 16]).expect("not zero"),
            span_id: SpanId::from_bytes([2; 8]).expect("not zero"),
            flags,
        };
        // No B3 header states that an id is random.
        for (out, back) in [(0, 0), (1, 1), (2, 0), (3, 1)] {
            let out = span(TraceFlags::from_byte(out));
            for inject in [inject_single, inject_multi] {
                let mut headers = Vec::new();
                inject(out.trace_id, out.span_id, out.flags, &mut |name, value| {
                    headers.push((name, value.to_owned()));
                });
                let pairs: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let found = find_single(&Pairs(&pairs)).or_else(|| find_multi(&Pairs(&pairs)));
                assert_eq!(found, Some(span(TraceFlags::from_byte(back))));
            }
        }
        let mut out = Vec::new();
        let RemoteSpan { trace_id, span_id, flags } = span(TraceFlags::SAMPLED);
        inject_single(trace_id, span_id, flags, &mut |name, value| out.push(format!("{name}: {value}")));
        assert_eq!(out, ["b3: 01010101010101010101010101010101-0202020202020202-1"]);
    }

    proptest! {
        #[test]
        fn any_text_is_accepted(text in "[0-9a-f]{16}-[0-9a-f]{15,17}(-[01d])?(-[0-9a-f]{16})?|.{0,80}") {
            if let Some(span) = parse(&text) {
                prop_assert!(text.contains(&span.span_id.to_string()));
                prop_assert!(!span.flags.is_random());
            }
        }
    }
}
