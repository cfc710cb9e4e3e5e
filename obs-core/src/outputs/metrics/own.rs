//! Numbers about the middleware itself.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use super::family::{Family, Kind, LabelSet, Sample, Value};
use crate::base::counter::Counter;

/// A label's name and value.
pub(crate) type OwnLabel = (&'static str, Cow<'static, str>);

/// A family's name, its help and its labels.
type Key = (&'static str, &'static str, Vec<OwnLabel>);

/// Reads a number at a scrape.
type Gauge = Box<dyn Fn() -> u64 + Send>;

/// All of them; they exist at 0 from the start.
pub(crate) struct Own {
    created: f64,
    numbers: Mutex<BTreeMap<Key, Number>>,
}

enum Number {
    Counter(Arc<Counter>),
    Gauge(Gauge),
}

impl Own {
    pub(super) fn new() -> Self {
        Self { created: seconds_since_1970(SystemTime::now()), numbers: Mutex::default() }
    }

    /// The counter of this name and label.
    pub(crate) fn counter(
        &self,
        family: &'static str,
        help: &'static str,
        labels: &[OwnLabel],
    ) -> Arc<Counter> {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Number::Counter(counter)) = numbers.get(&(family, help, labels.to_vec())) {
            return Arc::clone(counter);
        }
        let counter = Arc::new(Counter::new());
        numbers.insert((family, help, labels.to_vec()), Number::Counter(Arc::clone(&counter)));
        counter
    }

    /// A number that is asked for at each scrape.
    pub(crate) fn gauge(
        &self,
        family: &'static str,
        help: &'static str,
        labels: &[OwnLabel],
        read: impl Fn() -> u64 + Send + 'static,
    ) {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.insert((family, help, labels.to_vec()), Number::Gauge(Box::new(read)));
    }

    pub(super) fn families(&self, out: &mut Vec<Family>) {
        let numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let first = out.len();
        for ((name, help, labels), number) in numbers.iter() {
            let kind = match number {
                Number::Counter(_) => Kind::Counter,
                Number::Gauge(_) => Kind::Gauge,
            };
            if out.get(first..).and_then(<[_]>::last).is_none_or(|family| family.name != *name) {
                out.push(Family::new(name, help, kind));
            }
            let Some(family) = out.last_mut() else { continue };
            let labels: LabelSet =
                labels.iter().map(|(name, value)| ((*name).into(), value.clone().into_owned())).collect();
            match number {
                Number::Counter(counter) => {
                    let value = Value::Count { value: counter.get(), exemplar: None };
                    family.push(labels, value, self.created);
                }
                Number::Gauge(read) => family.samples.push(Sample::gauge(labels, read())),
            }
        }
    }
}

/// With milliseconds, as OpenMetrics' timestamps are mostly written.
pub(super) fn seconds_since_1970(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_millis() as f64 / 1e3)
}
