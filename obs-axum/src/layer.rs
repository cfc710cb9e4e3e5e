//! The tower layer, with its observer and the prefix of its routes.

use std::sync::Arc;

use obs_core::Observer;
use tower_layer::Layer;

use crate::ObserveService;

/// The tower layer of an observer, for any service of `http` requests: axum routers, hyper, tonic.
///
/// If the same observer has a second layer further inside, that layer starts no second observation.
/// It only sets a more specific route where it knows one, as inside `nest_service`. If two
/// observers each have a layer, both observers record the request.
///
/// ```
/// use axum::{Router, routing::get};
/// use obs_axum::{Observer, ObserveLayer};
///
/// let observer = Observer::builder("shop").build()?;
/// let app: Router = Router::new()
///     .route("/items/{id}", get(|| async { "an item" }))
///     .layer(ObserveLayer::new(&observer));
/// # Ok::<(), obs_axum::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ObserveLayer {
    observer: Observer,
    route_prefix: Option<Arc<str>>,
}

impl ObserveLayer {
    /// Makes a layer that observes every request of the service inside it.
    #[must_use]
    pub fn new(observer: &Observer) -> Self {
        Self { observer: observer.clone(), route_prefix: None }
    }

    /// Sets the path under which the service is mounted.
    ///
    /// Use it for a service that does not know this path. One example is a service behind a proxy
    /// that removes a part of the path. Another example is a service in a framework without
    /// `nest_service`.
    ///
    /// Services in an axum router do not need this. A router that is mounted with `nest` has
    /// complete routes. With `nest_service`, put a layer on the inner service. If the inner service
    /// is a router, its routes are then complete. If the inner service has no routes, such as a
    /// file server, its route is the mount point:
    ///
    /// ```
    /// use axum::{Router, routing::get_service};
    /// use obs_axum::{Observer, ObserveLayer, RouterExt};
    /// use tower::ServiceBuilder;
    /// # let files = get_service(tower::service_fn(|_: axum::extract::Request| async {
    /// #     let response = axum::response::Response::new(axum::body::Body::empty());
    /// #     Ok::<_, std::convert::Infallible>(response)
    /// # }));
    ///
    /// let observer = Observer::builder("shop").build()?;
    /// let files = ServiceBuilder::new().layer(ObserveLayer::new(&observer)).service(files);
    /// // The route is "/files/{*path}".
    /// let app = Router::new().nest_service("/files", files).observed(&observer);
    /// # Ok::<(), obs_axum::BuildError>(())
    /// ```
    ///
    /// The prefix is added in front of the route, unless the route already begins with it. For a
    /// service without routes, the route becomes `<prefix>/{*path}`.
    ///
    /// ```
    /// use obs_axum::{Observer, ObserveLayer};
    ///
    /// let observer = Observer::builder("shop").build()?;
    /// let layer = ObserveLayer::new(&observer).route_prefix("/files");
    /// # Ok::<(), obs_axum::BuildError>(())
    /// ```
    #[must_use]
    pub fn route_prefix(mut self, prefix: &str) -> Self {
        let prefix = prefix.trim_end_matches('/');
        self.route_prefix = (!prefix.is_empty()).then(|| prefix.into());
        self
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = ObserveService<S>;

    fn layer(&self, inner: S) -> ObserveService<S> {
        ObserveService::new(inner, self.observer.clone(), self.route_prefix.clone())
    }
}
