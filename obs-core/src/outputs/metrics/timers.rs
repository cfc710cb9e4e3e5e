//! The application's own timers: histograms whose exemplars are the work in which they measure.

use std::{
    any::Any,
    fmt,
    future::Future,
    sync::Arc,
    time::{Instant, SystemTime},
};

use super::{
    exemplar::Exemplars,
    family::{Family, Kind, LabelSet},
    gathered::histogram,
    histogram::{BucketBounds, Histograms, Layout, Unit},
    late::LateMetrics,
    limited::{Limited, Observable, Place},
    own::seconds_since_1970,
    request_histograms::duration_buckets,
    settings::Metrics,
};
use crate::{
    base::{clock::nanos, counter::Counter},
    work::scope::current,
};

/// The name of the family.
const NAME: &str = "timer_duration_seconds";

/// The timers of one observer.
pub(crate) struct Timers {
    layout: Layout,
    shards: usize,
    exemplars: bool,
    all: Limited<TimerSeries, &'static str>,
}

/// The histogram of one timer.
struct TimerSeries {
    labels: LabelSet,
    created: f64,
    durations: Histograms,
    /// None if the metrics have no exemplars.
    exemplars: Option<Exemplars>,
}

impl Observable for TimerSeries {
    fn observations(&self) -> u64 {
        self.durations.observations(0)
    }
}

impl Timers {
    pub(super) fn new(settings: &Metrics, shards: usize, overflowed: Arc<Counter>) -> Self {
        let bounds = BucketBounds::new(Unit::Seconds, duration_buckets(settings));
        Self {
            layout: Layout::new(vec![Some(bounds)]),
            shards,
            exemplars: settings.exemplars,
            all: Limited::new(settings.series_limit, shards, overflowed),
        }
    }

    /// Returns the timer of this name. Above the limit, it is the timer `overflow`.
    pub(crate) fn get(&self, name: &'static str) -> Timer {
        let found = self.all.read(&name, Arc::clone).or_else(|| {
            // Its name comes from code, so its place is kept.
            self.all.get_or_insert(name, Place::First(name), || self.new_series(name))
        });
        Timer(found.unwrap_or_else(|| self.all.overflow(NAME, || self.new_series("overflow"))))
    }

    fn new_series(&self, name: &'static str) -> TimerSeries {
        let slots = self.layout.bounds(0).map_or(0, BucketBounds::buckets);
        TimerSeries {
            labels: [("timer".into(), name.to_owned())].into(),
            created: seconds_since_1970(SystemTime::now()),
            durations: Histograms::new(&self.layout, self.shards),
            exemplars: self.exemplars.then(|| Exemplars::new(slots)),
        }
    }

    fn family(&self) -> Family {
        let mut family = empty();
        for series in self.all.values().into_iter().chain(self.all.overflow_series()) {
            let snapshot = series.durations.snapshot();
            let state = series.durations.state(&snapshot, 0);
            let exemplars = series.exemplars.as_ref();
            if let Some(value) = state.and_then(|state| histogram(&series.durations, 0, state, exemplars)) {
                family.push(Arc::clone(&series.labels), value, series.created);
            }
        }
        family.samples.sort_by(|one, other| one.labels.cmp(&other.labels));
        family
    }
}

