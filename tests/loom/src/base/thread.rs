//! A replacement of `base::thread`: the models choose the numbers of threads.

use std::cell::Cell;

thread_local! {
    /// The number of the running thread. loom runs all threads of a model on one thread of the
    /// system.
    static NUMBER: Cell<usize> = const { Cell::new(0) };
}

pub(crate) fn number() -> usize {
    NUMBER.get()
}

/// Sets the number of the running thread, until another thread runs.
pub(crate) fn set_number(number: usize) {
    NUMBER.set(number);
}
