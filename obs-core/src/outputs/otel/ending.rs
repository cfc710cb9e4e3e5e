//! The end of a request's span: its status, and exception events for its error and its panic.

use std::time::SystemTime;

use opentelemetry::{
    KeyValue,
    trace::{Event, SpanRef, Status},
};

use super::{
    attributes::{self, KeyValues},
    waiting,
};
use crate::{
    base::panic::PanicReport,
    record::{
        error::ErrorReport,
        finished::{Record, RequestEnd},
    },
};

/// Returns the end time of the span: its start plus the duration that the metrics count. Changes of
/// the system's clock do not affect the duration.
fn time(record: &Record) -> SystemTime {
    record.start().started_at().checked_add(record.duration).unwrap_or_else(SystemTime::now)
}

/// Ends a span of the SDK.
pub(super) fn end(span: &SpanRef<'_>, record: &Record) {
    if !span.is_recording() {
        return;
    }
    if let Some(request) = record.request() {
        span.update_name(attributes::name(&request));
        attributes::at_end(&mut KeyValues(|attribute| span.set_attribute(attribute)), record, &request);
    }
    for event in exceptions(record) {
        span.add_event_with_timestamp(event.name, event.timestamp, event.attributes);
    }
    let status = status(record);
    if status != Status::Unset {
        span.set_status(status);
    }
    let backtrace = record.panic.as_ref().and_then(|panic| panic.backtrace.clone());
    waiting::with_backtrace(backtrace, || span.end_with_timestamp(time(record)));
}

/// Returns the status of the span. A probe's 5xx is not a failure of the service, but by the
/// conventions for HTTP it is an error of the span.
pub(super) fn status(record: &Record) -> Status {
    let failed_probe = |end: &RequestEnd| end.endpoint && end.status.is_some_and(|status| status >= 500);
    if record.error_type().is_some() || record.request().is_some_and(|request| failed_probe(request.end)) {
        Status::error(description(record))
    } else {
        Status::Unset
    }
}

/// Returns true if the error is only the message of a gRPC status, which is not an exception.
fn only_a_message(record: &Record) -> bool {
    let bare = |error: &ErrorReport| error.type_name.is_none() && error.sources.is_empty();
    let grpc = record.request().is_some_and(|request| request.end.grpc.is_some());
    grpc && record.error.as_deref().is_some_and(bare)
}

/// Returns the description of an error status. It is empty if the status code says enough.
fn description(record: &Record) -> String {
    if record.outcome.is_ok() && !only_a_message(record) {
        return String::new();
    }
    let panic = record.panic.as_ref().map(|panic| &panic.message);
    panic.or(record.error.as_ref().map(|error| &error.message)).cloned().unwrap_or_default()
}

/// Returns the exception events of the error and of the panic, which is the last (semantic
/// conventions for exceptions on spans).
pub(super) fn exceptions(record: &Record) -> impl Iterator<Item = Event> {
    let error = record.error.as_ref().filter(|_| !only_a_message(record)).map(|error| exception(error));
    let panic = record.panic.as_ref().map(|panic| panicked(panic));
    let event = |attributes| Event::new(waiting::EXCEPTION, time(record), attributes, 0);
    error.into_iter().chain(panic).map(event)
}

fn exception(error: &ErrorReport) -> Vec<KeyValue> {
    let mut attributes = vec![KeyValue::new("exception.message", error.message.clone())];
    attributes.extend(error.type_name.map(|name| KeyValue::new("exception.type", name)));
    if !error.sources.is_empty() {
        let sources: Vec<_> = error.sources.iter().map(|source| format!("caused by: {source}")).collect();
        attributes.push(KeyValue::new("exception.stacktrace", sources.join("\n")));
    }
    attributes
}

fn panicked(panic: &PanicReport) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("exception.type", "panic"),
        KeyValue::new("exception.message", panic.message.clone()),
    ];
    attributes
        .extend(panic.location.as_ref().map(|at| KeyValue::new(waiting::STACKTRACE, format!("at {at}"))));
    attributes
}
