//! Random bytes for ids. Each thread has a generator that the system seeded, so that no lock is
//! shared.

use std::cell::RefCell;

use rand::{Rng, rngs::SmallRng};

/// Fills `bytes` with random bytes that are not fit for secrets.
pub(crate) fn fill(bytes: &mut [u8]) {
    thread_local! {
        static RANDOM: RefCell<SmallRng> = RefCell::new(rand::make_rng());
    }
    let filled = RANDOM.try_with(|random| random.borrow_mut().fill_bytes(bytes));
    if filled.is_err() {
        // The thread is ending and its generator was already dropped.
        rand::make_rng::<SmallRng>().fill_bytes(bytes);
    }
}
