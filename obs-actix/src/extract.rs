//! Extractors: the request's id and its handle.

use std::{
    convert::Infallible,
    fmt,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpMessage, HttpRequest, ResponseError, dev::Payload};
use obs_core::{Work, trace::TraceContext};

/// Extracts the request's id.
///
/// # Errors
/// 500 with an explanation if no middleware of an observer is around the route: the program's mistake, which
/// its first request shows. `Option<RequestId>` is `None` then.
///
/// ```
/// use obs_actix::RequestId;
///
/// async fn item(RequestId(id): RequestId) -> String {
///     format!("request {id}")
/// }
/// # actix_web::App::new().route("/", actix_web::web::get().to(item));
/// ```
#[derive(Clone, Debug)]
pub struct RequestId(pub obs_core::RequestId);

/// Extracts the request's handle; outside of a middleware, one that does nothing.
///
/// [`current()`](obs_core::current) is the same handle without an argument.
///
/// ```
/// use obs_actix::Handle;
///
/// async fn buy(Handle(request): Handle) -> &'static str {
///     request.set("cart.items", 3);
///     actix_web::rt::spawn(request.scope(async { /* `current()` works here, too */ }));
///     "bought"
/// }
/// # actix_web::App::new().route("/", actix_web::web::get().to(buy));
/// ```
#[derive(Clone, Debug)]
pub struct Handle(pub Work);

/// Extracts the request's place in its trace, to be [injected](obs_core::trace::TraceContext::inject) into what it calls.
///
/// # Errors
/// As [`RequestId`].
///
/// ```
/// use obs_actix::Trace;
///
/// async fn item(Trace(trace): Trace) -> String {
///     format!("trace {}", trace.trace_id)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Trace(pub TraceContext);

/// No middleware of an observer is around the route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotObserved;

impl fmt::Display for NotObserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no obs middleware is around this route: `.wrap(Observe::new(&observer))` the app")
    }
}

impl std::error::Error for NotObserved {}

/// 500, the default.
impl ResponseError for NotObserved {}

impl FromRequest for RequestId {
    type Error = NotObserved;
    type Future = Ready<Result<Self, NotObserved>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let extensions = request.extensions();
        let id = extensions.get::<Work>().and_then(Work::id);
        ready(id.cloned().map(Self).ok_or(NotObserved))
    }
}

impl FromRequest for Trace {
    type Error = NotObserved;
    type Future = Ready<Result<Self, NotObserved>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let extensions = request.extensions();
        let trace = extensions.get::<Work>().and_then(Work::trace);
        ready(trace.cloned().map(Self).ok_or(NotObserved))
    }
}

impl FromRequest for Handle {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(request.extensions().get::<Work>().cloned().unwrap_or_default())))
    }
}
