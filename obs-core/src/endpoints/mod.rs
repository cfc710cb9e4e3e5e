//! The endpoints that the middleware answers itself. The health pages are some of them.

pub(crate) mod health;

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{
    base::panic::catch,
    extension::setup::{InstalledEndpoint, Respond},
    http::{
        answer::{Answer, EndpointFuture},
        head::RequestHead,
        method::Method,
    },
    record::endpoint::Endpoint,
    redact::diagnostics,
};

/// The endpoints of one observer.
pub(crate) struct Endpoints {
    places: Vec<EndpointPath>,
    /// The function that answers each of them, in the same order.
    responds: Vec<Respond>,
}

struct EndpointPath {
    endpoint: Endpoint,
    path: Box<str>,
    warned: AtomicBool,
}

impl Endpoints {
    pub(crate) fn new(installed: Vec<InstalledEndpoint>) -> Self {
        let place = |InstalledEndpoint { endpoint, path, respond }| {
            (EndpointPath { endpoint, path: path.into(), warned: AtomicBool::new(false) }, respond)
        };
        let (places, responds) = installed.into_iter().map(place).unzip();
        Self { places, responds }
    }

    fn at(&self, path: &str) -> Option<&EndpointPath> {
        self.places.iter().find(|place| *place.path == *path)
    }

    pub(crate) fn find(&self, path: &str) -> Option<Endpoint> {
        self.at(path).map(|place| place.endpoint)
    }

    /// The endpoint that a request is for. If the application has a route of its own with this
    /// path, that route wins, and the first such request logs a warning.
    pub(crate) fn requested(&self, head: &RequestHead<'_>) -> Option<Endpoint> {
        let place = self.at(head.path)?;
        if !head.own_route.is_some_and(|has_route| has_route()) {
            return Some(place.endpoint);
        }
        if !place.warned.swap(true, Ordering::Relaxed) {
            let path = head.path;
            diagnostics::warn(format_args!(
                "the application's own route at {path} hides the obs endpoint {:?}; `endpoint_path` sets \
                 another path, `without_endpoints` disables all endpoints",
                place.endpoint
            ));
        }
        None
    }

    /// Answers a request for an endpoint.
    pub(crate) fn answer(&self, endpoint: Endpoint, head: &RequestHead<'_>) -> EndpointFuture {
        let method = Method::parse(head.method);
        let place = self.places.iter().position(|place| place.endpoint == endpoint);
        let respond = place.and_then(|place| self.responds.get(place));
        let answer = respond.and_then(|respond| catch(|| respond(head)).ok());
        EndpointFuture::new(async move {
            let answer = match answer {
                Some(answer) => answer.await,
                None => Answer::new(500, "text/plain; charset=utf-8", "the endpoint panicked\n"),
            };
            answer.to(method)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{observer::Observer, record::endpoint::Endpoint};

    fn get(observer: &Observer, method: &str, path: &str) -> Option<Answer> {
        let future = observer.endpoint(&RequestHead::new(method, path, &()))?;
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        Some(runtime.block_on(future))
    }

    #[test]
    fn a_draining_service_is_live_but_not_ready() {
        let observer = Observer::builder("test").no_environment().build().expect("valid");
        let status = |path| get(&observer, "GET", path).expect("an endpoint").status();
        assert_eq!([status("/livez"), status("/readyz"), status("/health")], [200; 3]);
        observer.start_draining();
        assert_eq!([status("/livez"), status("/readyz"), status("/health")], [200, 503, 503]);
    }

    #[test]
    fn only_get_and_head_of_the_exact_path_are_answered() {
        let observer = Observer::builder("test").no_environment().build().expect("valid");
        let posted = get(&observer, "POST", "/metrics").expect("an endpoint");
        assert_eq!(posted.status(), 405);
        assert!(posted.headers().any(|header| header == ("allow", "GET, HEAD")));
        assert!(get(&observer, "GET", "/metrics/").is_none());
        assert!(get(&observer, "GET", "/").is_none());
    }

    #[test]
    fn endpoints_can_be_switched_off() {
        let observer = Observer::builder("test").no_environment().without_endpoints().build().expect("valid");
        assert!(Endpoint::ALL.iter().all(|e| get(&observer, "GET", e.default_path()).is_none()));
    }
}
