//! Consistent probability sampling (OpenTelemetry, "TraceState: Probability Sampling").
//!
//! Each trace has a random number R, and each rate has a threshold T. A trace is kept if `R >= T`.
//! R comes from the trace id, or from the caller's `tracestate: ot=rv:…`. Everything that decides
//! by this rule, in any service, keeps the same traces at the same rate. The traces that a low rate
//! keeps are also kept by every higher rate.

use super::{TraceContext, tracestate::TraceState};

/// The number of bits of R and T.
const BITS: u32 = 56;

/// The number of hexadecimal digits of R and T.
pub(super) const DIGITS: usize = 14;

/// The member of `tracestate` that OpenTelemetry uses.
pub(super) const MEMBER: &str = "ot";

/// The threshold of a rate: the number of traces in 2⁵⁶ that are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Threshold(pub(super) u64);

impl Threshold {
    /// Returns the threshold of a rate between 0 and 1.
    pub(crate) fn of_rate(rate: f64) -> Self {
        const ALL: u64 = 1 << BITS;
        let kept = (rate.clamp(0.0, 1.0) * ALL as f64).round() as u64;
        Self(ALL.saturating_sub(kept))
    }

    /// Returns true if a trace is kept.
    #[inline]
    pub(crate) fn keeps(self, trace: &TraceContext) -> bool {
        randomness(trace) >= self.0
    }
}

/// Returns R: the caller's, or the last 56 bits of the trace id, which are random by Trace Context
/// level 2, §3.2.2.5.2.
pub(super) fn randomness(trace: &TraceContext) -> u64 {
    let from_state = if trace.state.is_empty() { None } else { number(&trace.state, "rv") };
    let from_id = u128::from_be_bytes(trace.trace_id.to_bytes()) as u64 & ((1 << BITS) - 1);
    from_state.unwrap_or(from_id)
}

/// Returns the number of a sub-key. R always has all digits. T may lack zeros at its end.
pub(super) fn number(state: &TraceState, name: &str) -> Option<u64> {
    let (_, digits) = sub_keys(state.get(MEMBER)?).find(|(key, _)| *key == name)?;
    let lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let length = if name == "rv" { DIGITS..=DIGITS } else { 1..=DIGITS };
    if !length.contains(&digits.len()) || !digits.bytes().all(lower) {
        return None;
    }
    let missing = DIGITS.saturating_sub(digits.len()) as u32;
    Some(u64::from_str_radix(digits, 16).ok()? << missing.saturating_mul(4))
}

pub(super) fn sub_keys(value: &str) -> impl Iterator<Item = (&str, &str)> {
    value.split(';').filter_map(|pair| pair.split_once(':'))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::trace::{propagation::Propagators, tests::Pairs};

    pub(in crate::trace) fn trace(id: u128, flags: u8, state: &str) -> TraceContext {
        let parent = format!("00-{id:032x}-00f067aa0ba902b7-{flags:02x}");
        let headers = [("traceparent", parent.as_str()), ("tracestate", state)];
        TraceContext::start(&Pairs(&headers), Propagators::default(), || true)
    }

    #[test]
    fn a_trace_is_kept_from_its_threshold_on() {
        const QUARTER: u64 = 0xc0_0000_0000_0000;
        let keeps = |number: u64, state: &str| {
            Threshold::of_rate(0.25).keeps(&trace(u128::from(number) | 1 << 120, 3, state))
        };
        assert!(keeps(QUARTER, "") && !keeps(QUARTER - 1, ""));
        // The bits above the 56 do not matter.
        assert!(!keeps((QUARTER - 1) | (0xff << 56), ""));
        // A number of the caller's replaces that of the id.
        assert!(keeps(1, "ot=rv:c0000000000000") && !keeps(QUARTER, "a=1,ot=rv:bfffffffffffff"));
        for invalid in ["ot=rv:c", "ot=rv:C0000000000000", "ot=rv:c00000000000000", "to=rv:c0000000000000"] {
            assert!(!keeps(1, invalid), "{invalid}");
        }
    }

    #[test]
    fn a_rate_keeps_its_share_of_random_ids() {
        let ids = (1..=10_000_u128).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
        let kept = ids.filter(|id| Threshold::of_rate(0.1).keeps(&trace(*id, 3, ""))).count();
        // Six standard deviations of a binomial distribution around 1,000.
        assert!((820..=1_180).contains(&kept), "{kept}");
    }
}
