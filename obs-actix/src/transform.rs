//! The middleware for `App::wrap`.

use std::{
    future::{Ready, ready},
    rc::Rc,
};

use actix_web::{
    Error,
    body::MessageBody,
    dev::{Service, ServiceRequest, ServiceResponse, Transform},
};
use obs_core::Observer;

use crate::{ObserveMiddleware, ObservedMessageBody, service::PerWorker};

/// The middleware of an observer: `App::new().wrap(Observe::new(&observer))`.
///
/// As the last `wrap` of an `App` it is the outermost, and observes every request. If the same
/// observer has a second middleware further inside, that one starts no second observation. If two
/// observers each have a middleware, both observers record the request.
///
/// ```
/// use actix_web::{App, web};
/// use obs_actix::{Observe, Observer};
///
/// let observer = Observer::builder("shop").build()?;
/// let app = App::new()
///     .route("/items/{id}", web::get().to(|| async { "an item" }))
///     .wrap(Observe::new(&observer));
/// # Ok::<(), obs_actix::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Observe {
    observer: Observer,
}

impl Observe {
    /// Makes the middleware of `observer`.
    #[must_use]
    pub fn new(observer: &Observer) -> Self {
        Self { observer: observer.clone() }
    }
}

impl<S, B> Transform<S, ServiceRequest> for Observe
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<ObservedMessageBody<B>>;
    type Error = Error;
    type Transform = ObserveMiddleware<S>;
    type InitError = ();
    type Future = Ready<Result<ObserveMiddleware<S>, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let shared = Rc::new(PerWorker::new(self.observer.clone()));
        ready(Ok(ObserveMiddleware::new(service, shared)))
    }
}
