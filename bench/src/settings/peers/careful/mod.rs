//! The peers combined by a user who watches the cost. There is one span and one line for each
//! request, one percent of the spans is exported, nothing is made that nobody reads, and no thread
//! of a request writes.

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

/// Installs the subscriber. Dropping the returned guard flushes the lines.
fn subscribe(lines: &Lines, spans: &Spans) -> WorkerGuard {
    // A full buffer blocks the writer, so no line is dropped.
    let (writer, guard) = NonBlockingBuilder::default().lossy(false).finish(lines.clone());
    let spans = tracing_opentelemetry::layer()
        .with_tracer(spans.tracer())
        .with_location(false)
        .with_level(false)
        .with_target(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        // The log line is not added to the span.
        .with_filter(filter_fn(|metadata| metadata.is_span()));
    tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(fmt::layer().json().with_span_list(false).with_writer(writer))
        .with(spans)
        .with(ErrorLayer::new().with_filter(LevelFilter::ERROR))
        .init();
    guard
}

/// Writes the line of a request that has ended. The other fields come from the span.
///
/// Fields that are unknown when the span is made are not recorded in it. For each recorded field,
/// the layer that writes lines would parse all fields of the span and serialise them again.
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
