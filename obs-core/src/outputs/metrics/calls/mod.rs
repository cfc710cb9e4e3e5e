//! The metrics of calls: durations, calls in flight and errors, by dependency.
//!
//! Everything that labels show is bounded: dependencies have a limit in the
//! [policy](crate::record::policy), operations and servers have one here, and each family has an
//! overflow series.

pub(super) mod families;
mod series;

use std::{
    any::Any,
    sync::{Arc, OnceLock},
    time::{Instant, SystemTime},
};

use families::{CALL_FAMILIES, CallFamily, ERROR_LABELS, of_naming};
use series::{CallErrors, CallFacts, CallKey, CallSeries, Texts};

use crate::{
    base::{clock::nanos, counter::Counter, sharded::Sharded},
    outputs::metrics::{
        exemplar::Exemplars,
        family::{Family, LabelSet, Sample, SampleValue},
        gathered::histogram,
        histogram::{BucketBounds, Histograms, Layout, Unit},
        late::LateMetrics,
        limited::{Limited, Place},
        own::seconds_since_1970,
        repeated::RepeatedQueryMetrics,
        request_histograms::duration_buckets,
        settings::{MetricNaming, Metrics},
    },
    record::{
        call::{CallStart, FinishedCall},
        dependency::MAX_DEPENDENCIES,
        finished::Record,
        start::Start,
    },
};

/// The buckets of operations of databases (semantic conventions, `db.client.operation.duration`).
const DATABASE_BUCKETS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// The metrics of the calls of one observer.
pub(super) struct CallMetrics {
    naming: MetricNaming,
    exemplars: bool,
    shards: usize,
    durations: Layout,
    database_durations: Layout,
    families: [CallSeriesOfFamily; CallFamily::COUNT],
    texts: Texts,
    repeated: RepeatedQueryMetrics,
    /// The calls in flight: one number for each family and dependency. It is created for the first
    /// call, because many services make none.
    in_flight: OnceLock<CallsInFlight>,
}

/// The series of one row of [`CALL_FAMILIES`].
struct CallSeriesOfFamily {
    durations: Limited<CallSeries, CallKey>,
    errors: Limited<CallErrors, CallKey>,
}

struct CallsInFlight {
    levels: Sharded,
    /// The names of the dependencies that were called, in the places of their levels.
    names: Box<[OnceLock<&'static str>]>,
}

/// The number of dependencies, with `other`.
const DEPENDENCIES: usize = MAX_DEPENDENCIES + 1;

/// The number of levels: one for each family and dependency.
const SLOTS: usize = CallFamily::COUNT * DEPENDENCIES;

impl LateMetrics for CallMetrics {
    fn start(&self, start: &Start) {
        if let Some(call) = start.call() {
            self.start_call(call);
        }
    }

    fn finish(&self, record: &Record) {
        match record.call() {
            Some(call) => self.record(record, call),
            None => self.repeated.record(record),
        }
    }

