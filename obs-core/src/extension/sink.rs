//! The sinks of records.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Sender, channel},
    },
    time::{Duration, Instant},
};

use crate::{
    base::{counter::Counter, panic::catch, thread::spawn},
    extension::internal_metrics::InternalMetrics,
    record::{finished::Record, start::Start},
    redact::diagnostics,
};

/// A sink of records, which sees the start and the end of every piece of work.
///
/// A sink runs on the thread of the work, so it must be quick and must not block. Give slow work to
/// a separate thread, through a bounded queue.
///
/// # Panics
/// A panic in a sink does not affect the request. It is caught and counted in
/// `obs_sink_errors_total`.
///
/// # Cancellation
/// Each `on_start` is followed by exactly one `on_finish`, however the request ends. If the process
/// ends early, by an aborting panic or a second signal, `on_finish` may be missing.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use obs_core::{Observer, Outcome, adapter::RequestHead, output::{Record, RecordSink}};
///
/// #[derive(Default)]
/// struct Failures(AtomicU64);
/// impl RecordSink for Failures {
///     fn name(&self) -> &str { "failures" }
///     fn on_finish(&self, record: &Record) {
///         self.0.fetch_add(u64::from(record.error_type().is_some()), Ordering::Relaxed);
///     }
/// }
/// let failures = std::sync::Arc::new(Failures::default());
/// let observer = Observer::builder("shop").no_environment().sink(failures.clone()).build()?;
/// drop(observer.start(&RequestHead::new("GET", "/", &()))); // cancelled
/// assert_eq!(failures.0.load(Ordering::Relaxed), 1);
/// # Ok::<(), obs_core::BuildError>(())
/// ```
pub trait RecordSink: Send + Sync + 'static {
    /// Returns a short name that no other sink of the observer has. It is the label `sink` of the
    /// sink's own metrics.
    ///
    /// It must have 1 to 64 bytes and no control characters, and must never change.
    fn name(&self) -> &str;

    /// Receives the start of a piece of work.
    fn on_start(&self, _start: &Start) {}

    /// Returns false if [`on_start`](Self::on_start) does nothing. The observer may then skip
    /// the calls.
    fn wants_starts(&self) -> bool {
        true
    }

    /// Receives the record of a piece of work that has ended.
    fn on_finish(&self, record: &Record);

    /// Flushes queued data, for at most `deadline`. Returns `false` if data is left or lost.
    ///
    /// It is called by [`Observer::shutdown`](crate::Observer::shutdown), and before a panic aborts
    /// the process. A sink without a queue has nothing to do. Dropping the last observer drops the
    /// sink without this call.
    fn flush(&self, _deadline: Duration) -> bool {
        true
    }
}

impl<S: RecordSink + ?Sized> RecordSink for Arc<S> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn on_start(&self, start: &Start) {
        (**self).on_start(start);
    }

    fn wants_starts(&self) -> bool {
        (**self).wants_starts()
    }

    fn on_finish(&self, record: &Record) {
        (**self).on_finish(record);
    }

    fn flush(&self, deadline: Duration) -> bool {
        (**self).flush(deadline)
    }
}

/// The counter of a sink's panics.
pub(crate) fn sink_errors(own: &InternalMetrics, sink: &str) -> Arc<Counter> {
    own.counter(
        "obs_sink_errors_total",
        "Calls of a sink that panicked.",
        &[("sink", sink.to_owned().into())],
    )
}

/// All sinks of an observer.
pub(crate) struct Sinks {
    all: Arc<[Guarded]>,
    /// The number of sinks, from the first one, that are called at a start. No sink after them
    /// wants starts.
    start_sinks: usize,
}

/// Calls a sink, and counts a panic in it.
#[allow(clippy::inline_always, reason = "every request calls it; work inside of one, too")]
#[inline(always)]
fn call<T>((sink, errors): &Guarded, call: impl FnOnce(&dyn RecordSink) -> T) -> Option<T> {
    let result = catch(|| call(sink.as_ref()));
    if result.is_err() {
        count_panic(errors);
    }
    result.ok()
}

