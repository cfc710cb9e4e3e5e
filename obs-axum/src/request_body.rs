//! The counter of a request's body. It counts the bytes, if their number is unknown, and gRPC
//! messages.

use std::{
    any::Any,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Request;
use http_body::{Body, Frame, SizeHint};
use obs_core::adapter::{Observation, RequestBody};

/// Wraps the body if its type is axum's or tonic's, which are boxed anyway. Other types of bodies
/// stay as they are.
#[inline]
pub(crate) fn count<B: 'static>(observation: &Observation, request: &mut Request<B>) {
    let body: &mut dyn Any = request.body_mut();
    #[cfg(feature = "axum")]
    if let Some(body) = body.downcast_mut() {
        wrap(observation, body, axum::body::Body::new);
    }
    #[cfg(feature = "tonic")]
    if let Some(body) = body.downcast_mut() {
        wrap(observation, body, tonic::body::Body::new);
    }
}

fn wrap<B: Default>(observation: &Observation, body: &mut B, boxed: impl FnOnce(CountedBody<B>) -> B) {
    if let Some(counter) = observation.request_body() {
        let inner = mem::take(body);
        *body = boxed(CountedBody { inner, counter });
    }
}

struct CountedBody<B> {
    inner: B,
    counter: RequestBody,
}

impl<B: Body + Unpin> Body for CountedBody<B>
where
    B::Data: AsRef<[u8]>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.counter.received(data.as_ref());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
