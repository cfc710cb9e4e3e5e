//! Pools of connections to databases, whose state is read at each scrape.

use std::{
    any::Any,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use super::{
    family::{Family, Kind, LabelSet, Sample, SampleValue},
    gathered::histogram,
    histogram::{BucketBounds, Histograms, Layout, Unit},
    late::LateMetrics,
    own::seconds_since_1970,
    settings::MetricNaming,
};
use crate::{
    base::{clock::nanos, counter::Counter, panic::catch},
    record::pool_state::{CountWaits, PoolState, PoolWaits, ReadPool},
};

/// The maximum number of pools. Further ones are not shown.
const MAX_POOLS: usize = 100;

/// The buckets of waits. A connection that is idle is there in microseconds.
const WAIT_BUCKETS: &[f64] = &[0.000_1, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0];

/// The pools of one observer.
pub(crate) struct Pools {
    naming: MetricNaming,
    shards: usize,
    layout: Layout,
    all: Mutex<Vec<Pool>>,
}

struct Pool {
    name: String,
    read: ReadPool,
    waits: Arc<WaitCounters>,
}

/// The waits for the connections of one pool.
struct WaitCounters {
    durations: Histograms,
    timeouts: Counter,
    /// The time since which they count, in seconds since 1970.
    created: f64,
}

impl CountWaits for WaitCounters {
    fn waited(&self, duration: Duration) {
        self.durations.current_shard().observe(0, nanos(duration));
    }

    fn timed_out(&self) {
        self.timeouts.add(1);
    }
}

impl Pools {
    pub(super) fn new(naming: MetricNaming, shards: usize) -> Self {
        let layout = Layout::new(vec![Some(BucketBounds::new(Unit::Seconds, WAIT_BUCKETS))]);
        Self { naming, shards, layout, all: Mutex::new(Vec::new()) }
    }

    /// Adds a pool. It replaces another one of the same name, whose counters go on.
    pub(crate) fn add(&self, name: String, read: ReadPool) -> PoolWaits {
        let mut all = self.lock();
        // The drop of the old function may run code of the application, so it comes after the lock.
        let (waits, _old) = match all.iter_mut().find(|pool| pool.name == name) {
            Some(pool) => (Arc::clone(&pool.waits), Some(mem::replace(&mut pool.read, read))),
            None => {
                let waits = Arc::new(WaitCounters {
                    durations: Histograms::new(&self.layout, self.shards),
                    timeouts: Counter::new(),
                    created: seconds_since_1970(SystemTime::now()),
                });
                if all.len() < MAX_POOLS {
                    all.push(Pool { name, read, waits: Arc::clone(&waits) });
                }
                (waits, None)
            }
        };
        drop(all);
        PoolWaits::new(waits)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Pool>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LateMetrics for Pools {
    /// Appends the families of all pools that are open. The others are removed.
    fn families(&self, out: &mut Vec<Family>) {
        let mut families = PoolFamilies::new(self.naming);
        self.lock().retain(|pool| {
            let state = catch(&pool.read).ok().flatten();
            if let Some(state) = state {
                families.add(pool, state);
            }
            state.is_some()
        });
        families.append_to(out);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Appends the families without samples.
pub(super) fn empty(naming: MetricNaming, out: &mut Vec<Family>) {
    PoolFamilies::new(naming).append_to(out);
}

/// The families while a page is made.
struct PoolFamilies {
    pool: &'static str,
    state: &'static str,
    count: Family,
    max: Family,
    pending: Family,
    waits: Family,
    timeouts: Family,
}

impl PoolFamilies {
    fn append_to(self, out: &mut Vec<Family>) {
        let Self { count, max, pending, waits, timeouts, .. } = self;
        out.extend([count, max, pending, waits, timeouts]);
    }

    fn new(naming: MetricNaming) -> Self {
        let (pool, state) = match naming {
            MetricNaming::Prometheus => ("pool", "state"),
            MetricNaming::OpenTelemetry => ("db_client_connection_pool_name", "db_client_connection_state"),
        };
        let mut waits = Family::new(
            "db_client_connection_wait_time_seconds",
            "Time for which callers waited for a connection of a pool.",
            Kind::Histogram,
        );
        waits.unit = Some(Unit::Seconds);
        let gauge = |name, help| Family::new(name, help, Kind::Gauge);
        Self {
            pool,
            state,
            count: gauge("db_client_connection_count", "Connections of a pool, by their state."),
            max: gauge("db_client_connection_max", "The maximum number of connections of a pool."),
            pending: gauge(
                "db_client_connection_pending_requests",
                "Callers that wait for a connection of a pool.",
            ),
            waits,
            timeouts: Family::new(
                "db_client_connection_timeouts_total",
                "Callers that got no connection of a pool in time.",
                Kind::Counter,
            ),
        }
    }

    fn add(&mut self, pool: &Pool, state: PoolState) {
        let labels = |value: Option<&str>| -> LabelSet {
            let name = [(self.pool.into(), pool.name.clone())].into_iter();
            name.chain(value.map(|value| (self.state.into(), value.to_owned()))).collect()
        };
        self.count.samples.push(Sample::gauge(labels(Some("idle")), state.idle));
        self.count.samples.push(Sample::gauge(labels(Some("used")), state.used));
        self.max.samples.extend(state.max.map(|max| Sample::gauge(labels(None), max)));
        self.pending.samples.extend(state.pending.map(|waiting| Sample::gauge(labels(None), waiting)));
        let WaitCounters { durations, timeouts, created } = &*pool.waits;
        let snapshot = durations.snapshot();
        let waits = durations.state(&snapshot, 0).filter(|state| state.count() > 0);
        if let Some(value) = waits.and_then(|state| histogram(durations, 0, state, None)) {
            self.waits.push(labels(None), value, *created);
        }
        let timeouts = SampleValue::Count { value: timeouts.get(), exemplar: None };
        self.timeouts.push(labels(None), timeouts, *created);
    }
}
