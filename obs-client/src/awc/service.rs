//! The service that observes each request of a client.

use std::{
    fmt,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use actix_service::Service;
use awc::{ConnectRequest, ConnectResponse, error::SendRequestError};
use obs_core::{Observer, adapter::CallObservation, output::ErrorReport};
use pin_project_lite::pin_project;

use super::{
    body, head,
    redirects::{Redirects, Resend},
};
use crate::{calling::Calling, failure::awc::failure_of_send};

/// The service of an [`AwcMiddleware`](crate::AwcMiddleware).
pub struct AwcService<S> {
    service: S,
    observer: Observer,
    name: Option<Arc<str>>,
    redirects: Rc<Redirects>,
}

impl<S> AwcService<S> {
    pub(super) fn new(service: S, observer: Observer, name: Option<Arc<str>>) -> Self {
        Self { service, observer, name, redirects: Rc::default() }
    }
}

impl<S> fmt::Debug for AwcService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwcService").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<S> Service<ConnectRequest> for AwcService<S>
where
    S: Service<ConnectRequest, Response = ConnectResponse, Error = SendRequestError>,
{
    type Response = ConnectResponse;
    type Error = SendRequestError;
    type Future = AwcFuture<S::Future>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), SendRequestError>> {
        self.service.poll_ready(cx)
    }

    fn call(&self, mut request: ConnectRequest) -> Self::Future {
        let resend = self.redirects.resend(&head::of(&request).uri);
        let head = head::of_call(head::of(&request), self.name.as_deref()).resend(resend.number());
        let mut call = self.observer.start_call(&head);
        if let Some(peer) = head::peer(&request) {
            call.set_peer(peer);
        }
        head::inject(&call, &mut request);
        AwcFuture {
            calling: Calling::new(call, || self.service.call(request)),
            resend,
            redirects: Rc::clone(&self.redirects),
        }
    }
}

pin_project! {
    /// The future of an [`AwcService`].
    ///
    /// # Cancellation
    /// If it is dropped before its end, the call ends as cancelled.
    pub struct AwcFuture<F> {
        #[pin]
        calling: Calling<F>,
        resend: Resend,
        redirects: Rc<Redirects>,
    }
}

impl<F> fmt::Debug for AwcFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwcFuture").field("resend", &self.resend).finish_non_exhaustive()
    }
}

impl<F> Future for AwcFuture<F>
where
    F: Future<Output = Result<ConnectResponse, SendRequestError>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (mut call, result) = ready!(this.calling.poll(cx));
        Poll::Ready(match result {
            Ok(ConnectResponse::Client(response)) => {
                this.redirects.note(&response, *this.resend);
                Ok(ConnectResponse::Client(body::respond(call, response)))
            }
            Ok(ConnectResponse::Tunnel(response, framed)) => {
                body::responded(&mut call, &response);
                call.finish();
                Ok(ConnectResponse::Tunnel(response, framed))
            }
            Err(error) => {
                end_with(call, &error);
                Err(error)
            }
        })
    }
}

fn end_with(mut call: CallObservation, error: &SendRequestError) {
    call.failed(failure_of_send(error), Some(ErrorReport::of(error)));
    call.finish();
}
