//! The service that observes each request of its inner service.

use std::{cell::OnceCell, rc::Rc};

use actix_web::{
    Error, HttpMessage,
    body::MessageBody,
    dev::{ResourceMap, Service, ServiceRequest, ServiceResponse, forward_ready},
    http::header::{HeaderMap, HeaderName, HeaderValue},
};
use obs_core::{
    Observer, Work,
    adapter::{Observation, ThreadRoutes},
};

use crate::{ObservedMessageBody, ServiceResponseFuture, head, payload};

/// A service that observes each request of its inner service. [`Observe`](crate::Observe) makes one
/// for each worker.
///
/// # Errors
/// The errors of the inner service. Their responses get the request id.
///
/// # Panics
/// It does not panic if the inner service panics in its `call` or its future: the client gets a
/// 500. With the policy [`Resume`](obs_core::PanicPolicy::Resume) the panic continues. A panic in
/// the body continues through [`ObservedMessageBody`], and the server aborts the stream. All panics
/// are recorded.
#[derive(Debug)]
pub struct ObserveMiddleware<S> {
    service: S,
    shared: Rc<PerWorker>,
}

/// The data that all requests of a worker share.
#[derive(Debug)]
pub(crate) struct PerWorker {
    pub(crate) observer: Observer,
    pub(crate) id_header: HeaderName,
    /// The worker's routes, for requests that end without a response and so without a route from
    /// actix-web.
    resources: OnceCell<Rc<ResourceMap>>,
    /// The same routes, for log lines.
    routes: OnceCell<ThreadRoutes>,
}

impl PerWorker {
    pub(crate) fn new(observer: Observer) -> Self {
        // The name was checked when the observer was built.
        let id_header = HeaderName::from_bytes(observer.request_id_header().as_bytes())
            .unwrap_or(HeaderName::from_static("x-request-id"));
        Self { observer, id_header, resources: OnceCell::new(), routes: OnceCell::new() }
    }

    /// Writes the request id into the headers of the request, if the settings ask for it.
    #[inline]
    fn write_id(&self, observation: &Observation, headers: &mut HeaderMap) {
        let names = self.observer.id_headers_of_requests();
        if !names.is_empty() {
            write_id(observation, names, headers);
        }
    }

    /// The routes of this worker. All requests of a worker have the same.
    fn routes(&self, request: &ServiceRequest) -> &ThreadRoutes {
        self.routes.get_or_init(|| {
            let resources = self.resources.get_or_init(|| Rc::new(request.resource_map().clone()));
            let resources = Rc::clone(resources);
            ThreadRoutes::new(move |path| resources.match_pattern(path))
        })
    }

    /// Sets the route from the path alone. Guards are not evaluated, so if guards decide, it may be
    /// the wrong route.
    pub(crate) fn set_route_by_path(&self, observation: &mut Observation) {
        let resources = self.resources.get();
        if let Some(template) = resources.and_then(|r| r.match_pattern(observation.request().path())) {
            observation.set_route(&template);
        }
    }
}

#[cold]
#[inline(never)]
fn write_id(observation: &Observation, names: &[String], headers: &mut HeaderMap) {
    let id = observation.start().id.as_bytes();
    for name in names {
        if let (Ok(name), Ok(id)) = (HeaderName::try_from(name.as_str()), HeaderValue::from_bytes(id)) {
            headers.insert(name, id);
        }
    }
}

impl<S> ObserveMiddleware<S> {
    pub(crate) const fn new(service: S, shared: Rc<PerWorker>) -> Self {
        Self { service, shared }
    }
}

impl<S, B> Service<ServiceRequest> for ObserveMiddleware<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<ObservedMessageBody<B>>;
    type Error = Error;
    type Future = ServiceResponseFuture<S::Future>;

    forward_ready!(service);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let shared = &self.shared;
        let found = request.extensions().get::<Work>().cloned();
        if found.as_ref().is_some_and(|handle| handle.of(&shared.observer).is_some()) {
            return ServiceResponseFuture::within(self.service.call(request));
        }

        let headers = head::Headers(request.headers());
        let find_route = || request.resource_map().match_pattern(request.path());
        let head =
            head::of(&request, &headers).find_route(&find_route).thread_routes(shared.routes(&request));
        let observation = shared.observer.start_within(&head, found.as_ref());
        if let Some(endpoint) = observation.endpoint() {
            let answer = observation.answer(endpoint, &head);
            return ServiceResponseFuture::endpoint(answer, request, Rc::clone(shared));
        }
        // Keep no reference to the request from here on: routing needs the only one.
        shared.write_id(&observation, request.headers_mut());
        request.extensions_mut().insert(observation.work());
        payload::count(&observation, &mut request);
        ServiceResponseFuture::observed(observation, Rc::clone(shared), || self.service.call(request))
    }
}
