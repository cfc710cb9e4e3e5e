//! A response's body that ends its call.

use std::{
    fmt::Display,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderMap, Version};
use http_body::{Body, Frame, SizeHint};
use obs_core::{
    adapter::{CallObservation, HttpVersion},
    output::CallTarget,
};
use pin_project_lite::pin_project;

use crate::failure::report;

pin_project! {
    /// The body of an observed response. The call ends with it.
    ///
    /// It forwards frames, trailers, `is_end_stream` and `size_hint`.
    ///
    /// # Errors
    /// The body's own errors, unchanged. They are recorded as the failure of the call.
    ///
    /// # Cancellation
    /// If it is dropped while it is read, the call ends as cancelled. If it is dropped before it is
    /// read, the application needs only the head, and the call is complete; a gRPC call is
    /// cancelled then, too, because its status comes after its body. A body that has nothing left,
    /// such as the body of a response to `HEAD`, is at its end.
    #[derive(Debug)]
    pub struct CallBody<B> {
        #[pin]
        body: Option<B>,
        call: Option<CallObservation>,
        // `true` if a drop before the end is a cancellation.
        needs_end: bool,
    }

    impl<B> PinnedDrop for CallBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(mut call) = this.call.take() {
                call.enter(|| this.body.set(None));
                if !*this.needs_end {
                    call.finish();
                }
            }
        }
    }
}

impl<B: Body> CallBody<B> {
    /// Moves a call whose head is reported into the response's body.
    pub(crate) fn attach(call: CallObservation, response: http::Response<B>) -> http::Response<Self> {
        response.map(|body| {
            let needs_end = is_grpc(&call);
            let mut body = Self { body: Some(body), call: Some(call), needs_end };
            body.finish_at_end();
            body
        })
    }

    /// Ends the call if nothing is left of the body.
    fn finish_at_end(&mut self) {
        if self.body.as_ref().is_none_or(Body::is_end_stream)
            && let Some(call) = self.call.take()
        {
            call.finish();
        }
    }
}

impl<B> Body for CallBody<B>
where
    B: Body,
    B::Error: Display + 'static,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        *this.needs_end = true;
        let Some(mut body) = this.body.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let Some(call) = this.call else { return body.poll_frame(cx) };
        let frame = ready!(call.enter(|| body.as_mut().poll_frame(cx)));
        match &frame {
            Some(Ok(frame)) => note(call, frame),
            Some(Err(error)) => report(call, error),
            None => {}
        }
        let ended = !matches!(frame, Some(Ok(_))) || body.is_end_stream();
        if ended && let Some(call) = this.call.take() {
            call.finish();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

fn note<D: bytes::Buf>(call: &mut CallObservation, frame: &Frame<D>) {
    if let Some(data) = frame.data_ref() {
        call.received(data.remaining() as u64);
    } else if let Some(trailers) = frame.trailers_ref() {
        let trailers: &HeaderMap = trailers;
        call.trailers(trailers);
    }
}

fn is_grpc(call: &CallObservation) -> bool {
    call.start().call().is_some_and(|call| matches!(call.target, CallTarget::Grpc(_)))
}

/// Translates the version of a response.
pub(crate) fn version(version: Version) -> Option<HttpVersion> {
    match version {
        Version::HTTP_09 => Some(HttpVersion::Http09),
        Version::HTTP_10 => Some(HttpVersion::Http10),
        Version::HTTP_11 => Some(HttpVersion::Http11),
        Version::HTTP_2 => Some(HttpVersion::Http2),
        Version::HTTP_3 => Some(HttpVersion::Http3),
        _ => None,
    }
}
