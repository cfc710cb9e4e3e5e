//! The tower service that observes each request that its inner service sends.

use std::{
    fmt::Display,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response, Uri};
use http_body::Body;
use obs_core::Observer;
use tower_service::Service;

use super::{CallFuture, head};
use crate::{call_body::CallBody, calling::Calling, headers};

/// A tower service that observes each request that its inner service sends: see
/// [`ClientExt::client_layer`](super::ClientExt::client_layer).
///
/// It adds the headers of the trace to the request. The response's body becomes a [`CallBody`].
/// Nothing is boxed or cloned.
///
/// A request with the content type `application/grpc` is a gRPC call. The status of such a call
/// comes from the trailers, or from the head if there is no message. If such a call is dropped
/// after its deadline (`grpc-timeout`), it has exceeded it: the failure is `timeout`.
///
/// # Errors
/// The errors of the inner service, unchanged. They are recorded as the failure of the call.
///
/// # Cancellation
/// If the future is dropped, the call ends as cancelled. A timeout layer outside of this service
/// drops the future. A timeout layer inside of it makes the failure `timeout`.
#[derive(Clone, Debug)]
pub struct CallService<S> {
    inner: S,
    observer: Observer,
    name: Option<Arc<str>>,
    origin: Option<Uri>,
}

impl<S> CallService<S> {
    pub(super) const fn new(
        inner: S,
        observer: Observer,
        name: Option<Arc<str>>,
        origin: Option<Uri>,
    ) -> Self {
        Self { inner, observer, name, origin }
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for CallService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    S::Error: Display + 'static,
    ResB: Body,
{
    type Response = Response<CallBody<ResB>>;
    type Error = S::Error;
    type Future = CallFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let head = head::of(&request, self.name.as_deref(), self.origin.as_ref());
        let call = self.observer.start_call(&head);
        headers::inject(&call, request.headers_mut());
        CallFuture::new(Calling::new(call, || self.inner.call(request)))
    }
}
