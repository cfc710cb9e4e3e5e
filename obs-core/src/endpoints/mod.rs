//! The endpoints that the middleware answers itself: `/metrics`, `/health`, `/livez`, `/readyz`.

#[cfg(feature = "tokio")]
pub(crate) mod flights;
pub(crate) mod health;
pub(crate) mod scrape;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::{
    base::{diagnostics, panic::catch},
    endpoints::{
        health::Health,
        scrape::{Scrape, Scrapes},
    },
    extension::setup::Respond,
    http::{
        answer::{Answer, EndpointFuture},
        head::RequestHead,
        method::Method,
    },
    record::endpoint::Endpoint,
};

/// The endpoints of one observer: their paths, and the data that they show.
pub(crate) struct Endpoints {
    places: Vec<EndpointPath>,
    pub(crate) health: Health,
    pub(crate) scrapes: Scrapes,
    /// The endpoints of extensions, by their numbers.
    extensions: Vec<Respond>,
}

struct EndpointPath {
    endpoint: Endpoint,
    path: Box<str>,
    warned: AtomicBool,
}

impl Endpoints {
    pub(crate) fn new(
        paths: impl IntoIterator<Item = (Endpoint, String)>,
        extensions: Vec<(String, Respond)>,
        health: Health,
        scrapes: Scrapes,
    ) -> Self {
        let place = |(endpoint, path): (Endpoint, String)| EndpointPath {
            endpoint,
            path: path.into(),
            warned: AtomicBool::new(false),
        };
        let (of_extensions, extensions): (Vec<_>, Vec<_>) = extensions.into_iter().unzip();
        let numbered = of_extensions.into_iter().enumerate().map(|(n, path)| (Endpoint::Extension(n), path));
        Self { places: paths.into_iter().chain(numbered).map(place).collect(), health, scrapes, extensions }
    }

    fn at(&self, path: &str) -> Option<&EndpointPath> {
        self.places.iter().find(|place| *place.path == *path)
    }

    pub(crate) fn find(&self, path: &str) -> Option<Endpoint> {
        self.at(path).map(|place| place.endpoint)
    }

    /// The endpoint that a request is for. If the application has a route of its own with this
    /// path, that route wins, and the first such request logs a warning.
    pub(crate) fn asked(&self, head: &RequestHead<'_>) -> Option<Endpoint> {
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
}

impl Endpoints {
    /// Answers a request for an endpoint.
    pub(crate) fn answer(self: &Arc<Self>, endpoint: Endpoint, head: &RequestHead<'_>) -> EndpointFuture {
        let (endpoints, method) = (Arc::clone(self), Method::parse(head.method));
        if let Endpoint::Extension(number) = endpoint {
            let respond = self.extensions.get(number);
            let answer = respond.and_then(|respond| catch(|| respond(head)).ok());
            return EndpointFuture::new(async move {
                let answer = match answer {
                    Some(answer) => answer.await,
                    None => Answer::new(500, "text/plain; charset=utf-8", "the endpoint panicked\n"),
                };
                answer.to(method)
            });
        }
        let scrape = (endpoint == Endpoint::Metrics).then(|| Scrape::of(head));
        EndpointFuture::new(async move {
            let answer = if !matches!(method, Method::Get | Method::Head) {
                Answer::new(405, "text/plain; charset=utf-8", "only GET and HEAD are allowed\n")
                    .header("allow", "GET, HEAD")
            } else {
                match (endpoint, scrape) {
                    (_, Some(scrape)) => endpoints.scrapes.answer(&scrape, method).await,
                    (Endpoint::Livez, _) => Health::live(),
                    _ => endpoints.health.ready().await,
                }
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
    fn probes_tell_live_from_ready() {
        let observer = Observer::builder("test").no_environment().build().expect("valid");
        let status = |path| get(&observer, "GET", path).expect("an endpoint").status();
        assert_eq!([status("/livez"), status("/readyz"), status("/health")], [200; 3]);
        observer.start_draining();
        assert_eq!([status("/livez"), status("/readyz"), status("/health")], [200, 503, 503]);
    }

    #[test]
    fn only_get_and_head_and_only_the_exact_path() {
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
