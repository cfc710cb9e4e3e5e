//! The end of a request's span: its status, and exception events for its error and its panic.

use std::time::SystemTime;

use opentelemetry::{
    KeyValue,
    trace::{Event, SpanRef, Status},
};

use super::{
    attributes::{self, KeyValues},
    call_attributes, waiting,
};
use crate::{
    outputs::exception::{Exception, MESSAGE, STACKTRACE, TYPE, is_only_a_message},
    record::finished::{Record, RecordKind, RequestEnd},
};

/// Returns the end time of the span: its start plus the duration that the metrics count. Changes of
/// the system's clock do not affect the duration.
fn time(record: &Record) -> SystemTime {
    record.start().started_at().checked_add(record.duration).unwrap_or_else(SystemTime::now)
}

/// Ends a span of the SDK. `with_exceptions` adds its exceptions as events.
pub(super) fn end(span: &SpanRef<'_>, record: &Record, with_exceptions: bool) {
    if !span.is_recording() {
        return;
    }
    if let Some(request) = record.request() {
        span.update_name(attributes::name(&request));
        attributes::at_end(&mut KeyValues(|attribute| span.set_attribute(attribute)), record, &request);
    }
    if let Some(call) = record.call() {
        let mut all = KeyValues(|attribute| span.set_attribute(attribute));
        call_attributes::at_end(&mut all, record, &call);
    }
    if record.span().is_some() {
        attributes::of_span(&mut KeyValues(|attribute| span.set_attribute(attribute)), record);
    }
    for event in exceptions(record).filter(|_| with_exceptions) {
        span.add_event_with_timestamp(event.name, event.timestamp, event.attributes);
    }
    let status = status(record);
    if status != Status::Unset {
        span.set_status(status);
    }
    let panic = record.panic.as_ref().filter(|_| with_exceptions);
    let backtrace = panic.and_then(|panic| panic.backtrace.clone());
    waiting::with_backtrace(backtrace, || span.end_with_timestamp(time(record)));
}

/// Returns the status of the span. A probe's 5xx is not a failure of the service, but by the
/// conventions for HTTP it is an error of the span.
pub(super) fn status(record: &Record) -> Status {
    let failed_probe = matches!(&record.kind, RecordKind::Request(end) if is_failed_probe(end));
    if failed_probe || record.error_type().is_some() {
        Status::error(description(record))
    } else {
        Status::Unset
    }
}

fn is_failed_probe(end: &RequestEnd) -> bool {
    end.endpoint && end.status.is_some_and(|status| status >= 500)
}

/// Returns the description of an error status. It is empty if the status code says enough.
fn description(record: &Record) -> String {
    if record.outcome.is_ok() && !is_only_a_message(record) {
        return String::new();
    }
    let panic = record.panic.as_ref().map(|panic| &panic.message);
    panic.or(record.error.as_ref().map(|error| &error.message)).cloned().unwrap_or_default()
}

/// Returns the exception events of the error and of the panic, which is the last (semantic
/// conventions for exceptions on spans).
pub(super) fn exceptions(record: &Record) -> impl Iterator<Item = Event> {
    Exception::all(record)
        .map(|exception| Event::new(waiting::EXCEPTION, time(record), attributes_of(exception), 0))
}

fn attributes_of(exception: Exception<'_>) -> Vec<KeyValue> {
    let Exception { kind, message, stacktrace, .. } = exception;
    let mut attributes = vec![KeyValue::new(MESSAGE, message.to_owned())];
    attributes.extend(kind.map(|kind| KeyValue::new(TYPE, kind)));
    attributes.extend(stacktrace.map(|stacktrace| KeyValue::new(STACKTRACE, stacktrace)));
    attributes
}
