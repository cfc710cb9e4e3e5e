//! Counters and gauges about the middleware itself: `obs_*`.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::base::counter::Counter;

/// A label's name and value.
pub(crate) type InternalLabel = (&'static str, Cow<'static, str>);

/// A family's name, its help and its labels.
type Series = (&'static str, &'static str, Vec<InternalLabel>);

/// Reads a number at a scrape.
type ReadGauge = Box<dyn Fn() -> u64 + Send>;

/// All of them. Counters exist at 0 from the start.
#[derive(Default)]
pub(crate) struct InternalMetrics(Mutex<BTreeMap<Series, Number>>);

enum Number {
    Counter(Arc<Counter>),
    Gauge(ReadGauge),
}

/// The value of a series at a scrape.
pub(crate) enum InternalValue {
    Counter(u64),
    Gauge(u64),
}

impl InternalMetrics {
    /// The counter of this name and these labels: the one that is there, or a new one.
    pub(crate) fn counter(
        &self,
        family: &'static str,
        help: &'static str,
        labels: &[InternalLabel],
    ) -> Arc<Counter> {
        let series = (family, help, labels.to_vec());
        let mut numbers = self.lock();
        if let Some(Number::Counter(counter)) = numbers.get(&series) {
            return Arc::clone(counter);
        }
        let counter = Arc::new(Counter::new());
        numbers.insert(series, Number::Counter(Arc::clone(&counter)));
        counter
    }

    /// Adds a number that is read at each scrape.
    pub(crate) fn gauge(
        &self,
        family: &'static str,
        help: &'static str,
        labels: &[InternalLabel],
        read: impl Fn() -> u64 + Send + 'static,
    ) {
        self.lock().insert((family, help, labels.to_vec()), Number::Gauge(Box::new(read)));
    }

    /// Returns whether there is a family of this name.
    pub(crate) fn has(&self, family: &str) -> bool {
        self.lock().keys().any(|(name, ..)| *name == family)
    }

    /// Visits all series as they are now, those of one family side by side.
    pub(crate) fn each(
        &self,
        mut visit: impl FnMut(&'static str, &'static str, &[InternalLabel], InternalValue),
    ) {
        for ((name, help, labels), number) in self.lock().iter() {
            let value = match number {
                Number::Counter(counter) => InternalValue::Counter(counter.get()),
                Number::Gauge(read) => InternalValue::Gauge(read()),
            };
            visit(name, help, labels, value);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Series, Number>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
