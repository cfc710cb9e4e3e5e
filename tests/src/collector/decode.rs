//! The decoder, which converts the official messages to spans and finds faults in them. Most
//! collectors store invalid spans without an error, so a fault would show only when somebody looks
//! for the trace.

use std::mem::discriminant;

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value as Any},
    trace::v1::{
        self as proto, SpanFlags,
        span::SpanKind,
        status::StatusCode::{self, Error, Unset},
    },
};
use serde_json::{Number, Value};

use super::spans::{Attributes, Event, Link, Span};

/// The defined flags: those of `traceparent`, and the two about a remote parent.
const FLAGS: u32 = 0xff | HAS_IS_REMOTE | IS_REMOTE;
const HAS_IS_REMOTE: u32 = SpanFlags::ContextHasIsRemoteMask as u32;
const IS_REMOTE: u32 = SpanFlags::ContextIsRemoteMask as u32;

/// Returns the spans of a request, and its faults.
pub(super) fn decode(request: &ExportTraceServiceRequest) -> (Vec<Span>, Vec<String>) {
    let mut spans = Vec::new();
    let mut faults = Faults { place: "a resource".to_owned(), found: Vec::new() };
    for of_resource in &request.resource_spans {
        "a resource".clone_into(&mut faults.place);
        let resource = of_resource.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
        let resource = faults.attributes(resource);
        let named = resource.get("service.name").and_then(Value::as_str).is_some_and(|name| !name.is_empty());
        faults.require(named, "no service.name");
        for of_scope in &of_resource.scope_spans {
            let (scope, scope_version) = match &of_scope.scope {
                Some(scope) => (scope.name.clone(), scope.version.clone()),
                None => Default::default(),
            };
            for span in &of_scope.spans {
                faults.place = format!("span {:?}", span.name);
                let span = faults.span(span);
                spans.push(Span {
                    resource: resource.clone(),
                    scope: scope.clone(),
                    scope_version: scope_version.clone(),
                    ..span
                });
            }
        }
    }
    "a request".clone_into(&mut faults.place);
    faults.require(!spans.is_empty(), "no spans");
    (spans, faults.found)
}

struct Faults {
    place: String,
    found: Vec<String>,
}

impl Faults {
    fn require(&mut self, holds: bool, fault: &str) {
        if !holds {
            self.found.push(format!("{}: {fault}", self.place));
        }
    }

    fn span(&mut self, span: &proto::Span) -> Span {
        self.require(!span.name.is_empty(), "no name");
        let kind = match SpanKind::try_from(span.kind) {
            Ok(kind) => kind.as_str_name().trim_start_matches("SPAN_KIND_"),
            Err(_) => "UNKNOWN",
        };
        self.require(!["UNSPECIFIED", "UNKNOWN"].contains(&kind), "its kind is not set");
        self.require(span.start_time_unix_nano > 0, "no start");
        self.require(span.start_time_unix_nano <= span.end_time_unix_nano, "it ends before it starts");
        let parent = (!span.parent_span_id.is_empty()).then(|| self.id(&span.parent_span_id, 8, "parent"));
        self.require(span.parent_span_id != span.span_id, "it is its own parent");
        Span {
            resource: Attributes::new(),
            scope: String::new(),
            scope_version: String::new(),
            name: span.name.clone(),
            kind,
            trace_id: self.id(&span.trace_id, 16, "trace"),
            span_id: self.id(&span.span_id, 8, "span"),
            parent_span_id: parent,
            parent_is_remote: self.remote(span.flags),
            flags: span.flags,
            trace_state: span.trace_state.clone(),
            start_nanos: span.start_time_unix_nano,
            end_nanos: span.end_time_unix_nano,
            status: self.status(span.status.as_ref()),
            attributes: self.attributes(&span.attributes),
            events: span.events.iter().map(|event| self.event(event)).collect(),
            links: span.links.iter().map(|link| self.link(link)).collect(),
            dropped_attributes: span.dropped_attributes_count,
            dropped_events: span.dropped_events_count,
            dropped_links: span.dropped_links_count,
        }
    }

    fn event(&mut self, event: &proto::span::Event) -> Event {
        self.require(!event.name.is_empty(), "an event without a name");
        self.require(event.time_unix_nano > 0, "an event without a time");
        Event {
            name: event.name.clone(),
            nanos: event.time_unix_nano,
            attributes: self.attributes(&event.attributes),
            dropped_attributes: event.dropped_attributes_count,
        }
    }

    fn link(&mut self, link: &proto::span::Link) -> Link {
        self.remote(link.flags);
        Link {
            trace_id: self.id(&link.trace_id, 16, "link's trace"),
            span_id: self.id(&link.span_id, 8, "link's span"),
            trace_state: link.trace_state.clone(),
            flags: link.flags,
            attributes: self.attributes(&link.attributes),
            dropped_attributes: link.dropped_attributes_count,
        }
    }

    fn id(&mut self, id: &[u8], length: usize, what: &str) -> String {
        let hex = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let valid = id.len() == length && id.iter().any(|byte| *byte != 0);
        self.require(valid, &format!("the {what} id {hex:?}"));
        hex
    }

    fn remote(&mut self, flags: u32) -> Option<bool> {
        let (known, remote) = (flags & HAS_IS_REMOTE != 0, flags & IS_REMOTE != 0);
        self.require(flags & !FLAGS == 0 && (known || !remote), &format!("the flags {flags:#x}"));
        known.then_some(remote)
    }

    fn status(&mut self, status: Option<&proto::Status>) -> (&'static str, String) {
        let (code, message) = status.map_or((0, ""), |status| (status.code, &status.message));
        let known = StatusCode::try_from(code);
        self.require(known.is_ok(), &format!("the status {code}"));
        let code = known.unwrap_or(Unset);
        self.require(code == Error || message.is_empty(), "a message for a status other than an error");
        (code.as_str_name().trim_start_matches("STATUS_CODE_"), message.to_owned())
    }

    fn attributes(&mut self, list: &[KeyValue]) -> Attributes {
        let mut attributes = Attributes::new();
        for KeyValue { key, value, .. } in list {
            self.require(!key.is_empty(), "an attribute without a key");
            let Some(value) = value.as_ref().and_then(json) else {
                self.require(
                    false,
                    &format!("the attribute {key:?} has a value of no common type: {value:?}"),
                );
                continue;
            };
            let before = attributes.insert(key.clone(), value);
            self.require(before.is_none(), &format!("the attribute {key:?} comes twice"));
        }
        attributes
    }
}

/// Converts texts, booleans, numbers, and lists of one of these types. Not every backend can store
/// other types.
fn json(value: &AnyValue) -> Option<Value> {
    Some(match value.value.as_ref()? {
        Any::StringValue(text) => text.as_str().into(),
        Any::BoolValue(truth) => (*truth).into(),
        Any::IntValue(number) => (*number).into(),
        // The JSON of Protobuf also has texts for NaN and the infinities.
        Any::DoubleValue(number) => {
            Number::from_f64(*number).map_or_else(|| number.to_string().into(), Value::from)
        }
        Any::ArrayValue(list) => {
            let kind = |value: &AnyValue| value.value.as_ref().map(discriminant);
            let alike = list.values.windows(2).all(|pair| kind(&pair[0]) == kind(&pair[1]));
            let list: Option<Vec<_>> = list.values.iter().map(json).collect();
            Value::Array(list.filter(|list| alike && !list.iter().any(Value::is_array))?)
        }
        Any::KvlistValue(_) | Any::BytesValue(_) | Any::StringValueStrindex(_) => return None,
    })
}
