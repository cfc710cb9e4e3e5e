//! The start of threads, and a number for each thread of the process.

use std::{
    cell::Cell,
    io,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// Starts a thread. All threads run the same closure type, because each type adds more than a
/// kilobyte of code.
///
/// # Errors
/// The system cannot start another thread.
pub(crate) fn spawn(name: &str, run: Box<dyn FnOnce() + Send>) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(run)
}

/// The number of this thread. Threads are numbered from 1, in the order of their first calls.
pub(crate) fn number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    thread_local! {
        /// 0 before the first call.
        static NUMBER: Cell<usize> = const { Cell::new(0) };
    }
    let number = NUMBER.get();
    if number != 0 {
        return number;
    }
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    NUMBER.set(next);
    next
}

thread_local! {
    static DELIVERS: Cell<bool> = const { Cell::new(false) };
}

/// Marks the current thread as one that delivers to an output.
pub(crate) fn mark_as_delivering() {
    DELIVERS.set(true);
}

/// Returns true on a thread that delivers to an output.
#[cfg(feature = "logs")]
pub(crate) fn delivers() -> bool {
    DELIVERS.get()
}
