//! The endpoints that the middleware answers itself. The health pages are some of them.

pub(crate) mod health;

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

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
    /// True after the first request for a health endpoint.
    probed: AtomicBool,
}

struct EndpointPath {
    endpoint: Endpoint,
    path: Box<str>,
    /// True once a warning about a route at the same path is logged.
    warned: AtomicBool,
}

impl EndpointPath {
    /// Logs a warning, the first time.
    #[cold]
    #[inline(never)]
    fn warn(&self, problem: fmt::Arguments<'_>) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            diagnostics::warn(format_args!(
                "{problem}; `endpoint_path` sets another path, `without_endpoints` disables all built-in endpoints"
            ));
        }
    }
}

impl Endpoints {
    pub(crate) fn new(installed: Vec<InstalledEndpoint>) -> Self {
        let place = |InstalledEndpoint { endpoint, path, respond }| {
            (EndpointPath { endpoint, path: path.into(), warned: AtomicBool::new(false) }, respond)
        };
        let (places, responds) = installed.into_iter().map(place).unzip();
        Self { places, responds, probed: AtomicBool::new(false) }
    }

    fn at(&self, path: &str) -> Option<&EndpointPath> {
        self.places.iter().find(|place| *place.path == *path)
    }

    #[inline]
    pub(crate) fn find(&self, path: &str) -> Option<Endpoint> {
        self.at(path).map(|place| place.endpoint)
    }

    /// Returns the endpoint that a request is for.
    ///
    /// The application's route wins if its text is exactly this path, and for methods other than
    /// GET and HEAD. Otherwise the endpoint wins. The first request for which both exist logs a
    /// warning, but not that of another method, which loses nothing.
    #[inline]
    pub(crate) fn requested(&self, head: &RequestHead<'_>) -> Option<Endpoint> {
        let place = self.at(head.path)?;
        self.note_probe(place.endpoint);
        let Some(route) = head.application_route() else { return Some(place.endpoint) };
        let (path, endpoint) = (head.path, place.endpoint);
        if route == path {
            place.warn(format_args!("the application's route {path} hides the obs endpoint {endpoint:?}"));
            return None;
        }
        if !matches!(head.method, "GET" | "HEAD") {
            return None;
        }
        place.warn(format_args!(
            "the obs endpoint {endpoint:?} answers GET {path}, which the application's route {route} matches, too"
        ));
        Some(endpoint)
    }

    /// Notes a request for a health endpoint, even if the application's own route answers it.
    fn note_probe(&self, endpoint: Endpoint) {
        if matches!(endpoint, Endpoint::Health | Endpoint::Livez | Endpoint::Readyz) {
            self.probed.store(true, Ordering::Relaxed);
        }
    }

    /// Returns true if a health endpoint was ever requested.
    #[cfg(feature = "tokio")]
    pub(crate) fn were_probed(&self) -> bool {
        self.probed.load(Ordering::Relaxed)
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
    use crate::{base::test_log::Log, observer::Observer, record::endpoint::Endpoint};

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
        let posted = get(&observer, "POST", "/livez").expect("an endpoint");
        assert_eq!(posted.status(), 405);
        assert!(posted.headers().any(|header| header == ("allow", "GET, HEAD")));
        assert!(get(&observer, "GET", "/livez/").is_none());
        assert!(get(&observer, "GET", "/").is_none());
    }

    /// A route and an endpoint at one path: the path, the route, the method, and the warning.
    #[test]
    fn an_endpoint_and_a_route_at_one_path_log_one_warning() {
        const HIDDEN: &str = "WARN the application's route /health hides the obs endpoint Health; \
            `endpoint_path` sets another path, `without_endpoints` disables all built-in endpoints";
        const SHARED: &str = "WARN the obs endpoint Health answers GET /health, which the application's \
            route /<key> matches, too; `endpoint_path` sets another path, `without_endpoints` disables \
            all built-in endpoints";
        for (route, method, answers, warning) in [
            (Some("/health"), "GET", false, Some(HIDDEN)),
            (Some("/health"), "POST", false, Some(HIDDEN)),
            // The syntax of templates does not matter.
            (Some("/<key>"), "GET", true, Some(SHARED)),
            (Some("/<key>"), "HEAD", true, Some(SHARED)),
            (Some("/<key>"), "POST", false, None),
            (None, "POST", true, None),
        ] {
            let log = Log::new();
            let _listening = log.clone().listen();
            let observer = Observer::builder("test").no_environment().build().expect("valid");
            let find = || route.map(str::to_owned);
            for head in [
                RequestHead::new(method, "/health", &()).find_route(&find),
                RequestHead::new(method, "/health", &()).route(route),
            ] {
                assert_eq!(observer.endpoints().requested(&head).is_some(), answers, "{route:?} {method}");
            }
            assert_eq!(log.lines(), Vec::from_iter(warning), "{route:?} {method}");
        }
    }

    #[test]
    fn endpoints_can_be_switched_off() {
        let observer = Observer::builder("test").no_environment().without_endpoints().build().expect("valid");
        assert!(Endpoint::ALL.iter().all(|e| get(&observer, "GET", e.default_path()).is_none()));
    }
}
