//! The threshold in `tracestate: ot=th:…`, from which called services and collectors learn how many
//! traces this one represents.

use super::{
    TraceContext,
    sampling::{DIGITS, MEMBER, Threshold, number, randomness, sub_keys},
    tracestate::TraceState,
};

/// The maximum length of the member's value.
const MAX_VALUE: usize = 256;

impl Threshold {
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

/// Removes the threshold, if there is one: the trace is no longer kept by it.
#[inline(never)]
pub(crate) fn remove_threshold(state: &mut TraceState) {
    if number(state, "th").is_some() {
        replace_threshold(state, None);
    }
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
    use crate::trace::sampling::tests::trace;

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
