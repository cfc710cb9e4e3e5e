//! The numbers of threads, which the models choose.

use std::cell::Cell;

thread_local! {
    /// loom runs all threads of a model on one thread of the system.
    static NUMBER: Cell<usize> = const { Cell::new(0) };
}

pub(crate) fn number() -> usize {
    NUMBER.get()
}

/// Sets the number of the thread that runs now, until another thread runs.
pub(crate) fn set_number(number: usize) {
    NUMBER.set(number);
}
