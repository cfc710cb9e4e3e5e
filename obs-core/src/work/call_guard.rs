//! A running call to a dependency.

use std::{borrow::Cow, fmt, future::Future, sync::Arc, time::Instant};

use crate::{
    base::text::{cow_bounded, masked},
    record::{calls::Call, state::WorkState},
};

/// A running call to a dependency: see [`Work::call`](crate::Work::call).
///
/// The call ends when the guard is dropped, or when the future of [`observe`](Self::observe) ends.
///
/// # Cancellation
/// The call counts as failed if the guard is dropped during a panic, or if the future of
/// [`observe`](Self::observe) is dropped before its end.
///
/// ```
/// # async fn pay() -> Result<u16, std::io::Error> { Ok(201) }
/// # async fn handler() -> Result<(), std::io::Error> {
/// let call = obs_core::current().call("payments").operation("POST /payments");
/// let status = call.observe(pay()).await?;
///
/// let mut call = obs_core::current().call("cache");
/// call.set_status(200); // the HTTP status: 400 and above has failed
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

    /// Sets the operation: `POST /payments`, `SELECT orders`. Use a small number of different
    /// texts, without values.
    pub fn operation(mut self, operation: impl Into<Cow<'static, str>>) -> Self {
        self.operation = Some(operation.into());
        self
    }

    /// Sets the HTTP status of the response. A status of 400 or above means that the call failed.
    pub fn status(mut self, status: u16) -> Self {
        self.set_status(status);
        self
    }

    /// Sets the status as [`status`](Self::status) does, by reference.
    pub fn set_status(&mut self, status: u16) {
        self.status = Some(status);
        self.failed |= status >= 400;
    }

    /// Marks the call as failed.
    pub fn set_failed(&mut self) {
        self.failed = true;
    }

    /// Awaits the call. It counts as failed if it returns an error.
    ///
    /// # Errors
    /// Returns the error of the call itself.
    pub async fn observe<T, E>(mut self, call: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        // The call counts as failed until it has returned, because a drop before that is a failure.
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

/// The longest name of a dependency or an operation, in bytes.
const MAX_NAME: usize = 128;
