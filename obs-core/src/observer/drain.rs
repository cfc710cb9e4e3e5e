//! The times of a shutdown, and its report.

use crate::extension::report::{OutputCounts, OutputReport};
use std::time::Duration;

/// The times of a graceful shutdown.
///
/// Set them with [`ObserverBuilder::drain_delay`](crate::ObserverBuilder::drain_delay) and
/// [`ObserverBuilder::drain_timeout`](crate::ObserverBuilder::drain_timeout).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drain {
    /// The time for which the service still accepts requests after `/readyz` fails, so that load
    /// balancers notice. 5 s by default.
    pub delay: Duration,
    /// The time after the delay in which running requests can still end. 20 s by default.
    pub timeout: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { delay: Duration::from_secs(5), timeout: Duration::from_secs(20) }
    }
}

/// The result of a shutdown.
///
/// ```
/// # use std::time::Duration;
/// let observer = obs_core::Observer::builder("shop").no_environment().build()?;
/// let report = observer.shutdown(Duration::from_secs(5));
/// let events = report.output("events").expect("a row for the events");
/// assert!(report.flushed && events.lost == 0);
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// True if all buffered data reached its output in time, and every step of the shutdown was
    /// done in time.
    pub flushed: bool,
    /// The number of requests that had not ended.
    pub in_flight: u64,
    /// A row for each output that has counters: `events`, `spans` if this crate exports them, and
    /// the outputs of extensions.
    pub outputs: Vec<OutputReport>,
}

impl ShutdownReport {
    /// The counts of the output with this name.
    #[must_use]
    pub fn output(&self, name: &str) -> Option<OutputCounts> {
        self.outputs.iter().find(|output| output.name == name).map(|output| output.counts)
    }
}
