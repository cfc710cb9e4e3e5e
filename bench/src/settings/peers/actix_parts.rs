//! Parts that users of the crates for actix-web must write themselves.

use std::{marker::PhantomData, panic::AssertUnwindSafe};

use actix_web::{
    Error, HttpMessage as _,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    error::ErrorInternalServerError,
    http::header::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
};
use futures_util::FutureExt as _;
use opentelemetry::{
    Context, global,
    propagation::Extractor,
    trace::{TraceContextExt as _, TraceId},
};
use tracing::{Span, field::display};
use tracing_actix_web::{RequestId, RootSpanBuilder};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// A builder of root spans that adds the caller's trace and its id to the span of another builder.
///
/// tracing-actix-web has this feature only for older versions of OpenTelemetry.
pub(super) struct Rooted<B>(PhantomData<B>);

impl<B: RootSpanBuilder> RootSpanBuilder for Rooted<B> {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let span = B::on_request_start(request);
        // This fails only without the layer of OpenTelemetry.
        let _ = span.set_parent(caller(request));
        let trace = span.context().span().span_context().trace_id();
        if trace != TraceId::INVALID {
            span.record("trace_id", display(trace));
        }
        span
    }

    fn on_request_end<R: MessageBody>(span: Span, outcome: &Result<ServiceResponse<R>, Error>) {
        B::on_request_end(span, outcome);
    }
}

/// The trace of the caller.
pub(super) fn caller(request: &ServiceRequest) -> Context {
    global::get_text_map_propagator(|propagator| propagator.extract(&Headers(request.headers())))
}

struct Headers<'h>(&'h HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// Adds the request id to the response.
pub(super) async fn answer_id(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let id = request.extensions().get::<RequestId>().map(ToString::to_string);
    let mut response = next.call(request).await?;
    if let Some(id) = id.and_then(|id| HeaderValue::try_from(id).ok()) {
        response.headers_mut().insert(HeaderName::from_static("x-request-id"), id);
    }
    Ok(response)
}

/// Converts a panic to a 500, so the connection stays open.
pub(super) async fn catch_panic(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let result = AssertUnwindSafe(next.call(request)).catch_unwind().await;
    result.unwrap_or_else(|_| Err(ErrorInternalServerError("a panic")))
}
