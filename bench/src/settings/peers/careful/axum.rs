use std::time::Duration;

use ::axum::extract::{MatchedPath, Request};
use ::tower::ServiceBuilder;
use axum_prometheus::PrometheusMetricLayer;
use http::Response;
use opentelemetry::global;
use opentelemetry_http::HeaderExtractor;
use sentry::integrations::tower::{NewSentryLayer, SentryHttpLayer};
use tower_http::{
    ServiceBuilderExt as _, catch_panic::CatchPanicLayer, request_id::MakeRequestUuid, trace::TraceLayer,
};
use tracing::{Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{line, subscribe};
use crate::settings::{
    Setting, Share, axum,
    peers::{
        axum_prometheus::TOTAL,
        output::{Errors, Lines, Spans, total},
    },
};

pub(in crate::settings::peers) static AXUM: Setting = Setting {
    name: "axum-careful",
    bare: Some(&axum::BARE),
    run: |drive| {
        let (errors, spans, lines) = (Errors::start(), Spans::start(Share::OnePercent), Lines::default());
        let writer = subscribe(&lines, &spans);
        let mut page = None;
        let requests = axum::drive(drive, || {
            let (metrics, handle) = PrometheusMetricLayer::pair();
            page = Some(handle);
            let layers = ServiceBuilder::new()
                .layer(NewSentryLayer::<Request>::new_from_top())
                .layer(SentryHttpLayer::new())
                .set_x_request_id(MakeRequestUuid)
                .layer(
                    TraceLayer::new_for_http()
                        .make_span_with(span)
                        .on_request(())
                        .on_response(|response: &Response<_>, latency: Duration, span: &Span| {
                            line(span, response.status().as_u16(), latency);
                        })
                        .on_body_chunk(())
                        .on_eos(())
                        .on_failure(()),
                )
                .propagate_x_request_id()
                .layer(metrics)
                .layer(CatchPanicLayer::new());
            axum::served(axum::router().layer(layers))
        });
        drop(writer);
        lines.check(requests);
        spans.check(requests);
        errors.check(0);
        let page = page.expect("the application was made").render();
        assert_eq!(total(&page, TOTAL), requests, "not every request is in the metrics");
    },
};

/// The span of a request, in the trace of the caller.
fn span(request: &Request) -> Span {
    let method = request.method().as_str();
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let span = info_span!(
        "request",
        otel.name = %format_args!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        url.path = request.uri().path(),
        user_agent.original = header("user-agent"),
        request_id = header("x-request-id"),
    );
    let caller =
        global::get_text_map_propagator(|propagator| propagator.extract(&HeaderExtractor(request.headers())));
    // This fails only without the layer of OpenTelemetry.
    let _ = span.set_parent(caller);
    span
}
