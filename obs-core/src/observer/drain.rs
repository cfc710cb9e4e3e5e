//! The times of a shutdown, and what it found.

use crate::extension::report::{OutputCounts, OutputReport};
use std::time::Duration;

/// How a service leaves: see [`ObserverBuilder::drain_delay`](crate::ObserverBuilder::drain_delay) and [`ObserverBuilder::drain_timeout`](crate::ObserverBuilder::drain_timeout).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drain {
    /// How long to serve on after readiness has been taken back, so that load balancers notice. 5 s by default.
    pub delay: Duration,
    /// How long running requests may then still take. 20 s by default.
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
    /// Everything that was buffered has reached its output in time, and every step of the shutdown was done in time.
    pub flushed: bool,
    /// Requests that had not ended.
    pub in_flight: u64,
    /// A row for each output that counts: `events`, `spans` where we export them, and those of extensions.
    pub outputs: Vec<OutputReport>,
}

impl ShutdownReport {
    /// The counts of the output with this name.
    #[must_use]
    pub fn output(&self, name: &str) -> Option<OutputCounts> {
        self.outputs.iter().find(|output| output.name == name).map(|output| output.counts)
    }
}
