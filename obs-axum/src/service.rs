//! The tower service that observes each request of its inner service.

use std::{
    fmt::Display,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use obs_core::{
    Observer, Work,
    adapter::{ObservedBody, RequestHead},
};
use tower_service::Service;

use crate::{ResponseFuture, route};

/// A tower service that observes each request of its inner service: see
/// [`ObserveLayer`](crate::ObserveLayer).
///
/// The type of the request stays the same; the response's body becomes an [`ObservedBody`]. The
/// inner service is not cloned. Nothing is boxed, except an axum or tonic request body that must be
/// counted.
///
/// # Errors
/// The errors of the inner service, unchanged.
///
/// # Panics
/// It does not panic if the inner service panics in its `call` or its future: the client gets a
/// 500. With the policy [`Resume`](obs_core::PanicPolicy::Resume) the panic continues. A panic in
/// the body continues through [`ObservedBody`], and the server aborts the stream. All panics are
/// recorded.
#[derive(Clone, Debug)]
pub struct ObserveService<S> {
    inner: S,
    observer: Observer,
    route_prefix: Option<Arc<str>>,
}

impl<S> ObserveService<S> {
    pub(crate) const fn new(inner: S, observer: Observer, route_prefix: Option<Arc<str>>) -> Self {
        Self { inner, observer, route_prefix }
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for ObserveService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    S::Error: Display,
    ReqB: Body + 'static,
    ResB: Body,
{
    type Response = Response<ObservedBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    // Not inlined, because inlining would move the request once more.
    #[inline(never)]
    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        self.observe(&mut Some(request))
    }
}

impl<S> ObserveService<S> {
    /// Observes a request. Requests are large, so this one is moved as rarely as possible.
    #[inline]
    fn observe<ReqB>(&mut self, place: &mut Option<Request<ReqB>>) -> ResponseFuture<S::Future>
    where
        S: Service<Request<ReqB>>,
        ReqB: Body + 'static,
    {
        let Some(request) = place else { unreachable!("a request is there") };
        let original = route::original_uri(request.extensions());
        let route = route::of(self.route_prefix.as_deref(), request.extensions(), original);
        let found = request.extensions().get::<Work>();
        if let Some(own) = found.and_then(|handle| handle.of(&self.observer)) {
            if let Some(route) = route {
                own.refine_route(&route);
            }
            return ResponseFuture::within(self.call_inner(place));
        }

        let head = RequestHead::of(request)
            .route(route.as_deref())
            .path(original.unwrap_or(request.uri()).path())
            .peer(route::peer(request.extensions()));
        let observation = self.observer.start_within(&head, found);
        if let Some(endpoint) = observation.endpoint() {
            return ResponseFuture::endpoint(observation.answer(endpoint, &head));
        }
        observation.write_id(request.headers_mut());
        request.extensions_mut().insert(observation.work());
        #[cfg(any(feature = "axum", feature = "tonic"))]
        crate::request_body::count(&observation, request);
        ResponseFuture::observed(observation, || self.call_inner(place))
    }

    fn call_inner<ReqB>(&mut self, place: &mut Option<Request<ReqB>>) -> S::Future
    where
        S: Service<Request<ReqB>>,
    {
        match place.take() {
            Some(request) => self.inner.call(request),
            None => unreachable!("a request is called once"),
        }
    }
}
