//! The threads that obs starts.

use std::{io, thread};

/// Starts a thread. All threads run the same closure type, because each type adds more than a
/// kilobyte of code.
///
/// # Errors
/// The system cannot start another thread.
pub(crate) fn spawn(name: &str, run: Box<dyn FnOnce() + Send>) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(run)
}
