//! Threads of our own.

use std::{io, thread};

/// Starts a thread. All start the same type of closure, as each type costs more than a kilobyte of code.
///
/// # Errors
/// The system has no room for another thread.
pub(crate) fn spawn(name: &str, run: Box<dyn FnOnce() + Send>) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(run)
}