#[cold]
#[inline(never)]
fn count_panic(errors: &Counter) {
    if errors.get() == 0 {
        diagnostics::warn(format_args!(
            "a sink panicked; panics of sinks are counted in `obs_sink_errors_total`"
        ));
    }
    errors.add(1);
}

fn flush(guarded: &Guarded, deadline: Duration) -> bool {
    call(guarded, |sink| sink.flush(deadline)).unwrap_or(false)
}

/// A sink and the counter of its panics.
type Guarded = (Box<dyn RecordSink>, Arc<Counter>);

impl Sinks {
    pub(crate) fn new(sinks: Vec<Box<dyn RecordSink>>, own: &InternalMetrics) -> Self {
        let guarded = |sink: Box<dyn RecordSink>| {
            let errors = sink_errors(own, sink.name());
            (sink, errors)
        };
        let all: Arc<[Guarded]> = sinks.into_iter().map(guarded).collect();
        let last = all.iter().rposition(|(sink, _)| sink.wants_starts());
        Self { all, start_sinks: last.map_or(0, |last| last.saturating_add(1)) }
    }

    #[allow(clippy::inline_always, reason = "every request calls it; work inside of one, too")]
    #[inline(always)]
    pub(crate) fn on_start(&self, start: &Start) {
        for guarded in self.all.iter().take(self.start_sinks) {
            let _ = call(guarded, |sink| sink.on_start(start));
        }
    }

    /// Calls the sinks in reverse order. The metrics are the first sink, so they are last: when
    /// they show nothing in flight, every other sink has its record.
    #[allow(clippy::inline_always, reason = "every request calls it; work inside of one, too")]
    #[inline(always)]
    pub(crate) fn on_finish(&self, record: &Record) {
        for guarded in self.all.iter().rev() {
            let _ = call(guarded, |sink| sink.on_finish(record));
        }
    }

    /// Calls all sinks with the last record of a process that aborts, each on its own thread, and
    /// waits at most for `limit`. A sink that panics keeps the record from no other sink: nothing
    /// unwinds, so a panic stops its thread.
    pub(crate) fn on_abort(&self, record: Record, limit: Duration) {
        let (send, done) = channel();
        let record = Arc::new(record);
        let start = |number| {
            let (all, record, send) = (Arc::clone(&self.all), Arc::clone(&record), Sender::clone(&send));
            let run = move || {
                if let Some(guarded) = all.get(number) {
                    let _ = call(guarded, |sink| sink.on_finish(&record));
                }
                let _ = send.send(());
            };
            spawn("obs-abort", Box::new(run)).is_ok()
        };
        let started = (0..self.all.len()).filter(|number| start(*number)).count();
        let until = Instant::now().checked_add(limit);
        for _ in 0..started {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if done.recv_timeout(left.unwrap_or(limit)).is_err() {
                break;
            }
        }
    }

    /// Flushes all sinks at the same time, so that a stuck one takes no time from the others.
    pub(crate) fn flush(&self, deadline: Duration) -> bool {
        let flushed = Arc::new(AtomicBool::new(true));
        let start = |number| {
            let (all, flushed) = (Arc::clone(&self.all), Arc::clone(&flushed));
            let run = move || {
                let done = all.get(number).is_some_and(|guarded| flush(guarded, deadline));
                flushed.fetch_and(done, Ordering::Relaxed);
            };
            spawn("obs-flush", Box::new(run))
        };
        let started: Vec<_> = (0..self.all.len()).map(start).collect();
        for (thread, guarded) in started.into_iter().zip(&*self.all) {
            let done = match thread {
                Ok(thread) => thread.join().is_ok(),
                // No thread can be started, so flush on this thread.
                Err(_) => flush(guarded, deadline),
            };
            flushed.fetch_and(done, Ordering::Relaxed);
        }
        flushed.load(Ordering::Relaxed)
    }
}
