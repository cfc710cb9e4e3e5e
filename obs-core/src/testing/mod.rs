//! A test kit (feature `testing`): an observer in memory, whose records, events and metrics a test asks for.
//!
//! Each test has its own, so any number run at the same time in one process. It reads no environment and writes nowhere.
//!
//! ```
//! use obs_core::{Outcome, adapter::RequestHead, testing::TestObserver};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let test = TestObserver::new();
//! // Serve an application that is observed by `test.observer()`, and call it; or, as here, without a server:
//! let mut observation = test.observer().start(&RequestHead::new("GET", "/items/7", &()));
//! observation.set_route("/items/{id}");
//! observation.work().set("user.plan", "pro");
//! observation.responded(200, &());
//! observation.finish(Outcome::Completed);
//!
//! // A record ends after its client has read the body, so a test waits for it.
//! test.wait_for(1).await;
//! test.event().has("http.route", "/items/{id}").has("outcome", "completed").has("fields.user.plan", "pro");
//! test.metric("http_requests_total", &[("endpoint", "/items/{id}"), ("status", "200")]).is(1.0);
//! # }
//! ```

pub(crate) mod event;
pub(crate) mod metric;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

pub use self::{event::TestEvent, metric::TestMetric};

use crate::{
    builder::ObserverBuilder,
    extension::sink::RecordSink,
    observer::Observer,
    outputs::{delivery::sink::EventSink, events::output::EventOutput, metrics::settings::Metrics},
    record::finished::Record,
};

/// How long a test waits for what should have happened, before it fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// An observer in memory, and all that comes out of it.
///
/// # Panics
/// Its checks panic with what they saw instead, as tests want it.
#[derive(Clone)]
pub struct TestObserver {
    observer: Observer,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    records: Vec<Record>,
    lines: Vec<u8>,
    waiting: Vec<Waker>,
}

impl TestObserver {
    /// One with the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// One with settings. Its outputs of events are taken care of here: of [`Events`](crate::Events) set everything but those by
    /// [`events`](Self::events_with).
    ///
    /// # Panics
    /// If the settings cannot be.
    #[must_use]
    pub fn with(settings: impl FnOnce(ObserverBuilder) -> ObserverBuilder) -> Self {
        Self::build(settings, crate::outputs::events::settings::Events::new())
    }

    /// One with settings, and with settings of the events.
    ///
    /// # Panics
    /// If the settings cannot be.
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
        let lines = EventOutput::to(Lines(Arc::clone(&seen))).named("testing").capacity(64 * 1024 * 1024);
        let builder = Observer::builder("test")
            .no_environment()
            .drain_delay(Duration::ZERO)
            .metrics(Metrics::new())
            .events(events.output(lines))
            .told_last(Records(Arc::clone(&seen)));
        match settings(builder).build() {
            Ok(observer) => Self { observer, seen },
            Err(error) => panic!("the test's observer cannot be built: {error}"),
        }
    }

    /// The observer, for the application under test.
    #[must_use]
    pub fn observer(&self) -> &Observer {
        &self.observer
    }

    /// Waits until `n` requests have ended, and returns their records in the order of their ends.
    ///
    /// It needs no particular runtime.
    ///
    /// # Panics
    /// If they have not after 30 s.
    pub fn wait_for(&self, n: usize) -> WaitFor {
        WaitFor { test: self.clone(), n, began: Instant::now(), watched: false }
    }

    /// Wakes whoever waits once patience is at its end. A thread, because a timer would belong to one runtime.
    fn watch(&self) {
        let seen = Arc::downgrade(&self.seen);
        thread::spawn(move || {
            thread::sleep(PATIENCE);
            if let Some(seen) = seen.upgrade() {
                wake(&seen);
            }
        });
    }

    /// The same for a test without a runtime.
    ///
    /// # Panics
    /// If they have not after 30 s.
    #[must_use]
    pub fn wait_for_blocking(&self, n: usize) -> Vec<Record> {
        let began = Instant::now();
        while lock(&self.seen).records.len() < n {
            self.check_patience(began, n);
            thread::sleep(Duration::from_millis(1));
        }
        self.records()
    }

    fn check_patience(&self, began: Instant, n: usize) {
        let records = self.records();
        assert!(
            began.elapsed() < PATIENCE,
            "{n} requests should have ended, but only {} did, and {} run: {records:#?}",
            records.len(),
            self.observer.in_flight(),
        );
    }

    /// The records of the requests that have ended so far.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        lock(&self.seen).records.clone()
    }

    /// The events so far, in the order of their ends.
    ///
    /// # Panics
    /// If they do not come out of the pipeline.
    #[must_use]
    pub fn events(&self) -> Vec<TestEvent> {
        assert!(self.observer.flush(PATIENCE), "the events come out of the pipeline");
        let lines = lock(&self.seen).lines.clone();
        let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(TestEvent::of_line).collect()
    }

    /// The only event.
    ///
    /// # Panics
    /// If there is none, or more than one.
    #[must_use]
    pub fn event(&self) -> TestEvent {
        let mut events = self.events();
        match (events.pop(), events.len()) {
            (Some(event), 0) => event,
            (last, n) => panic!(
                "there should be one event, but there are {}: {:#?}",
                n.saturating_add(usize::from(last.is_some())),
                events.into_iter().chain(last).collect::<Vec<_>>()
            ),
        }
    }

    /// The sum of the samples of this name that have all these labels. Histograms have `_count`, `_sum` and `_bucket`.
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

/// Requests that end: see [`TestObserver::wait_for`].
///
/// # Cancellation
/// Dropping it is harmless.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct WaitFor {
    test: TestObserver,
    n: usize,
    began: Instant,
    watched: bool,
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
        self.test.check_patience(self.began, self.n);
        if !std::mem::replace(&mut self.watched, true) {
            self.test.watch();
        }
        Poll::Pending
    }
}

struct Records(Arc<Mutex<Seen>>);

impl RecordSink for Records {
    fn name(&self) -> &str {
        "testing"
    }

    fn on_finish(&self, record: &Record) {
        lock(&self.0).records.push(record.clone());
        wake(&self.0);
    }
}

/// Not under the lock: a waker may poll at once.
fn wake(seen: &Mutex<Seen>) {
    let waiting = std::mem::take(&mut lock(seen).waiting);
    waiting.into_iter().for_each(Waker::wake);
}

struct Lines(Arc<Mutex<Seen>>);

impl EventSink for Lines {
    fn write(&mut self, lines: &[u8]) -> std::io::Result<usize> {
        lock(&self.0).lines.extend_from_slice(lines);
        Ok(lines.len())
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
