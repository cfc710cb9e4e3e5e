//! The single-threaded runtimes: for a run inside this process, and for a server.

use tokio::{runtime::Builder, task::LocalSet};

/// Runs `future` on this thread, like an actix worker.
///
/// Nothing in a run waits, so the runtime polls once and adds nothing to the counts. It has a clock
/// only because some middleware starts a task that needs one.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime with a clock");
    LocalSet::new().block_on(&runtime, future)
}

/// Runs a server on this thread.
pub(crate) fn serve<F: Future>(server: F) -> F::Output {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime with sockets");
    runtime.block_on(server)
}
