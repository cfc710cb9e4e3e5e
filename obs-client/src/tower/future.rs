//! The future of a response.

use std::{
    fmt::Display,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::Body;
use hyper_util::client::legacy::connect::HttpInfo;
use obs_core::adapter::CallObservation;
use pin_project_lite::pin_project;

use crate::{
    call_body::{self, CallBody},
    calling::Calling,
    failure::report,
};

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
            Ok(response) => {
                head(&mut call, &response);
                Ok(CallBody::attach(call, response))
            }
            Err(error) => {
                report(&mut call, &error);
                call.finish();
                Err(error)
            }
        })
    }
}

/// Reports the head of a response.
fn head<B>(call: &mut CallObservation, response: &Response<B>) {
    call.responded(response.status().as_u16(), response.headers());
    if let Some(version) = call_body::version(response.version()) {
        call.set_version(version);
    }
    if let Some(info) = response.extensions().get::<HttpInfo>() {
        call.set_peer(info.remote_addr());
    }
}
