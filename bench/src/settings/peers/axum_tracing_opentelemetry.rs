//! axum-tracing-opentelemetry: a span for each request, and its trace in the response.

use axum_tracing_opentelemetry::middleware::{OtelAxumLayer, OtelInResponseLayer};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use super::output::Spans;
use crate::settings::{Setting, Share, axum};

pub(super) static AXUM: Setting = Setting {
    name: "axum-tracing-opentelemetry",
    bare: Some(&axum::BARE),
    run: |drive| {
        let spans = Spans::start(Share::All);
        tracing_subscriber::registry()
            .with(EnvFilter::new("info,otel::tracing=trace"))
            .with(tracing_opentelemetry::layer().with_tracer(spans.tracer()))
            .init();
        let requests = axum::drive(drive, || {
            let router = axum::router().layer(OtelInResponseLayer).layer(OtelAxumLayer::default());
            axum::served(router)
        });
        spans.check(requests);
    },
};
