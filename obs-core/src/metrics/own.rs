//! Counters about the middleware itself.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Counter, text::Text};

/// A counter's family, its help and its label, if it has one.
type Key = (&'static str, &'static str, Option<(&'static str, &'static str)>);

/// All of them; they exist at 0 from the start.
#[derive(Default)]
pub(crate) struct Own(Mutex<BTreeMap<Key, Arc<Counter>>>);

impl Own {
    pub(crate) fn counter(
        &self,
        family: &'static str,
        help: &'static str,
        label: Option<(&'static str, &'static str)>,
    ) -> Arc<Counter> {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counter = counters.entry((family, help, label)).or_insert_with(|| Counter::new().into());
        Arc::clone(counter)
    }

    pub(super) fn write(&self, out: &mut Text) {
        let counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last = "";
        for ((family, help, label), counter) in counters.iter() {
            if *family != last {
                out.family(family, "counter", help);
                last = family;
            }
            out.sample(family, label.as_slice(), counter.get());
        }
    }
}
