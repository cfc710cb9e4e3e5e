//! Extractors of the request's work, its id and its trace position.

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest, dev::Payload, error::InternalError, http::StatusCode,
};
use obs_core::{RequestId, Work, adapter::NotObserved, trace::TraceContext};

const NOT_OBSERVED: NotObserved =
    NotObserved::new("call `.wrap(Observe::new(&observer))` on the app, as its last `wrap`");

/// The response on a route without the middleware: 500 with an explanation.
type Rejection = InternalError<NotObserved>;

fn rejection(error: NotObserved) -> Rejection {
    InternalError::new(error, StatusCode::INTERNAL_SERVER_ERROR)
}

/// An extractor of the request's id.
///
/// # Errors
/// 500 with an explanation if no middleware of an observer encloses the route. This is a mistake in
/// the program, which the first request shows. `Option<CurrentId>` is `None` in this case.
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

/// An extractor of the request's handle. Without the middleware, it is a handle that does nothing.
///
/// [`current()`](obs_core::current) returns the same handle without an argument.
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

/// An extractor of the request's trace position, to [inject](TraceContext::inject) into outgoing
/// calls.
///
/// # Errors
/// The same as for [`CurrentId`].
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
