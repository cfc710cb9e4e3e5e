//! A test kit: an observer in memory with records, events and metrics to check.
//!
//! Each test has its own observer, so any number of tests run at the same time in one process. The
//! observer reads no environment variables and writes no output. With the feature `logs`,
//! `TestLogs` has log lines in memory. The guide is `docs/testing.md`.
//!
//! ```
//! use obs_core::{Outcome, adapter::RequestHead, testing::TestObserver};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let test = TestObserver::new();
//! // Serve an application with `test.observer()` and call it. This example needs no server:
//! let mut observation = test.observer().start(&RequestHead::new("GET", "/items/7", &()));
//! observation.set_route("/items/{id}");
//! observation.work().set("user.plan", "pro");
//! observation.responded(200, &());
//! observation.finish(Outcome::Completed);
//!
//! // A record is made after the client has read the body, so a test waits for it.
//! test.wait_for(1).await;
//! test.event().has("http.route", "/items/{id}").has("fields.user.plan", "pro");
//! test.metric("http_requests_total", &[("endpoint", "/items/{id}"), ("status", "200")]).is(1.0);
//! # }
//! ```

pub(crate) mod event;
#[cfg(feature = "logs")]
pub(crate) mod logs;
pub(crate) mod metric;
mod running;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

#[cfg(feature = "logs")]
pub use self::logs::TestLogs;
pub use self::{event::TestEvent, metric::TestMetric};

use crate::{
    builder::ObserverBuilder,
    extension::sink::RecordSink,
    observer::Observer,
    outputs::{delivery::sink::EventSink, events::output::EventOutput, metrics::settings::Metrics},
    record::{finished::Record, start::Start},
    testing::running::Running,
};

/// The longest time that a test waits before it fails.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An observer in memory, and everything that it recorded.
///
/// # Panics
/// A check that fails panics with a message that shows the actual data.
#[derive(Clone)]
pub struct TestObserver {
    observer: Observer,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    records: Vec<Record>,
    calls: Vec<Record>,
    lines: Vec<u8>,
    waiting: Vec<Waker>,
    running: Running,
}

impl TestObserver {
    /// Makes an observer with the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// Makes an observer with settings. Do not set [`Events`](crate::Events) here, because the
    /// event output is already set: use [`events_with`](Self::events_with).
    ///
    /// # Panics
    /// Panics if a setting is invalid.
    #[must_use]
    pub fn with(settings: impl FnOnce(ObserverBuilder) -> ObserverBuilder) -> Self {
        Self::build(settings, crate::outputs::events::settings::Events::new())
    }

    /// Makes an observer with settings, and with settings for events.
    ///
    /// # Panics
    /// Panics if a setting is invalid.
    #[must_use]
    pub fn events_with(
        events: crate::outputs::events::settings::Events,
        settings: impl FnOnce(ObserverBuilder) -> ObserverBuilder,
    ) -> Self {
        Self::build(settings, events)
    }

