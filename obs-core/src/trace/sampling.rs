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
const DIGITS: usize = 14;

/// The member of `tracestate` that OpenTelemetry uses.
const MEMBER: &str = "ot";

/// The maximum length of the member's value.
const MAX_VALUE: usize = 256;

/// The threshold of a rate: the number of traces in 2⁵⁶ that are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Threshold(u64);

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

    /// Returns true if every trace is kept.
    pub(crate) const fn keeps_all(self) -> bool {
        self.0 == 0
    }

    /// Writes the threshold into the state of a trace that is kept: `ot=th:…`. Called services and
    /// collectors read there how many traces this one represents.
    #[inline(never)]
    pub(crate) fn write_to(self, state: &mut TraceState) {
        let digits = format!("{:0width$x}", self.0, width = DIGITS);
        let significant = digits.trim_end_matches('0');
        let value = if significant.is_empty() { "0" } else { significant };
        replace_threshold(state, Some(value));
    }
}

/// Returns R: the caller's, or the last 56 bits of the trace id, which are random by Trace Context
/// level 2, §3.2.2.5.2.
fn randomness(trace: &TraceContext) -> u64 {
    let from_state = if trace.state.is_empty() { None } else { number(&trace.state, "rv") };
    let from_id = u128::from_be_bytes(trace.trace_id.to_bytes()) as u64 & ((1 << BITS) - 1);
    from_state.unwrap_or(from_id)
}

/// Removes a threshold that contradicts the caller's decision, so that nobody counts with it.
#[inline(never)]
pub(crate) fn remove_wrong_threshold(trace: &mut TraceContext) {
    if let Some(threshold) = number(&trace.state, "th") {
        let kept = randomness(trace) >= threshold;
        if kept != trace.flags.is_sampled() {
            remove_threshold(&mut trace.state);
        }
    }
}

/// Removes the threshold: the trace is no longer kept by it.
#[inline(never)]
pub(crate) fn remove_threshold(state: &mut TraceState) {
    replace_threshold(state, None);
}

/// Returns true if the state has a threshold.
pub(crate) fn has_threshold(state: &TraceState) -> bool {
    number(state, "th").is_some()
}

/// Returns the number of a sub-key. R always has all digits. T may lack zeros at its end.
fn number(state: &TraceState, name: &str) -> Option<u64> {
    let (_, digits) = sub_keys(state.get(MEMBER)?).find(|(key, _)| *key == name)?;
    let lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let length = if name == "rv" { DIGITS..=DIGITS } else { 1..=DIGITS };
    if !length.contains(&digits.len()) || !digits.bytes().all(lower) {
        return None;
    }
    let missing = DIGITS.saturating_sub(digits.len()) as u32;
    Some(u64::from_str_radix(digits, 16).ok()? << missing.saturating_mul(4))
}

fn sub_keys(value: &str) -> impl Iterator<Item = (&str, &str)> {
    value.split(';').filter_map(|pair| pair.split_once(':'))
}

/// Replaces the threshold in the state. Other sub-keys and members are kept. A changed member comes
/// first (Trace Context level 2, §3.5).
fn replace_threshold(state: &mut TraceState, threshold: Option<&str>) {
    let mut value = threshold.map(|digits| format!("th:{digits}")).unwrap_or_default();
    for (key, text) in sub_keys(state.get(MEMBER).unwrap_or_default()).filter(|(key, _)| *key != "th") {
        if value.len().saturating_add(key.len()).saturating_add(text.len()).saturating_add(2) > MAX_VALUE {
            break;
        }
        if !value.is_empty() {
            value.push(';');
        }
        value.extend([key, ":", text]);
    }
    let others = state.as_str().split(',').filter(|member| !member.is_empty() && !member.starts_with("ot="));
    let ours = (!value.is_empty()).then(|| format!("{MEMBER}={value}"));
    let members: Vec<_> = ours.as_deref().into_iter().chain(others).collect();
    *state = TraceState::parse(&members.join(","));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{propagation::Propagators, tests::Pairs};

    fn trace(id: u128, flags: u8, state: &str) -> TraceContext {
        let parent = format!("00-{id:032x}-00f067aa0ba902b7-{flags:02x}");
        let headers = [("traceparent", parent.as_str()), ("tracestate", state)];
        TraceContext::start(&Pairs(&headers), Propagators::default(), || true)
    }

    fn written(rate: f64, state: &str) -> String {
        let mut state = TraceState::parse(state);
        Threshold::of_rate(rate).write_to(&mut state);
        state.as_str().to_owned()
    }

    /// The examples of the specification.
    #[test]
    fn thresholds_have_the_form_of_the_specification() {
        for (rate, member) in [
            (1.0, "ot=th:0"),
            (0.5, "ot=th:8"),
            (0.25, "ot=th:c"),
            (0.01, "ot=th:fd70a3d70a3d71"),
            (1.0 / (1_u64 << 56) as f64, "ot=th:ffffffffffffff"),
        ] {
            assert!(written(rate, "").starts_with(member), "{rate}: {}", written(rate, ""));
        }
        assert!(!Threshold::of_rate(0.0).keeps(&trace(u128::MAX, 3, "")));
        assert!(Threshold::of_rate(1.0).keeps_all());
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

    #[test]
    fn a_threshold_replaces_the_callers_and_keeps_everything_else() {
        assert_eq!(
            written(0.5, "a=1,ot=th:c;rv:00000000000001;x:y,b=2"),
            "ot=th:8;rv:00000000000001;x:y,a=1,b=2"
        );
        let long = format!("ot=x:{}", "y".repeat(250));
        assert_eq!(written(0.5, &format!("{long},b=2")), "ot=th:8,b=2");
    }

    #[test]
    fn a_threshold_that_contradicts_the_decision_is_removed() {
        for (flags, state, left) in [
            // R is 0xe…, so a threshold of 0xc keeps the trace.
            (1, "ot=th:c", "ot=th:c"),
            (0, "ot=th:c", ""),
            (1, "ot=th:f;x:y,a=1", "ot=x:y,a=1"),
            (0, "ot=th:f", "ot=th:f"),
            (1, "ot=th:not", "ot=th:not"),
            (1, "a=1", "a=1"),
        ] {
            let mut trace = trace(0xe0_0000_0000_0000, flags, state);
            remove_wrong_threshold(&mut trace);
            assert_eq!(trace.state.as_str(), left, "{flags} {state}");
        }
    }
}