    fn families(&self, out: &mut Vec<Family>) {
        self.all_families(out);
        out.push(self.repeated.family());
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl CallMetrics {
    pub(super) fn new(settings: &Metrics, shards: usize, overflowed: &Arc<Counter>) -> Self {
        let layout = |buckets: &[f64]| Layout::new(vec![Some(BucketBounds::new(Unit::Seconds, buckets))]);
        let limit = settings.series_limit;
        let family = || CallSeriesOfFamily {
            durations: Limited::new(limit, shards, Arc::clone(overflowed)),
            errors: Limited::new(limit, shards, Arc::clone(overflowed)),
        };
        Self {
            naming: settings.naming,
            exemplars: settings.exemplars,
            shards,
            durations: layout(duration_buckets(settings)),
            database_durations: layout(DATABASE_BUCKETS),
            families: std::array::from_fn(|_| family()),
            texts: Texts::new(),
            repeated: RepeatedQueryMetrics::new(settings.naming),
            in_flight: OnceLock::new(),
        }
    }

    /// Counts a call that starts.
    fn start_call(&self, call: &CallStart) {
        let in_flight = self.in_flight.get_or_init(|| CallsInFlight {
            levels: Sharded::new(SLOTS, self.shards),
            names: (0..SLOTS).map(|_| OnceLock::new()).collect(),
        });
        let slot = slot(CallFamily::index(call), call.dependency.id() as usize);
        if let Some(name) = in_flight.names.get(slot) {
            name.get_or_init(|| call.dependency.as_str());
        }
        in_flight.levels.add(slot, 1);
    }

    /// Counts a call that has ended.
    fn record(&self, record: &Record, call: FinishedCall<'_>) {
        let index = CallFamily::index(call.start);
        let facts = CallFacts { record, call, texts: &self.texts };
        if let (Some(row), Some(series)) = (CALL_FAMILIES.get(index), self.families.get(index))
            && !call.end.unmeasured
        {
            self.count(row, series, &facts);
        }
        // This comes last, so a call that is no longer in flight is already counted.
        if let Some(in_flight) = self.in_flight.get() {
            in_flight.levels.add(slot(index, call.start.dependency.id() as usize), 1_u64.wrapping_neg());
        }
    }

    fn count(&self, row: &'static CallFamily, series: &CallSeriesOfFamily, facts: &CallFacts<'_>) {
        let failed = facts.record.error_type().is_some();
        let raw = nanos(facts.record.duration);
        let labels = of_naming(row.labels, self.naming);
        let key = facts.key(labels);
        let observe = |series: &Arc<CallSeries>| {
            let bucket = series.durations.current_shard().observe(0, raw);
            self.offer(&series.exemplars, bucket, failed, facts.record, raw);
        };
        if series.durations.read(&key, observe).is_none() {
            let make = || self.new_series(row, facts.labels(labels));
            let found = series.durations.get_or_insert(key, Place::Any, make);
            let found = found.unwrap_or_else(|| {
                let overflow = || self.new_series(row, series::overflow(labels, self.is_opentelemetry()));
                series.durations.overflow(of_naming(row.duration, self.naming), overflow)
            });
            observe(&found);
        }
        if failed && !self.is_opentelemetry() {
            let key = facts.key(ERROR_LABELS);
            let errors = series.errors.read(&key, Arc::clone).unwrap_or_else(|| {
                let make = || Self::new_errors(facts.labels(ERROR_LABELS));
                series.errors.get_or_insert(key, Place::Any, make).unwrap_or_else(|| {
                    let overflow = || Self::new_errors(series::overflow(ERROR_LABELS, false));
                    series.errors.overflow(row.errors, overflow)
                })
            });
            errors.count.add(1);
            self.offer(&errors.exemplar, 0, true, facts.record, 1);
        }
    }

    const fn is_opentelemetry(&self) -> bool {
        matches!(self.naming, MetricNaming::OpenTelemetry)
    }

    fn offer(&self, exemplars: &Exemplars, slot: usize, failed: bool, record: &Record, raw: u64) {
        if self.exemplars {
            exemplars.offer(slot, failed, record, raw);
        }
    }

    fn new_series(&self, row: &CallFamily, labels: LabelSet) -> CallSeries {
        let layout = if row.is_database { &self.database_durations } else { &self.durations };
        let slots = layout.bounds(0).map_or(0, BucketBounds::buckets);
        CallSeries {
            labels,
            created: seconds_since_1970(SystemTime::now()),
            durations: Histograms::new(layout, self.shards),
            exemplars: Exemplars::new(slots),
        }
    }

    fn new_errors(labels: LabelSet) -> CallErrors {
        let created = seconds_since_1970(SystemTime::now());
        CallErrors { labels, created, count: Counter::new(), exemplar: Exemplars::new(1) }
    }

    /// Appends the families of calls with their current values.
    fn all_families(&self, out: &mut Vec<Family>) {
        let now = Instant::now();
        for (index, (row, series)) in CALL_FAMILIES.iter().zip(&self.families).enumerate() {
            series.durations.remove_idle(now);
            series.errors.remove_idle(now);
            let mut durations = row.durations(self.naming);
            let all = series.durations.values().into_iter().chain(series.durations.overflow_series());
            for series in all {
                let snapshot = series.durations.snapshot();
                let state = series.durations.state(&snapshot, 0);
                let exemplars = Some(&series.exemplars);
                if let Some(value) = state.and_then(|s| histogram(&series.durations, 0, s, exemplars)) {
                    durations.push(Arc::clone(&series.labels), value, series.created);
                }
            }
            sort(&mut durations);
            out.push(durations);
            out.push(self.in_flight_family(index, row));
            if !self.is_opentelemetry() {
                out.push(Self::errors_family(row, series));
            }
        }
    }

    fn errors_family(row: &CallFamily, series: &CallSeriesOfFamily) -> Family {
        let mut errors = row.failed();
        for series in series.errors.values().into_iter().chain(series.errors.overflow_series()) {
            let mut exemplar = None;
            series.exemplar.each(&mut |_, kept| exemplar = Some(kept.clone()));
            let value = SampleValue::Count { value: series.count.get(), exemplar };
            errors.push(Arc::clone(&series.labels), value, series.created);
        }
        sort(&mut errors);
        errors
    }

    fn in_flight_family(&self, index: usize, row: &CallFamily) -> Family {
        let mut family = row.running(self.naming);
        let Some(in_flight) = self.in_flight.get() else { return family };
        for number in 0..DEPENDENCIES {
            let slot = slot(index, number);
            if let Some(name) = in_flight.names.get(slot).and_then(OnceLock::get) {
                let labels = [("dependency".into(), (*name).to_owned())].into();
                family.samples.push(Sample::gauge(labels, in_flight.levels.level(slot)));
            }
        }
        family
    }
}

fn sort(family: &mut Family) {
    family.samples.sort_by(|one, other| one.labels.cmp(&other.labels));
}

/// Returns the place of a family and a dependency in the levels.
const fn slot(family: usize, dependency: usize) -> usize {
    family.saturating_mul(DEPENDENCIES).saturating_add(dependency)
}
