//! The peers put together as somebody would who looks at what it costs: one span and one line per request, one percent of
//! the spans exported, nothing made that nobody reads, and no writing on the request's thread.

pub(super) mod actix;
pub(super) mod axum;

use std::time::Duration;

use opentelemetry::trace::{TraceContextExt as _, TraceId};
use sentry::integrations::tracing::ErrorLayer;
use tracing::{Span, info};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{
    Layer as _,
    filter::{LevelFilter, filter_fn},
    fmt,
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use super::output::{Lines, Spans};

/// Returns what flushes the lines when it is dropped.
fn subscribe(lines: &Lines, spans: &Spans) -> WorkerGuard {
    // It waits when it is full, so that no line is lost.
    let (writer, guard) = NonBlockingBuilder::default().lossy(false).finish(lines.clone());
    let spans = tracing_opentelemetry::layer()
        .with_tracer(spans.tracer())
        .with_location(false)
        .with_level(false)
        .with_target(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        // The line of the log needs not be in the span, too.
        .with_filter(filter_fn(|metadata| metadata.is_span()));
    tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(fmt::layer().json().with_span_list(false).with_writer(writer))
        .with(spans)
        .with(ErrorLayer::new().with_filter(LevelFilter::ERROR))
        .init();
    guard
}

/// The line of a request that has ended. Its other fields are the span's.
///
/// What is not known when the span is made is not recorded in it: for each record the layer that writes lines parses all
/// fields of the span and serialises them again.
fn line(span: &Span, status: u16, duration: Duration) {
    span.set_attribute("http.response.status_code", i64::from(status));
    let trace_id = span.context().span().span_context().trace_id();
    info!(
        parent: span,
        status,
        duration_us = duration.as_micros() as u64,
        trace_id = (trace_id != TraceId::INVALID).then(|| tracing::field::display(trace_id)),
        "request"
    );
}
