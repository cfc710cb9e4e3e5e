//! A layer that puts an observed body into the same box type as axum's own bodies.
//!
//! Without this layer, axum would wrap the body in an adapter that converts errors. Every frame
//! would go through the adapter. An observed body does not need the adapter, because its errors are
//! axum's own. `Body::new` uses this box and adds no second one. If a future version of axum boxes
//! the body again, the benchmarks fail because of the additional allocation.

use std::{
    fmt::Display,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{body::Body, response::Response};
use http::Request;
use http_body_util::combinators::UnsyncBoxBody;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{ObserveService, ResponseFuture};

#[derive(Clone, Copy)]
pub(crate) struct BoxedBodies;

impl<S> Layer<ObserveService<S>> for BoxedBodies {
    type Service = BoxedBody<S>;

    fn layer(&self, inner: ObserveService<S>) -> BoxedBody<S> {
        BoxedBody(inner)
    }
}

#[derive(Clone)]
pub(crate) struct BoxedBody<S>(ObserveService<S>);

impl<S> Service<Request<Body>> for BoxedBody<S>
where
    S: Service<Request<Body>, Response = Response>,
    S::Error: Display,
{
    type Response = Response;
    type Error = S::Error;
    type Future = BoxedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        BoxedFuture { future: self.0.call(request) }
    }
}

pin_project! {
    pub(crate) struct BoxedFuture<F> {
        #[pin]
        future: ResponseFuture<F>,
    }
}

impl<F, E> Future for BoxedFuture<F>
where
    F: Future<Output = Result<Response, E>>,
    E: Display,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.project().future.poll(cx))?;
        Poll::Ready(Ok(response.map(|body| Body::new(UnsyncBoxBody::new(body)))))
    }
}
