//! The future of a response.

use std::{
    fmt::Display,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::Body;
use obs_core::{
    Outcome,
    adapter::{EndpointFuture, Observation, Observed, ObservedBody},
    output::ErrorReport,
};
use pin_project_lite::pin_project;

use crate::body_rule::of_hyper;

pin_project! {
    /// The future of a response of an [`ObserveService`](crate::ObserveService).
    ///
    /// # Cancellation
    /// If it is dropped before the response, the request is recorded as cancelled.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        stage: Stage<F>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StageProj]
    enum Stage<F> {
        Observed { #[pin] future: Observed<F> },
        // The middleware answers the request itself.
        Endpoint { #[pin] future: Observed<EndpointFuture> },
        // An outer layer of the same observer observes the request.
        Within { #[pin] future: F },
    }
}

impl<F> ResponseFuture<F> {
    /// Wraps the future that `make` returns. It is made in its final place.
    #[inline(never)]
    pub(crate) fn observed(observation: Observation, make: impl FnOnce() -> F) -> Self {
        let mut this = Self { stage: Stage::Observed { future: Observed::empty(observation) } };
        if let Stage::Observed { future } = &mut this.stage {
            future.make(make);
        }
        this
    }

    pub(crate) const fn endpoint(future: Observed<EndpointFuture>) -> Self {
        Self { stage: Stage::Endpoint { future } }
    }

    pub(crate) const fn within(future: F) -> Self {
        Self { stage: Stage::Within { future } }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    E: Display,
{
    type Output = Result<Response<ObservedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (observation, panic) = match self.project().stage.project() {
            StageProj::Within { future } => return future.poll(cx).map_ok(ObservedBody::passive),
            StageProj::Observed { future } => match ready!(future.poll(cx)) {
                (observation, Ok(Ok(response))) => {
                    return Poll::Ready(Ok(ObservedBody::respond(observation, response, of_hyper)));
                }
                (mut observation, Ok(Err(error))) => {
                    observation.failed(ErrorReport::of_text(&error));
                    observation.finish(Outcome::ServiceError);
                    return Poll::Ready(Err(error));
                }
                (observation, Err(panic)) => (observation, panic),
            },
            StageProj::Endpoint { future } => match ready!(future.poll(cx)) {
                (observation, Ok(answer)) => {
                    return Poll::Ready(Ok(ObservedBody::answer(observation, answer, of_hyper)));
                }
                (observation, Err(panic)) => (observation, panic),
            },
        };
        let (observation, answer) = observation.panicked(panic);
        Poll::Ready(Ok(ObservedBody::answer(observation, answer, of_hyper)))
    }
}