    fn build(
        settings: impl FnOnce(ObserverBuilder) -> ObserverBuilder,
        events: crate::outputs::events::settings::Events,
    ) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let lines = EventOutput::to(TestLines(Arc::clone(&seen))).named("testing").capacity(64 * 1024 * 1024);
        let builder = Observer::builder("test")
            .no_environment()
            .drain_delay(Duration::ZERO)
            .metrics(Metrics::new())
            .events(events.output(lines))
            .last_sink(TestRecords(Arc::clone(&seen)), {
                let seen = Arc::clone(&seen);
                Box::new(move |start, status| lock(&seen).running.responded(start, status))
            });
        match settings(builder).build() {
            Ok(observer) => Self { observer, seen },
            Err(error) => panic!("the test observer cannot be built: {error}"),
        }
    }

    /// The observer, for the application under test.
    #[must_use]
    pub fn observer(&self) -> &Observer {
        &self.observer
    }

    /// Waits until `n` requests have ended, and returns their records in the order in which they
    /// ended.
    ///
    /// It works on any runtime.
    ///
    /// # Panics
    /// Panics if they have not ended after 30 s. The message names each request that still runs,
    /// and says if its response was not read to its end.
    pub fn wait_for(&self, n: usize) -> WaitFor {
        WaitFor { test: self.clone(), n, began: Instant::now(), limit: TIMEOUT, watched: false }
    }

    /// Wakes the waiting tasks at the time limit. It uses a thread, because a timer would need a
    /// certain runtime.
    fn watch(&self, limit: Duration) {
        let seen = Arc::downgrade(&self.seen);
        thread::spawn(move || {
            thread::sleep(limit);
            if let Some(seen) = seen.upgrade() {
                wake(&seen);
            }
        });
    }

    /// Waits as [`wait_for`](Self::wait_for) does, for a test without a runtime. It blocks the
    /// thread.
    ///
    /// # Panics
    /// Panics if they have not ended after 30 s.
    #[must_use]
    pub fn wait_for_blocking(&self, n: usize) -> Vec<Record> {
        let began = Instant::now();
        while lock(&self.seen).records.len() < n {
            self.check_timeout(began, TIMEOUT, n);
            thread::sleep(Duration::from_millis(1));
        }
        self.records()
    }

    fn check_timeout(&self, began: Instant, limit: Duration, n: usize) {
        if began.elapsed() < limit {
            return;
        }
        let Seen { records, running, .. } = &*lock(&self.seen);
        panic!(
            "{n} requests should have ended within {limit:?}, but {} have. {running}. The ended ones: \
             {records:#?}",
            records.len(),
        );
    }

    /// The records of all requests that have ended.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        lock(&self.seen).records.clone()
    }

    /// The records of all calls that have ended.
    #[must_use]
    pub fn calls(&self) -> Vec<Record> {
        lock(&self.seen).calls.clone()
    }

    /// The events of all requests that have ended, in the order in which they ended.
    ///
    /// # Panics
    /// Panics if the events are not written within 30 s.
    #[must_use]
    pub fn events(&self) -> Vec<TestEvent> {
        assert!(self.observer.flush(TIMEOUT), "the events should have been written within 30 s");
        let lines = lock(&self.seen).lines.clone();
        let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(TestEvent::of_line).collect()
    }

    /// The only event.
    ///
    /// # Panics
    /// Panics if there is no event, or more than one.
    #[must_use]
    pub fn event(&self) -> TestEvent {
        let mut events = self.events();
        match (events.pop(), events.len()) {
            (Some(event), 0) => event,
            (last, n) => panic!(
                "expected one event, but there are {}. {}. The events: {:#?}",
                n.saturating_add(usize::from(last.is_some())),
                lock(&self.seen).running,
                events.into_iter().chain(last).collect::<Vec<_>>()
            ),
        }
    }

    /// The sum of all samples with this name and these labels. For histograms, append `_count`,
    /// `_sum` or `_bucket`. The value `""` stands for a label that is missing, as in Prometheus.
    #[must_use]
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> TestMetric {
        TestMetric::of_page(&self.observer.metrics_text(), name, labels)
    }
}

impl Default for TestObserver {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TestObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestObserver").field("records", &self.records()).finish_non_exhaustive()
    }
}

/// A future that waits for requests to end: see [`TestObserver::wait_for`].
///
/// # Cancellation
/// Dropping it has no effect.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct WaitFor {
    test: TestObserver,
    n: usize,
    began: Instant,
    limit: Duration,
    watched: bool,
}

impl WaitFor {
    /// Waits at most for `limit` instead of 30 s.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

impl Future for WaitFor {
    type Output = Vec<Record>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut seen = lock(&self.test.seen);
        if seen.records.len() >= self.n {
            return Poll::Ready(seen.records.clone());
        }
        if !seen.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            seen.waiting.push(cx.waker().clone());
        }
        drop(seen);
        self.test.check_timeout(self.began, self.limit, self.n);
        if !std::mem::replace(&mut self.watched, true) {
            self.test.watch(self.limit);
        }
        Poll::Pending
    }
}

struct TestRecords(Arc<Mutex<Seen>>);

impl RecordSink for TestRecords {
    fn name(&self) -> &str {
        "testing"
    }

    fn on_start(&self, start: &Start) {
        if start.request().is_some() {
            lock(&self.0).running.started(start);
        }
    }

    fn on_finish(&self, record: &Record) {
        let mut seen = lock(&self.0);
        if record.request().is_none() {
            if record.call().is_some() {
                seen.calls.push(record.clone());
            }
            return;
        }
        seen.running.ended(record.start());
        seen.records.push(record.clone());
        drop(seen);
        wake(&self.0);
    }
}

/// Wakes without holding the lock, because a waker may poll immediately.
fn wake(seen: &Mutex<Seen>) {
    let waiting = std::mem::take(&mut lock(seen).waiting);
    waiting.into_iter().for_each(Waker::wake);
}

struct TestLines(Arc<Mutex<Seen>>);

impl EventSink for TestLines {
    fn write(&mut self, lines: &[u8]) -> std::io::Result<usize> {
        lock(&self.0).lines.extend_from_slice(lines);
        Ok(lines.len())
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
