//! The layer: what to observe with, and where the service is mounted.

use std::sync::Arc;

use obs_core::Observer;
use tower_layer::Layer;

use crate::ObserveService;

/// Makes an observer's layer: `observer.layer()`.
pub trait ObserverExt: sealed::Sealed {
    /// A tower layer that observes every request of the service below it.
    #[must_use]
    fn layer(&self) -> ObserveLayer;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for obs_core::Observer {}
}

impl ObserverExt for Observer {
    fn layer(&self) -> ObserveLayer {
        ObserveLayer::new(self)
    }
}

/// The tower layer of an observer, for any service of `http` requests: axum routers, hyper, tonic.
///
/// A second layer of the same observer further within starts nothing; it only names the route more exactly
/// where it sees more, as inside `nest_service`. Layers of two observers both record.
///
/// ```
/// use axum::{Router, routing::get};
/// use obs_axum::{Observer, ObserverExt};
///
/// let observer = Observer::builder("shop").build()?;
/// let app: Router = Router::new()
///     .route("/items/{id}", get(|| async { "an item" }))
///     .layer(observer.layer());
/// # Ok::<(), obs_axum::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ObserveLayer {
    observer: Observer,
    route_prefix: Option<Arc<str>>,
}

impl ObserveLayer {
    /// The layer of `observer`; the same as [`observer.layer()`](ObserverExt::layer).
    #[must_use]
    pub fn new(observer: &Observer) -> Self {
        Self { observer: observer.clone(), route_prefix: None }
    }

    /// Where the service is mounted, if the service itself cannot see it.
    ///
    /// For a nested axum router this is not needed: use `nest`, or put the layer on the inner router
    /// (`nest_service("/in", router.layer(observer.layer()))`), and the route is exact.
    ///
    /// The prefix goes before the route's template; a template that begins with it already stays as it is. For a
    /// service that has no templates, such as one that serves files, the route becomes `<prefix>/{*path}`.
    ///
    /// ```
    /// use axum::{Router, routing::get_service};
    /// use obs_axum::{Observer, ObserverExt, RouterExt};
    /// use tower::ServiceBuilder;
    /// # let files = get_service(tower::service_fn(|_: axum::extract::Request| async {
    /// #     Ok::<_, std::convert::Infallible>(axum::response::Response::new(axum::body::Body::empty()))
    /// # }));
    ///
    /// let observer = Observer::builder("shop").build()?;
    /// let files = ServiceBuilder::new().layer(observer.layer().route_prefix("/files")).service(files);
    /// let app = Router::new().nest_service("/files", files).observed(&observer); // "/files/{*path}"
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
