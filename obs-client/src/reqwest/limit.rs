//! The last redirect of a request.
//!
//! The inner client follows no redirect. Only it can make an error of reqwest that says that there
//! were too many, so its policy makes this error at the limit.

use std::{
    cell::Cell,
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::version::redirect::Policy;

thread_local! {
    /// `true` while an attempt is polled that must not be redirected.
    static IS_LAST: Cell<bool> = const { Cell::new(false) };
}

/// Returns the policy of the inner client.
pub(super) fn policy() -> Policy {
    Policy::custom(|attempt| if IS_LAST.get() { attempt.error(TooManyRedirects) } else { attempt.stop() })
}

#[derive(Debug)]
struct TooManyRedirects;

impl fmt::Display for TooManyRedirects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many redirects")
    }
}

impl Error for TooManyRedirects {}

pin_project! {
    /// Polls an attempt. If it is the last one, a redirect is an error.
    pub(super) struct LastAttempt<F> {
        #[pin]
        pub(super) future: F,
        pub(super) is_last: bool,
    }
}

impl<F: Future> Future for LastAttempt<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        /// Also if the future panics, and if a client inside of it has set another value.
        struct Restore(bool);
        impl Drop for Restore {
            fn drop(&mut self) {
                IS_LAST.set(self.0);
            }
        }
        let this = self.project();
        let _restore = Restore(IS_LAST.replace(*this.is_last));
        this.future.poll(cx)
    }
}
