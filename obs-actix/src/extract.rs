//! Extractors: the work that is a request, its id and its place in its trace.

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest, dev::Payload, error::InternalError, http::StatusCode,
};
use obs_core::{RequestId, Work, adapter::NotObserved, trace::TraceContext};

const NOT_OBSERVED: NotObserved = NotObserved::new("`.wrap(Observe::new(&observer))` the app");

/// The answer where no middleware is around the route: 500 with an explanation.
type Rejection = InternalError<NotObserved>;

fn rejection(error: NotObserved) -> Rejection {
    InternalError::new(error, StatusCode::INTERNAL_SERVER_ERROR)
}

/// Extracts the request's id.
///
/// # Errors
/// 500 with an explanation if no middleware of an observer is around the route: the program's mistake, which
/// its first request shows. `Option<CurrentId>` is `None` then.
///
/// ```
/// use obs_actix::CurrentId;
///
/// async fn item(CurrentId(id): CurrentId) -> String {
///     format!("request {id}")
/// }
/// # actix_web::App::new().route("/", actix_web::web::get().to(item));
/// ```
#[derive(Clone, Debug)]
pub struct CurrentId(pub RequestId);

/// Extracts the handle of the request's work; outside of a middleware, one that does nothing.
///
/// [`current()`](obs_core::current) is the same handle without an argument.
///
/// ```
/// use obs_actix::CurrentWork;
///
/// async fn buy(CurrentWork(work): CurrentWork) -> &'static str {
///     work.set("cart.items", 3);
///     actix_web::rt::spawn(work.scope(async { /* `current()` works here, too */ }));
///     "bought"
/// }
/// # actix_web::App::new().route("/", actix_web::web::get().to(buy));
/// ```
#[derive(Clone, Debug)]
pub struct CurrentWork(pub Work);

/// Extracts the request's place in its trace, to be [injected](TraceContext::inject) into what it calls.
///
/// # Errors
/// As [`CurrentId`].
///
/// ```
/// use obs_actix::CurrentTrace;
///
/// async fn item(CurrentTrace(trace): CurrentTrace) -> String {
///     format!("trace {}", trace.trace_id)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct CurrentTrace(pub TraceContext);

impl FromRequest for CurrentId {
    type Error = Rejection;
    type Future = Ready<Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(NOT_OBSERVED.id(request.extensions().get()).map(Self).map_err(rejection))
    }
}

impl FromRequest for CurrentTrace {
    type Error = Rejection;
    type Future = Ready<Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(NOT_OBSERVED.trace(request.extensions().get()).map(Self).map_err(rejection))
    }
}

impl FromRequest for CurrentWork {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(request.extensions().get().cloned().unwrap_or_default())))
    }
}
