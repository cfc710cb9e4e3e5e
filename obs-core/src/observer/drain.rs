//! The times of a shutdown.

use std::time::Duration;

/// The default time of a whole shutdown. Kubernetes kills a process after 30 s.
pub(crate) const TOTAL: Duration = Duration::from_secs(25);

/// The longest default delay, and the longest time that is reserved for the end of a shutdown.
const LONGEST_PART: Duration = Duration::from_secs(5);

/// The times of a graceful shutdown.
///
/// Set them with [`ObserverBuilder::shutdown_timeout`](crate::ObserverBuilder::shutdown_timeout),
/// [`ObserverBuilder::drain_delay`](crate::ObserverBuilder::drain_delay) and
/// [`ObserverBuilder::drain_timeout`](crate::ObserverBuilder::drain_timeout).
///
/// ```
/// use std::time::Duration;
/// use obs_core::Drain;
///
/// let drain = Drain::default();
/// assert_eq!(drain.delay + drain.timeout + drain.reserve(), drain.total);
/// assert_eq!(drain.total, Duration::from_secs(25));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drain {
    /// The time of the whole shutdown, from the signal to the end. 25 s by default.
    pub total: Duration,
    /// The time for which the service still accepts requests after `/readyz` fails, so that load
    /// balancers notice. 5 s by default.
    pub delay: Duration,
    /// The time after the delay in which running requests can still end. 15 s by default.
    pub timeout: Duration,
}

impl Drain {
    /// Shares `total` among the parts that are not set.
    pub(crate) fn new(total: Duration, delay: Option<Duration>, timeout: Option<Duration>) -> Self {
        let part = part(total);
        let delay = delay.unwrap_or(part);
        let rest = total.saturating_sub(part).saturating_sub(delay);
        Self { total, delay, timeout: timeout.unwrap_or(rest) }
    }

    /// Returns true if the parts fit into the total time.
    pub(crate) fn fits(&self) -> bool {
        let parts = self.delay.checked_add(self.timeout).and_then(|sum| sum.checked_add(self.reserve()));
        parts.is_some_and(|sum| sum <= self.total)
    }

    /// Returns the time that is reserved to abort requests and to flush the outputs: a fifth of the
    /// total time, at most 5 s.
    #[must_use]
    pub fn reserve(&self) -> Duration {
        part(self.total)
    }

    /// Returns the longest time that aborted requests may take to be dropped. The flush gets at
    /// least as much.
    #[must_use]
    pub fn abort(&self) -> Duration {
        self.reserve() / 2
    }
}

/// Returns a fifth of the total time, at most 5 s.
fn part(total: Duration) -> Duration {
    (total / 5).min(LONGEST_PART)
}

impl Default for Drain {
    fn default() -> Self {
        Self::new(TOTAL, None, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_share_the_total_time() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let parts = |total: u64, delay, timeout| {
            let drain = Drain::new(Duration::from_secs(total), delay, timeout);
            let parts = [drain.delay, drain.timeout, drain.reserve(), drain.abort()];
            (parts.map(|part| part.as_millis()), drain.fits())
        };
        assert_eq!(parts(25, None, None), ([5_000, 15_000, 5_000, 2_500], true));
        assert_eq!(parts(10, None, None), ([2_000, 6_000, 2_000, 1_000], true));
        assert_eq!(parts(60, seconds(0), None), ([0, 55_000, 5_000, 2_500], true));
        assert_eq!(parts(25, seconds(10), seconds(10)), ([10_000, 10_000, 5_000, 2_500], true));
        assert!(!parts(25, seconds(10), seconds(11)).1 && !parts(25, seconds(21), None).1);
        assert!(!Drain::new(TOTAL, Some(Duration::MAX), Some(Duration::MAX)).fits());
    }
}
