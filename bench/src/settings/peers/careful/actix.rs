use std::time::Instant;

use actix_web::{
    Error, HttpMessage as _,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
    middleware::{Next, from_fn},
};
use sentry::integrations::actix::Sentry;
use tracing::{Span, field::Empty, info, info_span};
use tracing_actix_web::{RequestId, RootSpanBuilder, TracingLogger};

use super::{
    super::{
        super::{Setting, Share, actix},
        actix_parts::{Rooted, catch_panic},
        actix_web_prom,
        output::{Errors, Lines, Spans},
    },
    subscribe,
};

pub(in super::super) static ACTIX: Setting = Setting {
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
                    .wrap(from_fn(line))
                    .wrap(TracingLogger::<Rooted<Lean>>::new())
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

/// Only what somebody looks at.
struct Lean;

impl RootSpanBuilder for Lean {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let method = request.method().as_str();
        let route = request.match_pattern().unwrap_or_default();
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let span = info_span!(
            "request",
            otel.name = %format_args!("{method} {route}"),
            otel.kind = "server",
            http.request.method = method,
            http.route = route,
            http.response.status_code = Empty,
            url.path = request.uri().path(),
            user_agent.original = header("user-agent"),
            request_id = header("x-request-id"),
            trace_id = Empty,
        );
        if header("x-request-id").is_none()
            && let Some(id) = request.extensions().get::<RequestId>()
        {
            span.record("request_id", tracing::field::display(id));
        }
        span
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let status = outcome
            .as_ref()
            .map_or_else(|error| error.as_response_error().status_code(), |response| response.status());
        span.record("http.response.status_code", i64::from(status.as_u16()));
    }
}

/// The request's line, and its id in the response: the caller's, if there is one.
async fn line(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let started = Instant::now();
    let name = HeaderName::from_static("x-request-id");
    let id = request.headers().get(&name).cloned().or_else(|| {
        let id = request.extensions().get::<RequestId>()?.to_string();
        HeaderValue::try_from(id).ok()
    });
    let mut response = next.call(request).await?;
    if let Some(id) = id {
        response.headers_mut().insert(name, id);
    }
    info!(status = response.status().as_u16(), duration_us = started.elapsed().as_micros() as u64, "request");
    Ok(response)
}
