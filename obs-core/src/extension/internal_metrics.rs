//! The metrics about the middleware itself: counters and gauges named `obs_*`.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::base::counter::Counter;

/// The name and value of a label.
pub(crate) type InternalLabel = (&'static str, Cow<'static, str>);

/// The name, help and labels of a series.
type InternalSeries = (&'static str, &'static str, Vec<InternalLabel>);

/// A function that returns the value of a gauge at a scrape.
type ReadGauge = Box<dyn Fn() -> u64 + Send>;

/// All internal metrics, sorted by series. Counters exist with value 0 from the start.
#[derive(Default)]
pub(crate) struct InternalMetrics(Mutex<Vec<(InternalSeries, Number)>>);

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
    /// Returns the counter with this name and these labels. It is created if it does not exist.
    pub(crate) fn counter(
        &self,
        family: &'static str,
        help: &'static str,
        labels: &[InternalLabel],
    ) -> Arc<Counter> {
        let series = (family, help, labels.to_vec());
        let mut numbers = self.lock();
        if let Ok(place) = place(&numbers, &series)
            && let Some((_, Number::Counter(counter))) = numbers.get(place)
        {
            return Arc::clone(counter);
        }
        let counter = Arc::new(Counter::new());
        insert(&mut numbers, series, Number::Counter(Arc::clone(&counter)));
        counter
    }

    /// Adds a gauge that is read at each scrape.
    pub(crate) fn gauge(
        &self,
        family: &'static str,
        help: &'static str,
        labels: &[InternalLabel],
        read: impl Fn() -> u64 + Send + 'static,
    ) {
        insert(&mut self.lock(), (family, help, labels.to_vec()), Number::Gauge(Box::new(read)));
    }

    /// Returns true if a family with this name exists.
    pub(crate) fn has(&self, family: &str) -> bool {
        self.lock().iter().any(|((name, ..), _)| *name == family)
    }

    /// Visits all series with their present values. Those of one family follow each other.
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

    fn lock(&self) -> MutexGuard<'_, Vec<(InternalSeries, Number)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the index of a series, or the index where it must be inserted.
fn place(numbers: &[(InternalSeries, Number)], series: &InternalSeries) -> Result<usize, usize> {
    numbers.binary_search_by(|(other, _)| other.cmp(series))
}

/// Inserts a number, or replaces the number of this series.
#[inline(never)]
fn insert(numbers: &mut Vec<(InternalSeries, Number)>, series: InternalSeries, number: Number) {
    match place(numbers, &series) {
        Ok(place) => {
            if let Some((_, old)) = numbers.get_mut(place) {
                *old = number;
            }
        }
        Err(place) => numbers.insert(place, (series, number)),
    }
}
