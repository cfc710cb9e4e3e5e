//! The runtime of a run.

use tokio::{runtime::Builder, task::LocalSet};

/// Runs `future` on this thread, as an actix worker would.
///
/// Nothing in a run waits for anything, so the runtime polls once and has no part in the counts.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = Builder::new_current_thread().build().expect("a runtime without drivers needs nothing");
    LocalSet::new().block_on(&runtime, future)
}
