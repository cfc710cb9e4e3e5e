//! The decision to keep or drop an event: rules and a sample rate.

use crate::{base::panic::catch, record::finished::Record, trace::TraceContext};

pub(crate) type Rule = Box<dyn Fn(&Record) -> bool + Send + Sync>;

/// The rules that keep an event, and the sample rate for events that no rule keeps.
pub(crate) struct Keep {
    pub(crate) rules: Vec<Rule>,
    pub(crate) rate: f64,
}

impl Default for Keep {
    fn default() -> Self {
        Self { rules: Vec::new(), rate: 1.0 }
    }
}

impl Keep {
    /// Returns the rate at which the event is kept, which is 1 if a rule keeps it. Returns `None`
    /// if the event is dropped. A rule that panics keeps the event.
    pub(super) fn rate(&self, record: &Record) -> Option<f64> {
        if self.rate >= 1.0 || self.rules.iter().any(|rule| catch(|| rule(record)).unwrap_or(true)) {
            return Some(1.0);
        }
        (share(&record.start().trace) < self.rate).then_some(self.rate)
    }
}

/// Maps a trace to a number from 0 up to 1. It is the same in every service of the trace.
fn share(trace: &TraceContext) -> f64 {
    const BITS: u64 = (1 << 56) - 1;
    let id = u128::from_be_bytes(trace.trace_id.to_bytes());
    let number = if trace.flags.is_random() {
        // Trace Context level 2, §3.2.2.5.2: the right-most 7 bytes are random.
        id as u64
    } else {
        // Other ids may not be random, so all their bits are mixed (the finaliser of MurmurHash3).
        let mut mixed = (id >> 64) as u64 ^ id as u64;
        for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
            mixed = (mixed ^ (mixed >> 33)).wrapping_mul(factor);
        }
        mixed ^ (mixed >> 33)
    };
    // A floating-point number holds 53 of the 56 bits.
    ((number & BITS) >> 3) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{http::headers::HeaderLookup, trace::propagation::Propagators};

    struct Parent(String);
    impl HeaderLookup for Parent {
        fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
            if name == "traceparent" {
                f(self.0.as_bytes());
            }
        }
    }

    fn share_of(id: u128, flags: u8) -> f64 {
        let parent = Parent(format!("00-{id:032x}-00f067aa0ba902b7-{flags:02x}"));
        share(&TraceContext::start(&parent, Propagators::default(), || true))
    }

    #[test]
    fn a_rate_keeps_its_share_of_random_and_of_consecutive_ids() {
        for (flags, step) in [(3, 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835_u128), (1, 1)] {
            let ids = (1..=10_000_u128).map(|n| n.wrapping_mul(step));
            let kept = ids.filter(|id| share_of(*id, flags) < 0.1).count();
            // Six standard deviations of a binomial distribution around 1,000.
            assert!((820..=1_180).contains(&kept), "{kept} with flags {flags}");
        }
    }

    #[test]
    fn the_share_of_a_trace_is_the_same_in_every_service() {
        let (id, flags) = (0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 1);
        assert_eq!(share_of(id, flags).to_bits(), share_of(id, flags).to_bits());
        assert!((0.0..1.0).contains(&share_of(u128::MAX, 3)));
    }
}
