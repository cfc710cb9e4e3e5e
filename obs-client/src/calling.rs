//! The future of a client's response, with its call.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use obs_core::adapter::CallObservation;

pin_project! {
    /// Polls a future inside of its call, and returns the call with the future's result.
    ///
    /// If it is dropped before, the call ends as cancelled.
    #[derive(Debug)]
    pub(crate) struct Calling<F> {
        #[pin]
        future: Option<F>,
        call: Option<CallObservation>,
    }

    impl<F> PinnedDrop for Calling<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(call) = this.call {
                call.enter(|| this.future.set(None));
            }
        }
    }
}

impl<F> Calling<F> {
    pub(crate) fn new(mut call: CallObservation, make: impl FnOnce() -> F) -> Self {
        let future = Some(call.enter(make));
        Self { future, call: Some(call) }
    }
}

impl<F: Future> Future for Calling<F> {
    type Output = (CallObservation, F::Output);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let (Some(call), Some(future)) = (this.call.as_mut(), this.future.as_mut().as_pin_mut()) else {
            unreachable!("a future is not polled after its end")
        };
        let output = ready!(call.enter(|| future.poll(cx)));
        call.enter(|| this.future.set(None));
        match this.call.take() {
            Some(call) => Poll::Ready((call, output)),
            None => unreachable!("a call ends once"),
        }
    }
}
