//! The decision to keep or drop an event: rules and a sample rate.

#[cfg(feature = "logs")]
use crate::trace::TraceContext;
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
    /// if the event is dropped.
    pub(crate) fn rate(&self, record: &Record) -> Option<f64> {
        if self.rate >= 1.0 || self.by_rule(record) {
            return Some(1.0);
        }
        self.threshold.keeps(&record.start().trace).then_some(self.rate)
    }

    /// Returns true if a rule keeps the event. A rule that panics keeps it. Each rule is called
    /// once for each record, so that events and log lines have the same answer.
    fn by_rule(&self, record: &Record) -> bool {
        let keeps = |rule: &Rule| catch(|| rule(record)).unwrap_or(true);
        !self.rules.is_empty() && *record.kept_by_rule.get_or_init(|| self.rules.iter().any(keeps))
    }

    /// Returns true if a rule may keep an event that the rate drops.
    #[cfg(feature = "logs")]
    pub(crate) const fn has_rules(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Returns true if the rate keeps the events of this trace.
    #[cfg(feature = "logs")]
    pub(crate) fn keeps_trace(&self, trace: &TraceContext) -> bool {
        self.threshold.keeps(trace)
    }
}
