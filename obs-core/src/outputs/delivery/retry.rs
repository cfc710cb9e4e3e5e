//! The pauses between two attempts.

use std::time::{Duration, Instant};

use super::failure::Again;
use crate::base::random;

/// The limit of a pause that the destination asks for (`Retry-After`).
const LONGEST_GRANTED: Duration = Duration::from_secs(30);

/// The settings of an output's retries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryPolicy {
    /// The first pause. Pauses double with each attempt.
    pub(crate) first: Duration,
    /// The limit of these pauses.
    pub(crate) longest: Duration,
    /// The time after which entries are dropped. `None` if they wait without a limit.
    pub(crate) give_up: Option<Duration>,
}

/// The attempts to deliver one batch.
pub(super) struct Tries {
    policy: RetryPolicy,
    pause: Duration,
    /// The time of the first attempt since the last progress.
    began: Instant,
}

impl Tries {
    pub(super) fn new(policy: RetryPolicy) -> Self {
        Self { policy, pause: policy.first, began: Instant::now() }
    }

    /// Starts again with the first pause, because the destination accepted something.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.policy);
    }

    /// Returns the pause before the next attempt, or `None` if there is no further attempt.
    pub(super) fn next(&mut self, again: Again) -> Option<Duration> {
        let pause = match again {
            Again::Never => return None,
            Again::Now => jittered(self.pause),
            Again::After(time) => time.min(LONGEST_GRANTED),
        };
        self.pause = self.pause.saturating_mul(2).min(self.policy.longest);
        let tried = self.began.elapsed().saturating_add(pause);
        self.policy.give_up.is_none_or(|time| tried <= time).then_some(pause)
    }
}

/// Changes a pause randomly by up to a quarter, so that services do not all retry at the same time.
fn jittered(pause: Duration) -> Duration {
    let mut byte = [0];
    random::fill(&mut byte);
    pause.mul_f64(0.75 + f64::from(byte[0]) / 510.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        first: Duration::from_millis(100),
        longest: Duration::from_millis(350),
        give_up: Some(Duration::from_secs(60)),
    };

    #[test]
    fn pauses_grow_and_vary() {
        let mut tries = Tries::new(POLICY);
        for expected in [100, 200, 350, 350] {
            let expected = Duration::from_millis(expected);
            let pause = tries.next(Again::Now).expect("another try");
            assert!((expected.mul_f64(0.75)..=expected.mul_f64(1.25)).contains(&pause), "{pause:?}");
        }
        tries.reset();
        assert!(tries.next(Again::Now).is_some_and(|pause| pause <= Duration::from_millis(125)));
        let pauses: Vec<_> = (0..64).filter_map(|_| Tries::new(POLICY).next(Again::Now)).collect();
        assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{pauses:?}");
    }

    #[test]
    fn the_pause_that_a_destination_requests_is_limited() {
        let mut tries = Tries::new(POLICY);
        let second = Duration::from_secs(1);
        assert_eq!(tries.next(Again::After(second)), Some(second), "exactly");
        assert_eq!(tries.next(Again::After(Duration::from_secs(3_600))), Some(LONGEST_GRANTED));
        assert_eq!(tries.next(Again::Never), None);
        let mut impatient = Tries::new(RetryPolicy { give_up: Some(second), ..POLICY });
        assert_eq!(impatient.next(Again::After(2 * second)), None, "too late");
        let mut patient = Tries::new(RetryPolicy { give_up: None, ..POLICY });
        assert_eq!(patient.next(Again::After(2 * second)), Some(2 * second));
    }
}