impl LateMetrics for Timers {
    fn families(&self, out: &mut Vec<Family>) {
        out.push(self.family());
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Returns the family without samples.
pub(super) fn empty() -> Family {
    let help = "Times that the application measured.";
    Family { unit: Some(Unit::Seconds), ..Family::new(NAME, help, Kind::Histogram) }
}

/// A timer of the application: see [`Observer::timer`](crate::Observer::timer).
///
/// A clone is cheap and measures into the same histogram. Keep a timer that is used often: to look
/// it up by its name costs more than to measure.
///
/// ```
/// # async fn load() -> u32 { 7 }
/// # async fn handler(observer: obs_core::Observer) {
/// let timer = observer.timer("cache_fill");
/// timer.run(|| 3 * 7); // a closure
/// timer.observe(load()).await; // a future
/// let running = timer.start();
/// drop(running); // a guard, which measures until it is dropped
/// # }
/// ```
#[derive(Clone)]
pub struct Timer(Arc<TimerSeries>);

impl Timer {
    /// Starts a measurement that ends when the guard is dropped.
    pub fn start(&self) -> TimerGuard {
        TimerGuard { timer: self.clone(), started: Instant::now() }
    }

    /// Measures a closure.
    ///
    /// # Panics
    /// Panics only if `f` panics. The time until then is measured, too.
    pub fn run<T>(&self, f: impl FnOnce() -> T) -> T {
        let _running = self.start();
        f()
    }

    /// Measures a future, from its first poll to its end.
    ///
    /// # Cancellation
    /// The time until a drop is measured, too.
    pub async fn observe<F: Future>(&self, future: F) -> F::Output {
        let _running = self.start();
        future.await
    }

    /// Adds a measurement. Its exemplar is the [current](crate::current) work.
    fn record(&self, raw: u64) {
        let bucket = self.0.durations.current_shard().observe(0, raw);
        if let Some(exemplars) = &self.0.exemplars
            && let Some(start) = current().start()
        {
            exemplars.offer_of_work(bucket, start, raw);
        }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("labels", &self.0.labels).finish_non_exhaustive()
    }
}

/// A running measurement: see [`Timer::start`].
#[derive(Debug)]
#[must_use = "the measurement ends when this is dropped"]
pub struct TimerGuard {
    timer: Timer,
    started: Instant,
}

impl Drop for TimerGuard {
    fn drop(&mut self) {
        self.timer.record(nanos(self.started.elapsed()));
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use std::{
        future::{pending, ready},
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;
    use crate::{
        http::head::RequestHead, outputs::metrics::settings::Metrics, record::outcome::Outcome,
        testing::TestObserver,
    };

    #[test]
    fn guards_closures_and_futures_are_measured_with_the_request_as_exemplar() {
        let test = TestObserver::new();
        let observation = test.observer().start(&RequestHead::new("GET", "/", &()));
        let timer = test.observer().timer("cache_fill");
        let (observation, result) = observation.run(|| {
            drop(timer.start());
            assert_eq!(timer.run(|| 7), 7);
            let mut context = Context::from_waker(Waker::noop());
            assert_eq!(pin!(timer.observe(ready(7))).poll(&mut context), Poll::Ready(7));
            assert!(pin!(timer.observe(pending::<()>())).poll(&mut context).is_pending());
        });
        result.expect("no panic");
        test.observer().timer("cache_fill").run(|| ());
        let id = observation.start().id.clone();
        observation.finish(Outcome::Completed);
        test.metric("timer_duration_seconds_count", &[("timer", "cache_fill")]).is(5.0);
        let mut found = Vec::new();
        let exemplars = timer.0.exemplars.as_ref().expect("exemplars");
        exemplars.each(&mut |_, exemplar| found.extend(exemplar.labels().map(|(_, value)| value)));
        assert!(found.contains(&id.as_str().to_owned()), "{found:?}");
    }

    #[test]
    fn the_number_of_timers_is_bounded() {
        let test = TestObserver::with(|builder| builder.metrics(Metrics::new().series_limit(1)));
        let names: Vec<&'static str> =
            (0..10).map(|n| &*Box::leak(format!("timer-{n}").into_boxed_str())).collect();
        names.iter().for_each(|name| test.observer().timer(name).run(|| ()));
        // Eight places are kept for names from code, and one is within the limit.
        test.metric("timer_duration_seconds_count", &[("timer", "timer-8")]).is(1.0);
        test.metric("timer_duration_seconds_count", &[("timer", "overflow")]).is(1.0);
    }
}
