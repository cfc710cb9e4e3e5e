//! The future of a response.

use std::{
    fmt::Display,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use crate::{call_body::CallBody, calling::Calling, failure::report};

pin_project! {
    /// The future of a [`CallService`](super::CallService).
    #[derive(Debug)]
    pub struct CallFuture<F> {
        #[pin]
        calling: Calling<F>,
    }
}

impl<F> CallFuture<F> {
    pub(super) const fn new(calling: Calling<F>) -> Self {
        Self { calling }
    }
}

impl<F, B, E> Future for CallFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    E: Display + 'static,
{
    type Output = Result<Response<CallBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (mut call, result) = ready!(self.project().calling.poll(cx));
        Poll::Ready(match result {
            Ok(response) => Ok(CallBody::respond(call, response)),
            Err(error) => {
                report(&mut call, &error);
                call.finish();
                Err(error)
            }
        })
    }
}
