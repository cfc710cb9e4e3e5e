//! An axum application in which every request is observed.

use std::{
    any::{TypeId, type_name},
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    marker::PhantomData,
    task::{Context, Poll},
};

use axum::{
    Router,
    extract::connect_info::IntoMakeServiceWithConnectInfo,
    routing::{IntoMakeService, RouterAsService, RouterIntoService},
    serve::{IncomingStream, Listener},
};
use http::Request;
use obs_core::Observer;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    ObserveLayer,
    boxed::BoxedBodies,
    sealed::{CompleteRouter, Sealed},
};

/// An extension of axum's `Router`: `router.observed(&observer)`.
pub trait RouterExt: Sealed {
    /// Observes every request of this router, including its fallback, and answers `/metrics`,
    /// `/health`, `/livez` and `/readyz`.
    ///
    /// Call it last, after `with_state`. The result has no `route` and no `fallback`, so no
    /// unobserved routes can be added.
    fn observed(self, observer: &Observer) -> ObservedApp
    where
        Self: CompleteRouter;
}

impl<S> RouterExt for Router<S> {
    fn observed(self, observer: &Observer) -> ObservedApp
    where
        Self: CompleteRouter,
    {
        let layers = (BoxedBodies, ObserveLayer::new(observer));
        ObservedApp::of_router(self.complete().layer(layers), observer)
    }
}

/// An axum application in which every request is observed: see [`RouterExt::observed`].
///
/// It is a tower service, for [`serve`](crate::serve()). `axum::serve` accepts it too, with two
/// differences. It does not drain or flush at SIGTERM. And it needs
/// [`into_make_service_with_connect_info`](Self::into_make_service_with_connect_info) to know the
/// peer address.
///
/// `S` is the service, a `Router` unless there is a [layer](Self::layer) around it. `C` is the
/// [information about a connection](Self::with_connect_info) that handlers get.
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
#[must_use = "an app does nothing unless it is served"]
pub struct ObservedApp<S = Router, C = ()> {
    service: S,
    observer: Observer,
    info: PhantomData<fn() -> C>,
}

impl ObservedApp {
    /// Wraps a router that already contains the layer.
    pub(crate) fn of_router(router: Router, observer: &Observer) -> Self {
        // With its state, a router is resolved once. Without it, axum would resolve it for every
        // request.
        Self::of_service(router.with_state(()), observer)
    }
}

impl<S> ObservedApp<S> {
    /// Wraps a service that already contains the layer.
    pub(crate) fn of_service(service: S, observer: &Observer) -> Self {
        Self { service, observer: observer.clone(), info: PhantomData }
    }
}

impl<S, C> ObservedApp<S, C> {
    /// The observer of this application.
    #[must_use]
    pub const fn observer(&self) -> &Observer {
        &self.observer
    }

    /// Puts a tower layer around the whole application. The layer runs before routing, and can
    /// change the path of the request.
    ///
    /// The layer is outside of the observation: requests that it answers itself are not observed.
    /// Other layers belong on the router, before [`observed`](RouterExt::observed).
    ///
    /// ```
    /// use axum::{Router, extract::Request, routing::get};
    /// use obs_axum::{Observer, RouterExt};
    /// use tower::util::MapRequestLayer;
    ///
    /// // `tower_http::normalize_path::NormalizePathLayer` is such a layer, too.
    /// let lower_case = MapRequestLayer::new(|mut request: Request| {
    ///     if let Ok(uri) = request.uri().to_string().to_lowercase().parse() {
    ///         *request.uri_mut() = uri;
    ///     }
    ///     request
    /// });
    /// let observer = Observer::builder("shop").build()?;
    /// let app = Router::new().route("/items", get(|| async { "items" })).observed(&observer);
    /// let app = app.layer(lower_case); // for `obs_axum::serve(listener, app)`
    /// # Ok::<(), obs_axum::BuildError>(())
    /// ```
    pub fn layer<L: Layer<S>>(self, layer: L) -> ObservedApp<L::Service, C> {
        ObservedApp { service: layer.layer(self.service), observer: self.observer, info: PhantomData }
    }

