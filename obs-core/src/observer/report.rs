//! The report of a shutdown, and the flush that produces it.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::Observer;
use crate::{
    base::thread_timeout::run_with_timeout,
    extension::report::{OutputCounts, OutputReport},
    redact::diagnostics,
};

/// The result of a shutdown.
///
/// Its `Display` is one line: the numbers of delivered and lost entries of each output, and the
/// number of requests that had not ended.
///
/// ```
/// # use std::time::Duration;
/// let observer = obs_core::Observer::builder("shop").no_environment().build()?;
/// let report = observer.shutdown(Duration::from_secs(5));
/// let events = report.output("events").expect("a row for the events");
/// assert!(report.flushed && events.lost == 0);
/// assert_eq!(report.to_string(), "events: 0 delivered, 0 lost");
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// True if all buffered data reached its output in time, and every step of the shutdown was
    /// done in time.
    pub flushed: bool,
    /// The number of requests that had not ended when the report was made.
    pub in_flight: u64,
    /// A row for each output that has counters: `events`, `logs` if there were lines, `spans` if
    /// this crate exports them, and the outputs of extensions.
    pub outputs: Vec<OutputReport>,
}

impl ShutdownReport {
    /// The counts of the output with this name.
    #[must_use]
    pub fn output(&self, name: &str) -> Option<OutputCounts> {
        self.outputs.iter().find(|output| output.name == name).map(|output| output.counts)
    }

    /// Returns true if nothing was lost since the start, and no request still runs.
    fn is_complete(&self) -> bool {
        self.flushed && self.in_flight == 0 && self.outputs.iter().all(|output| output.counts.lost == 0)
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for OutputReport { name, counts: OutputCounts { delivered, lost } } in &self.outputs {
            write!(f, "{separator}{name}: {delivered} delivered, {lost} lost")?;
            separator = "; ";
        }
        if self.outputs.is_empty() {
            f.write_str("no outputs with counters")?;
        }
        if self.in_flight > 0 {
            write!(f, "; requests that had not ended: {}", self.in_flight)?;
        }
        let any_lost = self.outputs.iter().any(|output| output.counts.lost > 0);
        if !self.flushed && !any_lost {
            f.write_str("; a flush or a step of the shutdown was not done in time")?;
        }
        Ok(())
    }
}

/// Flushes all outputs and returns after `limit` at the latest, even if a sink of the application
/// exceeds its deadline. Then the report counts as lost what is not delivered.
pub(crate) fn flush_within(observer: &Observer, limit: Duration) -> ShutdownReport {
    let (flushing, slot) = (observer.clone(), Arc::new(Mutex::new(None)));
    let filled = Arc::clone(&slot);
    // Sinks that keep their deadline are done before the limit.
    let deadline = limit.saturating_sub(limit / 10);
    let flush = move || {
        let report = flushing.shutdown(deadline);
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
    };
    run_with_timeout("obs-flush", limit, Box::new(flush));
    let flushed = filled.lock().unwrap_or_else(PoisonError::into_inner).take();
    flushed.unwrap_or_else(|| observer.report(false))
}

/// Flushes as [`flush_within`], and logs the report as one line. `event` is what happens to the
/// service, such as `has shut down`.
///
/// Logging may block. Call it on a thread that nobody waits for without a limit.
pub(crate) fn flush_and_log(observer: &Observer, limit: Duration, event: &str) -> ShutdownReport {
    let report = flush_within(observer, limit);
    let name = &observer.service().name;
    let time = observer.shutdown_time();
    let after = time.map(|time| format!(" after {:.1} s", time.as_secs_f64())).unwrap_or_default();
    if report.is_complete() {
        diagnostics::info(format_args!("{name} {event}{after}; {report}"));
    } else {
        diagnostics::warn(format_args!("{name} {event}{after}; {report}"));
    }
    // The message may be a line of these logs, and the process may end now.
    #[cfg(feature = "logs")]
    observer.log_pipeline().flush_last_line();
    report
}
