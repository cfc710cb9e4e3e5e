//! A counter that is rarely incremented.

use crate::base::sync::{AtomicU64, Ordering};

/// A counter that is rarely incremented, so all threads share one atomic number.
///
/// [`Setup::counter`](crate::output::Setup::counter) creates one, and `/metrics` shows it.
///
/// ```
/// # fn lost(counter: &obs_core::output::Counter) {
/// counter.add(1);
/// assert!(counter.get() > 0);
/// # }
/// ```
#[derive(Debug)]
pub struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The current count.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
