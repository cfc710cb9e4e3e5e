//! Counts the bytes of a request's body whose length nobody has declared.

use std::{
    any::Any,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::{Body, Bytes};
use http::Request;
use http_body::{Frame, SizeHint};
use obs_core::{Observation, RequestBody};

/// Wraps the body if it is axum's, which is a box anyway: any other layer leaves the request's type alone.
pub(crate) fn count<B: 'static>(observation: &Observation, request: &mut Request<B>) {
    let body: &mut dyn Any = request.body_mut();
    if let Some(body) = body.downcast_mut::<Body>()
        && let Some(counter) = observation.request_body()
    {
        let inner = mem::take(body);
        *body = Body::new(Counted { inner, counter });
    }
}

struct Counted {
    inner: Body,
    counter: RequestBody,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.counter.received(data.len() as u64);
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
