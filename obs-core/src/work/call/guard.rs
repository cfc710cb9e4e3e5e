//! A call that the application records by hand.

use std::{
    borrow::Cow,
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use crate::{
    base::text::{bounded, cow_bounded, masked},
    record::{call::CallFailure, dependency::MAX_NAME, state::WorkState},
    trace::TraceContext,
    work::call::observation::CallObservation,
};

/// A running call that the application records by hand: see [`Work::call`](crate::Work::call).
///
/// The call ends when the guard is dropped, or when the future of [`observe`](Self::observe) ends.
///
/// It is not necessary for a client that is observed itself, such as those of the crate
/// `obs-client`. If an observed call runs inside of [`observe`](Self::observe), or if one of the
/// same dependency runs before the guard is dropped, only the observed call is recorded.
///
/// # Cancellation
/// The call counts as failed if the guard is dropped during a panic, or if the future of
/// [`observe`](Self::observe) is dropped before its end.
///
/// ```
/// # async fn pay(_: Vec<(String, String)>) -> Result<u16, std::io::Error> { Ok(201) }
/// # async fn handler() -> Result<(), std::io::Error> {
/// let mut headers = Vec::new();
/// let call = obs_core::current()
///     .call("payments")
///     .operation("POST /payments")
///     .inject(|name, value| headers.push((name.to_owned(), value.to_owned())));
/// let status = call.observe(pay(headers)).await?;
///
/// let mut call = obs_core::current().call("cache");
/// call.set_status(200); // the HTTP status: 400 and above has failed
/// drop(call);
/// # Ok(()) }
/// ```
#[must_use = "a call ends when this is dropped"]
pub struct CallGuard {
    call: Option<CallObservation>,
    /// True if an observed call has run instead.
    replaced: bool,
}

impl CallGuard {
    pub(crate) fn start(state: Option<Arc<WorkState>>, dependency: Cow<'static, str>) -> Self {
        let call = state.map(|state| {
            let name = masked(dependency, |name| state.redactor().text(name));
            CallObservation::by_hand(state, &cow_bounded(name, MAX_NAME))
        });
        Self { call, replaced: false }
    }

    /// Sets the operation: `POST /payments`, `SELECT orders`. Use a small number of different
    /// texts, without values.
    pub fn operation(mut self, operation: impl Into<Cow<'static, str>>) -> Self {
        if let Some(call) = &mut self.call {
            let operation = masked(operation.into(), |text| call.policy().redactor.text(text));
            if let Some(start) = call.call_mut() {
                start.operation = Some(bounded(&operation, MAX_NAME).into());
            }
        }
        self
    }

    /// Sets the HTTP status of the response. A status of 400 or above means that the call failed.
    pub fn status(mut self, status: u16) -> Self {
        self.set_status(status);
        self
    }

    /// Sets the status as [`status`](Self::status) does, by reference.
    pub fn set_status(&mut self, status: u16) {
        if let Some(call) = &mut self.call {
            call.progress().status = Some(status);
        }
    }

    /// Marks the call as failed.
    pub fn set_failed(&mut self) {
        if let Some(call) = &mut self.call {
            call.progress().marked_failed = true;
        }
    }

    /// Propagates the trace and the request id to the called service. `set` receives the name and
    /// the value of each header. The service's request becomes a child of this call.
    ///
    /// The name of the host is unknown here. So the service gets baggage and the request id, too.
    pub fn inject(mut self, mut set: impl FnMut(&str, &str)) -> Self {
        if let Some(call) = &mut self.call {
            call.open();
            call.inject(&mut set);
        }
        self
    }

    /// The position of the call in its trace; `None` outside of work.
    #[must_use]
    pub fn trace(&self) -> Option<&TraceContext> {
        self.call.as_ref().map(CallObservation::trace)
    }

    /// Awaits the call. It counts as failed if it returns an error.
    ///
    /// # Errors
    /// Returns the error of the call itself.
    pub async fn observe<T, E>(mut self, call: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let mut future = pin!(call);
        let result = {
            // A drop before the end is a failure.
            let mut running = Awaited { guard: &mut self, ended: false };
            let result = poll_fn(|cx| running.guard.enter(|| future.as_mut().poll(cx))).await;
            running.ended = true;
            result
        };
        if result.is_err() {
            self.set_failed();
        }
        result
    }

    /// Runs a part of the call.
    fn enter<T>(&mut self, f: impl FnOnce() -> Poll<T>) -> Poll<T> {
        let Some(call) = &self.call else { return f() };
        let (polled, replaced) = call.enter_by_hand(f);
        self.replaced |= replaced;
        polled
    }
}

/// The future of a call while it runs.
struct Awaited<'a> {
    guard: &'a mut CallGuard,
    ended: bool,
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.guard.call.as_mut().filter(|_| !self.ended) {
            call.failed(CallFailure::Cancelled, None);
        }
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        let Some(call) = &mut self.call else { return };
        call.progress().marked_failed |= std::thread::panicking();
        call.end_by_hand(self.replaced);
    }
}

impl fmt::Debug for CallGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallGuard").field("call", &self.call).finish()
    }
}
