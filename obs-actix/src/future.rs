//! The response on its way.

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

use crate::{ObservedMessageBody, respond, service::Shared};

pin_project! {
    /// The response of an [`ObserveMiddleware`](crate::ObserveMiddleware).
    ///
    /// # Cancellation
    /// Dropped before the response, the request is recorded as cancelled.
    #[must_use = "futures do nothing unless polled"]
    pub struct ServiceResponseFuture<F> {
        #[pin]
        kind: Kind<F>,
    }

    impl<F> PinnedDrop for ServiceResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            // A request that is cancelled has no response to ask for its route.
            if let KindProj::Observed { future, shared } = this.project().kind.project()
                && let Some(observation) = future.observation()
            {
                shared.set_route_by_path(observation);
            }
        }
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<F> {
        Observed { #[pin] future: Observed<F>, shared: Rc<Shared> },
        // The middleware answers itself.
        Endpoint { #[pin] future: Observed<EndpointFuture>, request: Option<ServiceRequest>, shared: Rc<Shared> },
        // Another middleware of the same observer further out observes.
        Within { #[pin] future: F },
    }
}

impl<F> ServiceResponseFuture<F> {
    /// The future that `make` makes. It is made where it is returned.
    #[inline(never)]
    pub(crate) fn observed(observation: Observation, shared: Rc<Shared>, make: impl FnOnce() -> F) -> Self {
        let mut this = Self { kind: Kind::Observed { future: Observed::empty(observation), shared } };
        if let Kind::Observed { future, .. } = &mut this.kind {
            future.make(make);
        }
        this
    }

    pub(crate) const fn endpoint(
        future: Observed<EndpointFuture>,
        request: ServiceRequest,
        shared: Rc<Shared>,
    ) -> Self {
        Self { kind: Kind::Endpoint { future, request: Some(request), shared } }
    }

    pub(crate) const fn within(future: F) -> Self {
        Self { kind: Kind::Within { future } }
    }
}

impl<F, B> Future for ServiceResponseFuture<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody,
{
    type Output = Result<ServiceResponse<ObservedMessageBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (observation, panic, shared) = match self.project().kind.project() {
            KindProj::Within { future } => {
                let passive = |response: ServiceResponse<B>| {
                    response.map_body(|_, body| ObservedMessageBody::passive(body))
                };
                return future.poll(cx).map_ok(passive);
            }
            KindProj::Observed { future, shared } => match ready!(future.poll(cx)) {
                (observation, Ok(Ok(response))) => {
                    return Poll::Ready(Ok(respond::response(observation, shared, response)));
                }
                (observation, Ok(Err(error))) => {
                    return Poll::Ready(Err(respond::error(observation, shared, error)));
                }
                (observation, Err(panic)) => (observation, panic, shared),
            },
            KindProj::Endpoint { future, request, shared } => {
                match (ready!(future.poll(cx)), request.take()) {
                    ((observation, Ok(answer)), Some(request)) => {
                        let response = respond::answer(observation, shared, answer);
                        return Poll::Ready(Ok(request.into_response(response)));
                    }
                    ((observation, Err(panic)), _) => (observation, panic, shared),
                    (_, None) => panic!("`ServiceResponseFuture` polled after it has yielded"),
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
