use ::axum::extract::Request;
use ::tower::ServiceBuilder;
use axum_prometheus::PrometheusMetricLayer;
use axum_tracing_opentelemetry::middleware::{OtelAxumLayer, OtelInResponseLayer};
use sentry::integrations::tower::{NewSentryLayer, SentryHttpLayer};
use tower_http::{
    ServiceBuilderExt as _,
    catch_panic::CatchPanicLayer,
    request_id::MakeRequestUuid,
    trace::{DefaultMakeSpan, DefaultOnResponse, TraceLayer},
};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use super::sentry_layer;
use crate::settings::{
    Setting, Share, axum,
    peers::{
        axum_prometheus::TOTAL,
        output::{Errors, Lines, Spans, total},
        tower_http::LINES,
    },
};

pub(in crate::settings::peers) static AXUM: Setting = Setting {
    name: "axum-documented",
    bare: Some(&axum::BARE),
    run: |drive| {
        let (errors, spans, lines) = (Errors::start(), Spans::start(Share::All), Lines::default());
        tracing_subscriber::registry()
            .with(sentry_layer())
            .with(EnvFilter::new("info,tower_http=debug,otel::tracing=trace"))
            .with(fmt::layer().json().with_writer(lines.clone()))
            .with(tracing_opentelemetry::layer().with_tracer(spans.tracer()))
            .init();
        let mut page = None;
        let requests = axum::drive(drive, || {
            let (metrics, handle) = PrometheusMetricLayer::pair();
            page = Some(handle);
            let layers = ServiceBuilder::new()
                .layer(NewSentryLayer::<Request>::new_from_top())
                .layer(SentryHttpLayer::new())
                .set_x_request_id(MakeRequestUuid)
                .layer(OtelAxumLayer::default())
                .layer(OtelInResponseLayer)
                .layer(
                    TraceLayer::new_for_http()
                        .make_span_with(DefaultMakeSpan::new().include_headers(true))
                        .on_response(DefaultOnResponse::new().include_headers(true)),
                )
                .propagate_x_request_id()
                .layer(metrics)
                .layer(CatchPanicLayer::new());
            axum::served(axum::router().layer(layers))
        });
        lines.check(LINES * requests);
        // The spans of tower-http are also exported, as children of the others.
        spans.check(2 * requests);
        errors.check(0);
        let page = page.expect("the application was made").render();
        assert_eq!(total(&page, TOTAL), requests, "not every request is in the metrics");
    },
};
