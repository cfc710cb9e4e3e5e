//! The counter of a request's body of unknown size.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::{
    HttpMessage,
    dev::{Payload, ServiceRequest},
    error::PayloadError,
    web::Bytes,
};
use futures_core::Stream;
use obs_core::adapter::{Observation, RequestBody};

/// Wraps the payload, unless its size is known.
#[inline]
pub(crate) fn count(observation: &Observation, request: &mut ServiceRequest) {
    if let Some(counter) = observation.request_body() {
        let inner = request.take_payload();
        request.set_payload(Payload::Stream { payload: Box::pin(CountedBody { inner, counter }) });
    }
}

struct CountedBody {
    inner: Payload,
    counter: RequestBody,
}

impl Stream for CountedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let chunk = ready!(Pin::new(&mut self.inner).poll_next(cx));
        if let Some(Ok(bytes)) = &chunk {
            self.counter.received(bytes);
        }
        Poll::Ready(chunk)
    }
}
