//! A record as one line of JSON. Names are OpenTelemetry's where it has one.

use crate::{RequestRecord, json::Object};

/// Appends the record's line, with its line feed.
pub(super) fn write(out: &mut Vec<u8>, record: &RequestRecord) {
    let request = record.request();
    let mut object = Object::open(out);
    object.time("time", request.started_at);
    object.text("service.name", &request.service);
    object.word("request_id", request.id.as_str());
    object.word("trace_id", &request.trace.trace_id.hex());
    object.word("span_id", &request.trace.span_id.hex());
    if let Some(parent) = &request.trace.parent_id {
        object.word("parent_span_id", &parent.hex());
    }
    if let Some(link) = &request.trace.link {
        object.word("link.trace_id", &link.trace_id.hex());
        object.word("link.span_id", &link.span_id.hex());
    }
    object.word("http.request.method", request.method.as_str());
    if let Some(original) = &request.method_original {
        object.text("http.request.method_original", original);
    }
    if let Some(route) = &record.route {
        object.text("http.route", route.as_str());
    }
    object.text("url.path", &request.path);
    if let Some(version) = request.version {
        object.word("network.protocol.version", version.as_str());
    }
    if let Some(status) = record.status {
        object.number("http.response.status_code", u64::from(status));
    }
    object.word("outcome", record.outcome.as_str());
    error(&mut object, record);
    object.millis("duration_ms", record.duration);
    if let Some(time) = record.time_to_head {
        object.millis("time_to_head_ms", time);
    }
    if let Some(bytes) = record.request_bytes.filter(|bytes| *bytes > 0) {
        object.number("http.request.body.size", bytes);
    }
    object.number("http.response.body.size", record.response_bytes);
    if record.stream {
        object.flag("stream");
    }
    if record.draining {
        object.flag("draining");
    }
    let mut fields = record.fields.iter().peekable();
    if fields.peek().is_some() {
        object.object("fields", |object| {
            for (key, field) in fields {
                object.value(key, field);
            }
        });
    }
    if record.fields.dropped() > 0 {
        object.number("fields_dropped", u64::from(record.fields.dropped()));
    }
    object.close();
    out.push(b'\n');
}

fn error(object: &mut Object<'_>, record: &RequestRecord) {
    let error = record.error.as_ref();
    if let Some(error_type) = record.error_type() {
        object.text("error.type", error_type);
    } else if let Some(reported) = error.and_then(|error| error.type_name) {
        // An error below 500 is no failure, but its type is still worth reading.
        object.text("exception.type", reported);
    }
    if let Some(panic) = &record.panic {
        object.text("error.message", &panic.message);
        if let Some(location) = &panic.location {
            object.text("error.location", &location.to_string());
        }
    } else if let Some(error) = error {
        object.text("error.message", &error.message);
        if !error.sources.is_empty() {
            object.texts("error.sources", &error.sources);
        }
    }
}
