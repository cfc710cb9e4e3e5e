//! The decision to keep or drop an event: rules and a sample rate.

use crate::{base::panic::catch, record::finished::Record, trace::sampling::Threshold};

pub(crate) type Rule = Box<dyn Fn(&Record) -> bool + Send + Sync>;

/// The rules that keep an event, and the sample rate for events that no rule keeps.
pub(crate) struct Keep {
    rules: Vec<Rule>,
    rate: f64,
    /// The threshold of the rate.
    threshold: Threshold,
}

impl Default for Keep {
    fn default() -> Self {
        Self::new(Vec::new(), 1.0)
    }
}

impl Keep {
    pub(super) fn new(rules: Vec<Rule>, rate: f64) -> Self {
        Self { rules, rate, threshold: Threshold::of_rate(rate) }
    }

    /// Returns the rate at which the event is kept, which is 1 if a rule keeps it. Returns `None`
    /// if the event is dropped. A rule that panics keeps the event.
    pub(super) fn rate(&self, record: &Record) -> Option<f64> {
        if self.rate >= 1.0 || self.rules.iter().any(|rule| catch(|| rule(record)).unwrap_or(true)) {
            return Some(1.0);
        }
        self.threshold.keeps(&record.start().trace).then_some(self.rate)
    }
}
