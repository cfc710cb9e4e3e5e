//! The future of a response.

use std::{
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
};
use obs_core::adapter::{EndpointFuture, Observation, Observed};
use pin_project_lite::pin_project;

use crate::{ObservedMessageBody, respond, service::PerWorker};

pin_project! {
    /// The future of a response of an [`ObserveMiddleware`](crate::ObserveMiddleware).
    ///
    /// # Cancellation
    /// If it is dropped before the response, the request is recorded as cancelled.
    #[must_use = "futures do nothing unless polled"]
    pub struct ServiceResponseFuture<F> {
        #[pin]
        stage: Stage<F>,
    }

    impl<F> PinnedDrop for ServiceResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            // A cancelled request has no response that knows the route.
            if let StageProj::Observed { future, shared } = this.project().stage.project()
                && let Some(observation) = future.observation()
            {
                shared.set_route_by_path(observation);
            }
        }
    }
}

pin_project! {
    #[project = StageProj]
    enum Stage<F> {
        Observed { #[pin] future: Observed<F>, shared: Rc<PerWorker> },
        // The middleware answers the request itself.
        Endpoint { #[pin] future: Observed<EndpointFuture>, request: Option<ServiceRequest>, shared: Rc<PerWorker> },
        // An outer middleware of the same observer observes the request.
        Within { #[pin] future: F },
    }
}

impl<F> ServiceResponseFuture<F> {
    /// Wraps the future that `make` returns. It is made in its final place.
    #[inline(never)]
    pub(crate) fn observed(
        observation: Observation,
        shared: Rc<PerWorker>,
        make: impl FnOnce() -> F,
    ) -> Self {
        let mut this = Self { stage: Stage::Observed { future: Observed::empty(observation), shared } };
        if let Stage::Observed { future, .. } = &mut this.stage {
            future.make(make);
        }
        this
    }

    pub(crate) const fn endpoint(
        future: Observed<EndpointFuture>,
        request: ServiceRequest,
        shared: Rc<PerWorker>,
    ) -> Self {
        Self { stage: Stage::Endpoint { future, request: Some(request), shared } }
    }

    pub(crate) const fn within(future: F) -> Self {
        Self { stage: Stage::Within { future } }
    }
}

impl<F, B> Future for ServiceResponseFuture<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody,
{
    type Output = Result<ServiceResponse<ObservedMessageBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (observation, panic, shared) = match self.project().stage.project() {
            StageProj::Within { future } => {
                let passive = |response: ServiceResponse<B>| {
                    response.map_body(|_, body| ObservedMessageBody::passive(body))
                };
                return future.poll(cx).map_ok(passive);
            }
            StageProj::Observed { future, shared } => match ready!(future.poll(cx)) {
                (observation, Ok(Ok(response))) => {
                    return Poll::Ready(Ok(respond::response(observation, shared, response)));
                }
                (observation, Ok(Err(error))) => {
                    return Poll::Ready(Err(respond::error(observation, shared, error)));
                }
                (observation, Err(panic)) => (observation, panic, shared),
            },
            StageProj::Endpoint { future, request, shared } => {
                match (ready!(future.poll(cx)), request.take()) {
                    ((observation, Ok(answer)), Some(request)) => {
                        let response = respond::answer(observation, shared, answer);
                        return Poll::Ready(Ok(request.into_response(response)));
                    }
                    ((observation, Err(panic)), _) => (observation, panic, shared),
                    (_, None) => panic!("`ServiceResponseFuture` polled after it has completed"),
                }
            }
        };
        Poll::Ready(Err(respond::panic(observation, shared, panic)))
    }
}

impl<F> std::fmt::Debug for ServiceResponseFuture<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceResponseFuture").finish_non_exhaustive()
    }
}
