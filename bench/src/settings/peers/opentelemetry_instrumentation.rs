//! OpenTelemetry's own middleware for tower and for actix-web: a span and metrics, without
//! `tracing`.

use opentelemetry_instrumentation_actix_web::{RequestMetrics, RequestTracing};
use opentelemetry_instrumentation_tower::http::server::Layer;

use super::output::{Metrics, Spans};
use crate::settings::{Setting, Share, actix, axum};

pub(super) static AXUM: Setting = Setting {
    name: "axum-otel-instrumentation",
    bare: Some(&axum::BARE),
    run: |drive| {
        checked(|| axum::drive(drive, || axum::served(axum::router().layer(Layer::new()))));
    },
};

pub(super) static ACTIX: Setting = Setting {
    name: "actix-otel-instrumentation",
    bare: Some(&actix::BARE),
    run: |drive| {
        checked(|| {
            actix::drive(drive, || actix::app().wrap(RequestTracing::new()).wrap(RequestMetrics::default()))
        });
    },
};

fn checked(run: impl FnOnce() -> u64) {
    let (spans, metrics) = (Spans::start(Share::All), Metrics::start());
    let requests = run();
    spans.check(requests);
    metrics.check(requests);
}
