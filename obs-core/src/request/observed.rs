//! A handler's future, polled in its request's scope.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use crate::{
    base::panic::{Panic, catch},
    request::observation::Observation,
};

pin_project! {
    /// A future that runs in its request's scope: see [`Observation::observe`].
    ///
    /// Its output is a pair. The first part is the observation, which the adapter moves into the
    /// response's body. The second part is the output or the panic of the future. `Observed`
    /// is `Send` if the future is `Send`.
    ///
    /// # Cancellation
    /// A drop first drops the future in the request's scope, so that destructors in the handler can
    /// still enrich the request. Then it drops the observation, which records a cancellation. A
    /// panic of a destructor is caught and recorded as the request's panic.
    ///
    /// # Panics
    /// Panics if it is polled after it has completed, or without a future.
    ///
    /// ```
    /// # use obs_core::{Observer, Outcome, adapter::RequestHead};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), obs_core::BuildError> {
    /// let observer = Observer::builder("shop").no_environment().build()?;
    /// let observation = observer.start(&RequestHead::new("GET", "/", &()));
    /// let handler = async {
    ///     obs_core::current().set("rows", 3);
    ///     "hello"
    /// };
    /// let (mut observation, result) = observation.observe(handler).await;
    /// assert_eq!(result.ok(), Some("hello"));
    /// observation.responded(200, &());
    /// observation.finish(Outcome::Completed);
    /// # Ok(()) }
    /// ```
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Observed<F> {
        // Taken at completion.
        observation: Option<Observation>,
        // The panic of the closure that should have made the future.
        panic: Option<Panic>,
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for Observed<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(observation) = this.observation {
                let dropped = observation.enter(|| catch(|| this.future.set(None)));
                if let Some(panic) = this.panic.take().or(dropped.err()) {
                    observation.note(&panic);
                }
            }
        }
    }
}

impl<F> Observed<F> {
    /// Makes an `Observed` without a future. Call [`make`](Self::make) once before the first poll.
    pub const fn empty(observation: Observation) -> Self {
        Self { observation: Some(observation), panic: None, future: None }
    }

    /// Makes the future in the request's scope. A panic of `make` becomes the output, as a panic of
    /// the future does. This is for services whose `call` may panic.
    ///
    /// Requests and futures are large. So `make` should capture references. The future is stored
    /// where it is made and is not moved.
    #[inline]
    pub fn make(&mut self, make: impl FnOnce() -> F) {
        let Self { observation: Some(observation), panic, future } = self else { return };
        *panic = observation.enter(|| catch(|| *future = Some(make()))).err();
    }

    /// The observation while the future runs; `None` after completion.
    pub fn observation(self: Pin<&mut Self>) -> Option<&mut Observation> {
        self.project().observation.as_mut()
    }
}

impl<F: Future> Future for Observed<F> {
    type Output = (Observation, Result<F::Output, Panic>);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(observation) = this.observation else {
            panic!("`Observed` polled after it has completed");
        };
        let failed = this.panic.take();
        // Outputs are large, so this one is moved once: neither through the catch nor through the
        // scope.
        let mut output = None;
        let ended = observation.enter(|| {
            let polled = match (failed, this.future.as_mut().as_pin_mut()) {
                (None, Some(future)) => catch(|| match future.poll(cx) {
                    Poll::Ready(ready) => output = Some(ready),
                    Poll::Pending => {}
                }),
                (Some(panic), _) => Err(panic),
                (None, None) => panic!("`Observed` has neither a future nor the panic of its call"),
            };
            if polled.is_ok() && output.is_none() {
                return Poll::Pending;
            }
            // The handler's remaining values are dropped in its request's scope, too.
            let ended = polled.and(catch(|| this.future.set(None)));
            if ended.is_err() {
                let _ = catch(|| output = None);
            }
            Poll::Ready(ended)
        });
        let ended = ready!(ended);
        match (this.observation.take(), ended, output) {
            (Some(observation), Ok(()), Some(output)) => Poll::Ready((observation, Ok(output))),
            (Some(observation), Err(panic), _) => Poll::Ready((observation, Err(panic))),
            _ => unreachable!("a future that has ended without a panic has an output"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::{
        http::head::RequestHead,
        observer::Observer,
        outputs::records::Records,
        record::{finished::Record, outcome::Outcome},
    };

    fn observe<F: Future>(future: F) -> (Observed<F>, std::sync::mpsc::Receiver<Record>) {
        let (send, records) = std::sync::mpsc::channel();
        let observer = Observer::builder("test").no_environment().sink(Records(send)).build();
        let observation = observer.expect("valid").start(&RequestHead::new("GET", "/", &()));
        (observation.observe(future), records)
    }

    struct PanicsOnDrop;
    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            crate::work::scope::current().set("dropped", true);
            panic!("in drop");
        }
    }

    #[test]
    fn a_panic_in_the_destructor_of_a_cancelled_future_is_caught_and_recorded() {
        let (observed, records) = observe(async {
            let _guard = PanicsOnDrop;
            std::future::pending::<()>().await;
        });
        let mut observed = Box::pin(observed);
        assert!(observed.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(observed);
        let record = records.try_recv().expect("one record");
        assert_eq!(record.outcome, Outcome::Panicked);
        assert_eq!(record.fields.get("dropped"), Some(&true.into()));
        assert!(records.try_recv().is_err(), "only one");
    }

    #[test]
    fn a_panic_in_call_is_recorded_even_without_a_poll() {
        let (send, records) = std::sync::mpsc::channel();
        let observer = Observer::builder("test").no_environment().sink(Records(send)).build();
        let observation = observer.expect("valid").start(&RequestHead::new("GET", "/", &()));
        let mut observed = Observed::empty(observation);
        observed.make(|| -> std::future::Ready<()> { panic!("in call") });
        drop(observed);
        assert_eq!(records.try_recv().expect("one record").outcome, Outcome::Panicked);
    }

    #[test]
    fn a_future_that_is_never_polled_is_cancelled() {
        let (observed, records) = observe(async {});
        drop(observed);
        let record = records.try_recv().expect("one record");
        assert_eq!(record.outcome, Outcome::CancelledBeforeResponse);
    }
}
