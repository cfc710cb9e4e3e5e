//! The `traceparent` header (Trace Context level 2, §3.2).

use super::ids::{RemoteSpan, SpanId, TraceFlags, TraceId};
use crate::{http::headers::HeaderLookup, write::hex};

/// The length of `00-<32 hex>-<16 hex>-<2 hex>`.
const LENGTH: usize = 55;

/// Returns the context in the request's only `traceparent`, if it is valid. Several headers count
/// as none.
#[inline]
pub(super) fn find(headers: &(impl HeaderLookup + ?Sized)) -> Option<RemoteSpan> {
    let (mut count, mut found) = (0_u32, None);
    headers.each("traceparent", &mut |value| {
        count = count.saturating_add(1);
        found = parse(value);
    });
    found.filter(|_| count == 1)
}

#[inline]
pub(super) fn parse(value: &[u8]) -> Option<RemoteSpan> {
    let (head, rest) = trim(value).split_first_chunk::<LENGTH>()?;
    let (version, after) = head.split_first_chunk::<2>()?;
    let (trace_id, after) = after.strip_prefix(b"-")?.split_first_chunk::<32>()?;
    let (span_id, after) = after.strip_prefix(b"-")?.split_first_chunk::<16>()?;
    let [flags] = hex::decode(after.strip_prefix(b"-")?.first_chunk::<2>()?)?;
    let [version] = hex::decode(version)?;
    // A higher version may have more fields, after another dash.
    let rest_fits = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => rest.is_empty() || rest.starts_with(b"-"),
    };
    let trace_id = TraceId::from_bytes(hex::decode(trace_id)?)?;
    let span_id = SpanId::from_bytes(hex::decode(span_id)?)?;
    rest_fits.then_some(RemoteSpan { trace_id, span_id, flags: TraceFlags::from_byte(flags) })
}

/// Removes the white space that may surround the value of a header (RFC 9110 §5.5).
const fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

pub(super) fn format(trace_id: TraceId, span_id: SpanId, flags: TraceFlags) -> String {
    format!("00-{trace_id}-{span_id}-{:02x}", flags.to_byte())
}

impl RemoteSpan {
    /// Parses a `traceparent` value strictly by Trace Context level 2; `None` if it is invalid.
    ///
    /// ```
    /// use obs_core::trace::RemoteSpan;
    /// let valid = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    /// assert!(RemoteSpan::parse(valid).is_some_and(|span| span.flags.is_sampled()));
    /// let upper_case = b"00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01";
    /// assert!(RemoteSpan::parse(upper_case).is_none());
    /// ```
    #[must_use]
    pub fn parse(traceparent: &[u8]) -> Option<Self> {
        parse(traceparent)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn the_examples_of_the_specification_are_parsed() {
        let zero_trace = "0".repeat(32);
        let zero_span = "0".repeat(16);
        for (value, valid) in [
            (format!("00-{TRACE}-{SPAN}-01"), true),
            (format!("00-{TRACE}-{SPAN}-00"), true),
            (format!("00-{TRACE}-{SPAN}-ff"), true),
            (format!(" 00-{TRACE}-{SPAN}-01\t"), true),
            // A higher version: the first fields count, and more may follow after a dash.
            (format!("01-{TRACE}-{SPAN}-01"), true),
            (format!("cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like"), true),
            (format!("cc-{TRACE}-{SPAN}-01-"), true),
            (format!("cc-{TRACE}-{SPAN}-01.what"), false),
            (format!("cc-{TRACE}-{SPAN}-0"), false),
            // Version 0 has an exact length.
            (format!("00-{TRACE}-{SPAN}-01-"), false),
            (format!("00-{TRACE}-{SPAN}-01-more"), false),
            (format!("00-{TRACE}-{SPAN}-011"), false),
            (format!("00-{TRACE}-{SPAN}-1"), false),
            (format!("00-{TRACE}-{SPAN}"), false),
            (format!("ff-{TRACE}-{SPAN}-01"), false),
            (format!("0-{TRACE}-{SPAN}-001"), false),
            (format!("000-{TRACE}-{SPAN}-1"), false),
            // Only lower case is valid, and not everything that parses as a number.
            (format!("00-{}-{SPAN}-01", TRACE.to_uppercase()), false),
            (format!("00-{TRACE}-{}-01", SPAN.to_uppercase()), false),
            (format!("00-{TRACE}-{SPAN}-0A"), false),
            (format!("+0-{TRACE}-{SPAN}-01"), false),
            (format!("00-{TRACE}-{SPAN}-+1"), false),
            (format!("00-{}.-{SPAN}-01", &TRACE[1..]), false),
            // An id of zeros is invalid.
            (format!("00-{zero_trace}-{SPAN}-01"), false),
            (format!("00-{TRACE}-{zero_span}-01"), false),
            // Misplaced dashes, and parts of the wrong length.
            (format!("00-{TRACE}0-{}-01", &SPAN[1..]), false),
            (format!("00_{TRACE}_{SPAN}_01"), false),
            (String::new(), false),
        ] {
            assert_eq!(parse(value.as_bytes()).is_some(), valid, "{value:?}");
        }
    }

    #[test]
    fn only_known_flags_are_kept() {
        let flags =
            |text: &str| parse(format!("00-{TRACE}-{SPAN}-{text}").as_bytes()).map(|s| s.flags.to_byte());
        assert_eq!(
            [flags("00"), flags("01"), flags("02"), flags("03"), flags("ff")],
            [0, 1, 2, 3, 3].map(Some)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_accepted_and_the_result_is_valid(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            if let Some(span) = parse(&bytes) {
                let out = format(span.trace_id, span.span_id, span.flags);
                prop_assert_eq!(out.len(), LENGTH);
                prop_assert_eq!(parse(out.as_bytes()), Some(span));
            }
        }

        #[test]
        fn values_of_valid_form_are_parsed_or_rejected(
            version in "[0-9a-f]{2}", trace in "[0-9a-f]{32}", span in "[0-9a-f]{16}", flags in "[0-9a-f]{2}", rest in "(-[a-z]{0,9})?",
        ) {
            let valid = version != "ff" && (version != "00" || rest.is_empty())
                && trace.bytes().any(|b| b != b'0') && span.bytes().any(|b| b != b'0');
            let parsed = parse(format!("{version}-{trace}-{span}-{flags}{rest}").as_bytes());
            prop_assert_eq!(parsed.is_some(), valid);
            if let Some(parsed) = parsed {
                prop_assert_eq!(parsed.trace_id.to_string(), trace);
                prop_assert_eq!(parsed.span_id.to_string(), span);
            }
        }
    }
}
