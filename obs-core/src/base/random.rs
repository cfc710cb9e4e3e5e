//! Random bytes for ids: a generator per thread, seeded by the system, so that no lock is shared.

use std::cell::RefCell;

use rand::{Rng, rngs::SmallRng};

/// Fills `bytes`; not for secrets.
pub(crate) fn fill(bytes: &mut [u8]) {
    thread_local! {
        static RANDOM: RefCell<SmallRng> = RefCell::new(rand::make_rng());
    }
    let filled = RANDOM.try_with(|random| random.borrow_mut().fill_bytes(bytes));
    if filled.is_err() {
        // The thread ends and its generator is gone already.
        rand::make_rng::<SmallRng>().fill_bytes(bytes);
    }
}
