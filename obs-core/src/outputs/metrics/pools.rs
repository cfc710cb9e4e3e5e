//! Pools of connections to databases, whose state is read at each scrape.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{
    family::{Family, Kind, LabelSet, Sample},
    settings::MetricNaming,
};
use crate::{
    base::panic::catch,
    record::pool_state::{PoolState, ReadPool},
};

/// The maximum number of pools. Further ones are not shown.
const MAX_POOLS: usize = 100;

/// The pools of one observer.
pub(crate) struct Pools {
    naming: MetricNaming,
    all: Mutex<Vec<(String, ReadPool)>>,
}

impl Pools {
    pub(super) const fn new(naming: MetricNaming) -> Self {
        Self { naming, all: Mutex::new(Vec::new()) }
    }

    /// Adds a pool. It replaces another one of the same name.
    pub(crate) fn add(&self, name: String, read: ReadPool) {
        let mut all = self.lock();
        // The drop of the old function may run code of the application, so it comes after the lock.
        let old = match all.iter_mut().find(|(other, _)| *other == name) {
            Some((_, old)) => Some(std::mem::replace(old, read)),
            None => {
                if all.len() < MAX_POOLS {
                    all.push((name, read));
                }
                None
            }
        };
        drop(all);
        drop(old);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(String, ReadPool)>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends the families of all pools that are open. The others are removed.
    pub(super) fn families(&self, out: &mut Vec<Family>) {
        let (pool, state) = match self.naming {
            MetricNaming::Prometheus => ("pool", "state"),
            MetricNaming::OpenTelemetry => ("db_client_connection_pool_name", "db_client_connection_state"),
        };
        let gauge = |name, help| Family::new(name, help, Kind::Gauge);
        let mut count = gauge("db_client_connection_count", "Connections of a pool, by their state.");
        let mut max = gauge("db_client_connection_max", "The maximum number of connections of a pool.");
        let mut pending =
            gauge("db_client_connection_pending_requests", "Callers that wait for a connection of a pool.");
        self.lock().retain(|(name, read)| {
            let Some(PoolState { idle, used, max: most, pending: waiting }) = catch(read).ok().flatten()
            else {
                return false;
            };
            let labels = |value: Option<&str>| -> LabelSet {
                let own = [(pool.into(), name.clone())].into_iter();
                own.chain(value.map(|value| (state.into(), value.to_owned()))).collect()
            };
            count.samples.push(Sample::gauge(labels(Some("idle")), idle));
            count.samples.push(Sample::gauge(labels(Some("used")), used));
            max.samples.extend(most.map(|most| Sample::gauge(labels(None), most)));
            pending.samples.extend(waiting.map(|waiting| Sample::gauge(labels(None), waiting)));
            true
        });
        out.extend([count, max, pending]);
    }
}
