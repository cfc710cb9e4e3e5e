//! A future that runs in a piece of work.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use crate::work::scope::Scope;

pin_project! {
    /// A future that runs in a piece of work: see [`Work::scope`](crate::Work::scope).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Scoped<F> {
        pub(super) scope: Scope,
        #[pin]
        pub(super) future: Option<F>,
    }

    impl<F> PinnedDrop for Scoped<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.scope.enter_detached(|| this.future.set(None));
        }
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        match this.future.as_pin_mut() {
            Some(future) => this.scope.enter_detached(|| future.poll(cx)),
            // Only drop empties the field.
            None => Poll::Pending,
        }
    }
}