    /// Gives handlers a `ConnectInfo<I>` with information about their connection, if the
    /// application is served by [`serve`](crate::serve()).
    ///
    /// The address of the peer, a `ConnectInfo` of the listener's own type, stays available.
    ///
    /// ```no_run
    /// use std::net::SocketAddr;
    /// use axum::{Router, extract::{ConnectInfo, connect_info::Connected}, routing::get};
    /// use obs_axum::{AcceptedStream, Observer, RouterExt};
    /// use tokio::net::TcpListener;
    ///
    /// #[derive(Clone)]
    /// struct Ends {
    ///     client: SocketAddr,
    ///     server: Option<SocketAddr>,
    /// }
    ///
    /// impl Connected<AcceptedStream<'_, TcpListener>> for Ends {
    ///     fn connect_info(stream: AcceptedStream<'_, TcpListener>) -> Self {
    ///         Self { client: *stream.remote_addr(), server: stream.io().local_addr().ok() }
    ///     }
    /// }
    ///
    /// async fn whoami(ConnectInfo(ends): ConnectInfo<Ends>) -> String {
    ///     format!("{} to {:?}", ends.client, ends.server)
    /// }
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let observer = Observer::builder("shop").build()?;
    /// let app = Router::new().route("/", get(whoami)).observed(&observer);
    /// let listener = TcpListener::bind("127.0.0.1:3000").await?;
    /// obs_axum::serve(listener, app.with_connect_info::<Ends>()).await?;
    /// # Ok(()) }
    /// ```
    pub fn with_connect_info<I>(self) -> ObservedApp<S, I> {
        ObservedApp { service: self.service, observer: self.observer, info: PhantomData }
    }
}

impl<C: 'static> ObservedApp<Router, C> {
    /// Converts the application to the `Router` that it wraps, for code that needs this type, such
    /// as a test helper or a platform's runtime.
    ///
    /// The router contains the layer, so its requests are observed. Routes that you add to this
    /// router later are not observed. If you merge it into another router, the routes of the other
    /// router are not observed.
    ///
    /// ```
    /// use axum::Router;
    /// use obs_axum::{Observer, RouterExt};
    ///
    /// # fn deploy(_: Router) {}
    /// let observer = Observer::builder("shop").build()?;
    /// deploy(Router::new().observed(&observer).into_router());
    /// # Ok::<(), obs_axum::BuildError>(())
    /// ```
    pub fn into_router(self) -> Router {
        self.service
    }

    /// Converts the application to a service for requests with bodies of one type, as
    /// `Router::into_service` does. It is for helpers such as tower's `ready`.
    pub fn into_service<B>(self) -> RouterIntoService<B> {
        self.service.into_service()
    }

    /// Borrows the application as a service for requests with bodies of one type, as
    /// `Router::as_service` does.
    ///
    /// ```
    /// use axum::{Router, body::Body, http::Request, routing::get};
    /// use obs_axum::{Observer, RouterExt};
    /// use tower::{Service, ServiceExt};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let observer = Observer::builder("shop").no_environment().build()?;
    /// let mut app = Router::new().route("/", get(|| async { "hello" })).observed(&observer);
    /// let mut service = app.as_service::<Body>();
    /// let response = service.ready().await?.call(Request::new(Body::empty())).await?;
    /// assert_eq!(response.status(), 200);
    /// # Ok(()) }
    /// ```
    pub fn as_service<B>(&mut self) -> RouterAsService<'_, B> {
        self.service.as_service()
    }

    /// Converts the application for servers that need a service for each connection.
    pub fn into_make_service(self) -> IntoMakeService<Router> {
        self.service.into_make_service()
    }

    /// Converts the application as [`into_make_service`](Self::into_make_service) does, and also
    /// provides the peer address as `ConnectInfo`.
    pub fn into_make_service_with_connect_info<I>(self) -> IntoMakeServiceWithConnectInfo<Router, I> {
        self.service.into_make_service_with_connect_info()
    }
}

impl<S: Clone, C> Clone for ObservedApp<S, C> {
    fn clone(&self) -> Self {
        Self { service: self.service.clone(), observer: self.observer.clone(), info: PhantomData }
    }
}

impl<S, C: 'static> fmt::Debug for ObservedApp<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ObservedApp");
        shown.field("observer", &self.observer);
        if TypeId::of::<C>() != TypeId::of::<()>() {
            shown.field("connect_info", &type_name::<C>());
        }
        shown.finish_non_exhaustive()
    }
}

impl<S, C, B> Service<Request<B>> for ObservedApp<S, C>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        self.service.call(request)
    }
}

/// An implementation for `axum::serve(listener, app)`; see [`ObservedApp`] for the differences.
impl<L: Listener, S: Clone, C> Service<IncomingStream<'_, L>> for ObservedApp<S, C> {
    type Response = S;
    type Error = Infallible;
    type Future = Ready<Result<S, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: IncomingStream<'_, L>) -> Self::Future {
        ready(Ok(self.service.clone()))
    }
}
