//! Where records go.

use std::sync::Arc;

use crate::{RequestRecord, RequestStart, metrics::Counter, panic::catch};

/// An output: it is told of every request's start and reads every finished record.
///
/// Sinks run on the request's thread, so they must be quick and must not block: what takes time is handed
/// to a thread of the sink's own through a bounded queue.
///
/// # Panics
/// A sink that panics hurts no request: the panic is caught and counted in `obs_sink_errors_total`.
///
/// # Cancellation
/// Each `on_start` is followed by exactly one `on_finish`, however the request ends; with `panic = "abort"`,
/// by at most one.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use obs_core::{Observer, Outcome, RecordSink, RequestHead, RequestRecord};
///
/// #[derive(Default)]
/// struct Failures(AtomicU64);
/// impl RecordSink for Failures {
///     fn name(&self) -> &'static str { "failures" }
///     fn on_finish(&self, record: &RequestRecord) {
///         self.0.fetch_add(u64::from(record.error_type().is_some()), Ordering::Relaxed);
///     }
/// }
/// let failures = std::sync::Arc::new(Failures::default());
/// let observer = Observer::builder("shop").no_environment().sink(failures.clone()).build()?;
/// drop(observer.start(RequestHead::new("GET", "/", &()))); // cancelled
/// assert_eq!(failures.0.load(Ordering::Relaxed), 1);
/// # Ok::<(), obs_core::BuildError>(())
/// ```
pub trait RecordSink: Send + Sync + 'static {
    /// A short constant name, for the sink's own metrics.
    fn name(&self) -> &'static str;

    /// A request has started.
    fn on_start(&self, _request: &RequestStart) {}

    /// A request has ended.
    fn on_finish(&self, record: &RequestRecord);
}

impl<S: RecordSink + ?Sized> RecordSink for Arc<S> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn on_start(&self, request: &RequestStart) {
        (**self).on_start(request);
    }

    fn on_finish(&self, record: &RequestRecord) {
        (**self).on_finish(record);
    }
}

/// All sinks of an observer.
pub(crate) struct Sinks(Vec<Guarded>);

/// A sink and the count of its panics.
type Guarded = (Box<dyn RecordSink>, Arc<Counter>);

impl Sinks {
    pub(crate) fn new(sinks: impl IntoIterator<Item = Guarded>) -> Self {
        Self(sinks.into_iter().collect())
    }

    pub(crate) fn on_start(&self, request: &RequestStart) {
        self.each(|sink| sink.on_start(request));
    }

    pub(crate) fn on_finish(&self, record: &RequestRecord) {
        self.each(|sink| sink.on_finish(record));
    }

    fn each(&self, call: impl Fn(&dyn RecordSink)) {
        for (sink, errors) in &self.0 {
            if catch(|| call(sink.as_ref())).is_err() {
                errors.add(1);
            }
        }
    }
}
