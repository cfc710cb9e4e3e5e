//! A call of a dependency while it runs.

use std::{borrow::Cow, fmt, future::Future, sync::Arc, time::Instant};

use crate::{
    base::text::{cow_bounded, masked},
    record::{calls::Call, state::WorkState},
};

/// A call that runs: made by [`Work::call`](crate::Work::call).
///
/// It ends when it is dropped, or with [`observe`](Self::observe)'s future.
///
/// # Cancellation
/// One that is dropped while its thread panics, or whose observed future is dropped before its end, has failed.
///
/// ```
/// # async fn pay() -> Result<u16, std::io::Error> { Ok(201) }
/// # async fn handler() -> Result<(), std::io::Error> {
/// let status = obs_core::current().call("payments").operation("POST /payments").observe(pay()).await?;
///
/// let mut call = obs_core::current().call("cache");
/// call.set_status(200); // of its answer: 400 and above has failed
/// drop(call);
/// # Ok(()) }
/// ```
#[must_use = "a call ends when this is dropped"]
pub struct CallGuard {
    state: Option<Arc<WorkState>>,
    dependency: Cow<'static, str>,
    operation: Option<Cow<'static, str>>,
    status: Option<u16>,
    failed: bool,
    started: Instant,
}

impl CallGuard {
    pub(crate) fn start(state: Option<Arc<WorkState>>, dependency: Cow<'static, str>) -> Self {
        Self { state, dependency, operation: None, status: None, failed: false, started: Instant::now() }
    }

    /// What is asked of the dependency: `POST /payments`, `SELECT orders`. It should be one of few, without values.
    pub fn operation(mut self, operation: impl Into<Cow<'static, str>>) -> Self {
        self.operation = Some(operation.into());
        self
    }

    /// The status of the answer, as HTTP has it: 400 and above has failed.
    pub fn status(mut self, status: u16) -> Self {
        self.set_status(status);
        self
    }

    /// The same, where the guard is kept.
    pub fn set_status(&mut self, status: u16) {
        self.status = Some(status);
        self.failed |= status >= 400;
    }

    /// It has failed.
    pub fn set_failed(&mut self) {
        self.failed = true;
    }

    /// Awaits the call, which has failed if it yields an error.
    ///
    /// # Errors
    /// The call's own.
    pub async fn observe<T, E>(mut self, call: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        // Until it has yielded: if this is dropped before, it never did.
        let failed = std::mem::replace(&mut self.failed, true);
        let result = call.await;
        self.failed = failed || result.is_err();
        result
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        let Some(state) = self.state.take() else { return };
        let duration = self.started.elapsed();
        let short = |text| cow_bounded(masked(text, |text| state.redactor().text(text)), MAX_NAME);
        let call = Call {
            dependency: short(std::mem::take(&mut self.dependency)),
            operation: self.operation.take().map(short),
            status: self.status,
            failed: self.failed || std::thread::panicking(),
            start: state.elapsed().saturating_sub(duration),
            duration,
        };
        state.enrich(|e| e.calls.add(call));
    }
}

impl fmt::Debug for CallGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallGuard").field("dependency", &self.dependency).finish_non_exhaustive()
    }
}

/// The longest name of a dependency and of an operation, in bytes.
const MAX_NAME: usize = 128;
