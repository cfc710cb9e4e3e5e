//! Where records go.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{
    base::{counter::Counter, diagnostics, panic::catch, thread::spawn},
    extension::internal_metrics::InternalMetrics,
    record::{finished::Record, start::Start},
};

/// A reader of finished records. It sees the start and the end of every piece of work.
///
/// Sinks run on the thread of the work, so they must be quick and must not block: what takes time is handed
/// to a thread of the sink's own through a bounded queue.
///
/// # Panics
/// A sink that panics hurts no request: the panic is caught and counted in `obs_sink_errors_total`.
///
/// # Cancellation
/// Each `on_start` is followed by exactly one `on_finish`, however the request ends; if the process is ended from
/// outside, by a panic that aborts or by a second signal, by at most one.
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
    /// Returns a short name, which no other sink of the observer has: the label `sink` of the sink's own metrics.
    ///
    /// It has 1 to 64 bytes and no control characters, and stays the same.
    fn name(&self) -> &str;

    /// Is called when a piece of work has started.
    fn on_start(&self, _start: &Start) {}

    /// Whether there is anything to do in [`on_start`](Self::on_start): a sink that says no is not called there.
    fn wants_starts(&self) -> bool {
        true
    }

    /// Is called when a piece of work has ended.
    fn on_finish(&self, record: &Record);

    /// Hands on what is still queued, waiting no longer than `deadline`; `false` if something was left or lost.
    ///
    /// Called by [`Observer::shutdown`](crate::Observer::shutdown), and before a panic aborts the process. Dropping
    /// the last observer does not call it: the sink is dropped then. A sink without a queue has nothing to do.
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

/// The count of a sink's panics.
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
    /// How many of the first ones must be told of starts: none behind them wants to be.
    told_of_starts: usize,
}

/// Calls a sink; a panic in it is counted.
fn call<T>((sink, errors): &Guarded, call: impl FnOnce(&dyn RecordSink) -> T) -> Option<T> {
    let result = catch(|| call(sink.as_ref()));
    if result.is_err() {
        if errors.get() == 0 {
            diagnostics::warn(format_args!("a sink panicked; it is counted in `obs_sink_errors_total`"));
        }
        errors.add(1);
    }
    result.ok()
}

fn flush(guarded: &Guarded, deadline: Duration) -> bool {
    call(guarded, |sink| sink.flush(deadline)).unwrap_or(false)
}

/// A sink and the count of its panics.
type Guarded = (Box<dyn RecordSink>, Arc<Counter>);

impl Sinks {
    pub(crate) fn new(sinks: impl IntoIterator<Item = Box<dyn RecordSink>>, own: &InternalMetrics) -> Self {
        let guarded = |sink: Box<dyn RecordSink>| {
            let errors = sink_errors(own, sink.name());
            (sink, errors)
        };
        let all: Arc<[Guarded]> = sinks.into_iter().map(guarded).collect();
        let last = all.iter().rposition(|(sink, _)| sink.wants_starts());
        Self { all, told_of_starts: last.map_or(0, |last| last.saturating_add(1)) }
    }

    pub(crate) fn on_start(&self, start: &Start) {
        for guarded in self.all.iter().take(self.told_of_starts) {
            let _ = call(guarded, |sink| sink.on_start(start));
        }
    }

    /// In the opposite order: when the metrics, which are the first, say that nothing is in flight, every other
    /// sink has had its record.
    pub(crate) fn on_finish(&self, record: &Record) {
        for guarded in self.all.iter().rev() {
            let _ = call(guarded, |sink| sink.on_finish(record));
        }
    }

    /// Flushes all of them at the same time: one that is stuck takes no time from the others.
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
                // There is no room for a thread.
                Err(_) => flush(guarded, deadline),
            };
            flushed.fetch_and(done, Ordering::Relaxed);
        }
        flushed.load(Ordering::Relaxed)
    }
}
