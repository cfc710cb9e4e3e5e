//! Extractors: the request's id and its handle.

use std::{convert::Infallible, fmt};

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};
use obs_core::{Work, trace::TraceContext};

/// Extracts the request's id.
///
/// # Errors
/// 500 with an explanation if no layer of an observer is around the route: the program's mistake, which its
/// first request shows. `Option<RequestId>` is `None` then.
///
/// ```
/// use axum::{Router, routing::get};
/// use obs_axum::{Observer, RequestId, RouterExt};
///
/// async fn item(RequestId(id): RequestId) -> String {
///     format!("request {id}")
/// }
/// let observer = Observer::builder("shop").build()?;
/// let app = Router::new().route("/", get(item)).observed(&observer);
/// # Ok::<(), obs_axum::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RequestId(pub obs_core::RequestId);

/// Extracts the request's handle; outside of a layer, one that does nothing.
///
/// [`current()`](obs_core::current) is the same handle without an argument.
///
/// ```
/// use obs_axum::Handle;
///
/// async fn buy(Handle(request): Handle) {
///     request.set("cart.items", 3);
///     tokio::spawn(request.scope(async { /* `current()` works here, too */ }));
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Handle(pub Work);

/// Extracts the request's place in its trace, to be [injected](obs_core::trace::TraceContext::inject) into what it calls.
///
/// # Errors
/// As [`RequestId`].
///
/// ```
/// use obs_axum::Trace;
///
/// async fn item(Trace(trace): Trace) -> String {
///     format!("trace {}", trace.trace_id)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Trace(pub TraceContext);

/// No layer of an observer is around the route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotObserved;

impl fmt::Display for NotObserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no obs layer is around this route: call `.observed(&observer)` on the router")
    }
}

impl std::error::Error for NotObserved {}

impl IntoResponse for NotObserved {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = NotObserved;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NotObserved> {
        id(parts).ok_or(NotObserved)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(id(parts))
    }
}

impl<S: Sync> FromRequestParts<S> for Trace {
    type Rejection = NotObserved;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NotObserved> {
        let handle = parts.extensions.get::<Work>();
        handle.and_then(Work::trace).cloned().map(Self).ok_or(NotObserved)
    }
}

impl<S: Sync> FromRequestParts<S> for Handle {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get().cloned().unwrap_or_default()))
    }
}

fn id(parts: &Parts) -> Option<RequestId> {
    let handle = parts.extensions.get::<Work>()?;
    handle.id().cloned().map(RequestId)
}
