//! An axum application in which every request is observed.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use axum::{
    BoxError, Router,
    extract::connect_info::IntoMakeServiceWithConnectInfo,
    response::Response,
    routing::{IntoMakeService, future::RouteFuture},
    serve::{IncomingStream, Listener},
};
use http::Request;
use http_body::Body;
use obs_core::Observer;
use tower_service::Service;

use crate::{ObserverExt, boxed::BoxedBodies, sealed::Sealed};

/// An extension of axum's `Router`: `router.observed(&observer)`.
pub trait RouterExt: Sealed {
    /// Observes every request of this router, including its fallback, and answers `/metrics`,
    /// `/health`, `/livez` and `/readyz`.
    ///
    /// Call it last, after `with_state`. The result has no `route` and no `fallback`, so no
    /// unobserved routes can be added.
    fn observed(self, observer: &Observer) -> ObservedApp;
}

impl RouterExt for Router {
    fn observed(self, observer: &Observer) -> ObservedApp {
        ObservedApp::layered(self.layer((BoxedBodies, observer.layer())), observer)
    }
}

/// An axum application in which every request is observed: see [`RouterExt::observed`].
///
/// It is a tower service, for [`serve`](crate::serve()). `axum::serve` accepts it too, with two
/// differences. It does not drain or flush at SIGTERM. And it needs
/// [`into_make_service_with_connect_info`](Self::into_make_service_with_connect_info) to know the
/// peer address.
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use obs_axum::{Observer, RouterExt};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let observer = Observer::builder("shop").build()?;
/// let app = Router::new().route("/", get(|| async { "hello" })).observed(&observer);
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
/// obs_axum::serve(listener, app).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "an app does nothing unless it is served"]
pub struct ObservedApp {
    router: Router,
    observer: Observer,
}

impl ObservedApp {
    /// Wraps a router that already contains the layer.
    pub(crate) fn layered(router: Router, observer: &Observer) -> Self {
        // With its state, a router is resolved once. Without it, axum would resolve it for every
        // request.
        Self { router: router.with_state(()), observer: observer.clone() }
    }

    /// The observer of this application.
    #[must_use]
    pub const fn observer(&self) -> &Observer {
        &self.observer
    }

    /// Converts the application for servers that need a service for each connection.
    pub fn into_make_service(self) -> IntoMakeService<Router> {
        self.router.into_make_service()
    }

    /// Converts the application as [`into_make_service`](Self::into_make_service) does, and also
    /// provides the peer address as `ConnectInfo`.
    pub fn into_make_service_with_connect_info<C>(self) -> IntoMakeServiceWithConnectInfo<Router, C> {
        self.router.into_make_service_with_connect_info()
    }
}

impl<B> Service<Request<B>> for ObservedApp
where
    B: Body<Data = axum::body::Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<B>>::poll_ready(&mut self.router, cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.router.call(request)
    }
}

/// An implementation for `axum::serve(listener, app)`; see [`ObservedApp`] for the differences.
impl<L: Listener> Service<IncomingStream<'_, L>> for ObservedApp {
    type Response = Router;
    type Error = Infallible;
    type Future = Ready<Result<Router, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: IncomingStream<'_, L>) -> Self::Future {
        ready(Ok(self.router.clone()))
    }
}
