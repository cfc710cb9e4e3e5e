use std::time::Instant;

use actix_web::{
    Error, HttpMessage as _,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
    middleware::{Next, from_fn},
};
use sentry::integrations::actix::Sentry;
use tracing::{Span, info_span};
use tracing_actix_web::{RequestId, RootSpanBuilder, TracingLogger};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{line, subscribe};
use crate::settings::{
    Setting, Share, actix,
    peers::{
        actix_parts::{caller, catch_panic},
        actix_web_prom,
        output::{Errors, Lines, Spans},
    },
};

const ID: HeaderName = HeaderName::from_static("x-request-id");

pub(in crate::settings::peers) static ACTIX: Setting = Setting {
    name: "actix-careful",
    bare: Some(&actix::BARE),
    run: |drive| {
        let (errors, spans, lines) = (Errors::start(), Spans::start(Share::OnePercent), Lines::default());
        let writer = subscribe(&lines, &spans);
        let metrics = actix_web_prom::metrics();
        let requests = {
            let metrics = metrics.clone();
            actix::drive(drive, move || {
                actix::app()
                    .wrap(from_fn(catch_panic))
                    .wrap(metrics.clone())
                    .wrap(from_fn(answer))
                    .wrap(TracingLogger::<MinimalRootSpan>::new())
                    .wrap(Sentry::new())
            })
        };
        drop(writer);
        lines.check(requests);
        spans.check(requests);
        errors.check(0);
        actix_web_prom::check(&metrics, requests);
    },
};

/// A builder of root spans with only the useful fields.
struct MinimalRootSpan;

impl RootSpanBuilder for MinimalRootSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let method = request.method().as_str();
        let route = request.match_pattern().unwrap_or_default();
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let id = id(request);
        let span = info_span!(
            "request",
            otel.name = %format_args!("{method} {route}"),
            otel.kind = "server",
            http.request.method = method,
            http.route = route,
            url.path = request.uri().path(),
            user_agent.original = header("user-agent"),
            request_id = id.as_ref().and_then(|id| id.to_str().ok()),
        );
        // This fails only without the layer of OpenTelemetry.
        let _ = span.set_parent(caller(request));
        span
    }

    /// Does nothing: `answer` writes the line, because it knows the time.
    fn on_request_end<B: MessageBody>(_: Span, _: &Result<ServiceResponse<B>, Error>) {}
}

/// The request id of the caller, or a new one.
fn id(request: &ServiceRequest) -> Option<HeaderValue> {
    request.headers().get(ID).cloned().or_else(|| {
        let id = request.extensions().get::<RequestId>()?.to_string();
        HeaderValue::try_from(id).ok()
    })
}

/// Writes the line of the request, and adds its id to the response.
async fn answer(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let (started, id) = (Instant::now(), id(&request));
    let mut result = next.call(request).await;
    let status = match &result {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    line(&Span::current(), status.as_u16(), started.elapsed());
    if let (Ok(response), Some(id)) = (&mut result, id) {
        response.headers_mut().insert(ID, id);
    }
    result
}
