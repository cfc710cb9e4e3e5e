//! Ends a request's span with its record.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use opentelemetry::{
    KeyValue,
    trace::{SpanRef, Status, TraceContextExt as _},
};

use super::{Tracing, attributes, waiting};
use crate::{ErrorReport, PanicReport, RecordSink, RequestRecord, identity::IdentityPolicy};

/// Its name.
pub(super) const SINK: &str = "spans";

pub(crate) struct SpanSink {
    tracing: Arc<Tracing>,
    identities: Arc<IdentityPolicy>,
}

impl SpanSink {
    pub(crate) const fn new(tracing: Arc<Tracing>, identities: Arc<IdentityPolicy>) -> Self {
        Self { tracing, identities }
    }
}

impl RecordSink for SpanSink {
    fn name(&self) -> &'static str {
        SINK
    }

    fn wants_starts(&self) -> bool {
        false
    }

    fn on_finish(&self, record: &RequestRecord) {
        if let Some(span) = record.state.span() {
            end(&span.context().span(), record);
        } else if record.endpoint && !record.is_quiet() {
            let span = self.tracing.belated(record.request(), &self.identities);
            end(&span.context().span(), record);
        }
    }

    fn flush(&self, deadline: Duration) -> bool {
        self.tracing.flush(deadline)
    }
}

fn end(span: &SpanRef<'_>, record: &RequestRecord) {
    if !span.is_recording() {
        return;
    }
    // Its duration is exactly that of the metrics, whatever the system's clock does meanwhile.
    let end = record.request().started_at.checked_add(record.duration).unwrap_or_else(SystemTime::now);
    span.update_name(attributes::name(record));
    attributes::at_end(record, |attribute| span.set_attribute(attribute));
    if let Some(error) = record.error.as_ref().filter(|_| !only_a_message(record)) {
        exception(span, end, error);
    }
    if let Some(panic) = &record.panic {
        panicked(span, end, panic);
    }
    // A probe's 5xx is no failure of the service, but one of HTTP's all the same.
    if record.error_type().is_some() || record.status.is_some_and(|status| status >= 500) {
        span.set_status(Status::error(description(record)));
    }
    let backtrace = record.panic.as_ref().and_then(|panic| panic.backtrace.clone());
    waiting::with_backtrace(backtrace, || span.end_with_timestamp(end));
}

/// What a status of gRPC says beside its code is no exception.
fn only_a_message(record: &RequestRecord) -> bool {
    let bare = |error: &ErrorReport| error.type_name.is_none() && error.sources.is_empty();
    record.grpc.is_some() && record.error.as_deref().is_some_and(bare)
}

/// Nothing where the status code tells it already.
fn description(record: &RequestRecord) -> String {
    if record.outcome.is_ok() && !only_a_message(record) {
        return String::new();
    }
    let panic = record.panic.as_ref().map(|panic| &panic.message);
    panic.or(record.error.as_ref().map(|error| &error.message)).cloned().unwrap_or_default()
}

/// The event of a recorded exception (semantic conventions for exceptions on spans).
fn exception(span: &SpanRef<'_>, at: SystemTime, error: &ErrorReport) {
    let mut attributes = vec![KeyValue::new("exception.message", error.message.clone())];
    attributes.extend(error.type_name.map(|name| KeyValue::new("exception.type", name)));
    if !error.sources.is_empty() {
        let sources: Vec<_> = error.sources.iter().map(|source| format!("caused by: {source}")).collect();
        attributes.push(KeyValue::new("exception.stacktrace", sources.join("\n")));
    }
    span.add_event_with_timestamp(waiting::EXCEPTION, at, attributes);
}

fn panicked(span: &SpanRef<'_>, at: SystemTime, panic: &PanicReport) {
    let mut attributes = vec![
        KeyValue::new("exception.type", "panic"),
        KeyValue::new("exception.message", panic.message.clone()),
    ];
    if let Some(location) = &panic.location {
        attributes.push(KeyValue::new(waiting::STACKTRACE, format!("at {location}")));
    }
    span.add_event_with_timestamp(waiting::EXCEPTION, at, attributes);
}
