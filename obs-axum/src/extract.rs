//! Extractors of the request's work, its id and its trace position.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::{StatusCode, request::Parts};
use obs_core::{RequestId, Work, adapter::NotObserved, trace::TraceContext};

const NOT_OBSERVED: NotObserved = NotObserved::new("call `.observed(&observer)` on the router");

/// The response on a route without the layer: 500 with an explanation.
type Rejection = (StatusCode, String);

fn rejection(error: NotObserved) -> Rejection {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

/// An extractor of the request's id.
///
/// # Errors
/// 500 with an explanation if no layer of an observer encloses the route. This is a mistake in the
/// program, which the first request shows. `Option<CurrentId>` is `None` in this case.
///
/// ```
/// use axum::{Router, routing::get};
/// use obs_axum::{CurrentId, Observer, RouterExt};
///
/// async fn item(CurrentId(id): CurrentId) -> String {
///     format!("request {id}")
/// }
/// let observer = Observer::builder("shop").build()?;
/// let app = Router::new().route("/", get(item)).observed(&observer);
/// # Ok::<(), obs_axum::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct CurrentId(pub RequestId);

/// An extractor of the request's handle. Without the layer, it is a handle that does nothing.
///
/// [`current()`](obs_core::current) returns the same handle without an argument.
///
/// ```
/// use obs_axum::CurrentWork;
///
/// async fn buy(CurrentWork(work): CurrentWork) {
///     work.set("cart.items", 3);
///     tokio::spawn(work.scope(async { /* `current()` works here, too */ }));
/// }
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
/// use obs_axum::CurrentTrace;
///
/// async fn item(CurrentTrace(trace): CurrentTrace) -> String {
///     format!("trace {}", trace.trace_id)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct CurrentTrace(pub TraceContext);

impl<S: Sync> FromRequestParts<S> for CurrentId {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        NOT_OBSERVED.id(parts.extensions.get()).map(Self).map_err(rejection)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for CurrentId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(NOT_OBSERVED.id(parts.extensions.get()).ok().map(Self))
    }
}

impl<S: Sync> FromRequestParts<S> for CurrentTrace {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        NOT_OBSERVED.trace(parts.extensions.get()).map(Self).map_err(rejection)
    }
}

impl<S: Sync> FromRequestParts<S> for CurrentWork {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get().cloned().unwrap_or_default()))
    }
}
