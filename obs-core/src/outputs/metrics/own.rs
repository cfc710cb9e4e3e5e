//! Numbers about the middleware itself.

use std::{
    borrow::Cow,
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
    /// In the order of their keys.
    numbers: Mutex<Vec<(Key, Number)>>,
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
        let key = (family, help, labels.to_vec());
        if let Ok(place) = place(&numbers, &key)
            && let Some((_, Number::Counter(counter))) = numbers.get(place)
        {
            return Arc::clone(counter);
        }
        let counter = Arc::new(Counter::new());
        insert(&mut numbers, key, Number::Counter(Arc::clone(&counter)));
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
        self.insert_gauge((family, help, labels.to_vec()), Box::new(read));
    }

    fn insert_gauge(&self, key: Key, gauge: Gauge) {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        insert(&mut numbers, key, Number::Gauge(gauge));
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

/// The place of a number in the order of keys, or the one where it belongs.
fn place(numbers: &[(Key, Number)], key: &Key) -> Result<usize, usize> {
    numbers.binary_search_by(|(other, _)| other.cmp(key))
}

/// Inserts a number, or replaces the one of this key.
fn insert(numbers: &mut Vec<(Key, Number)>, key: Key, number: Number) {
    match place(numbers, &key) {
        Ok(place) => {
            if let Some((_, old)) = numbers.get_mut(place) {
                *old = number;
            }
        }
        Err(place) => numbers.insert(place, (key, number)),
    }
}

/// With milliseconds, as OpenMetrics' timestamps are mostly written.
pub(super) fn seconds_since_1970(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_millis() as f64 / 1e3)
}
