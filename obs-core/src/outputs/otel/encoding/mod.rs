//! The OTLP encoding of a request's span (`opentelemetry.proto.trace.v1.Span`), written directly
//! from the request's record.
//!
//! The SDK would allocate memory for each attribute and keep it until another thread encodes it.
//! Here, the attributes of every request are encoded when the request ends. Rare parts use the
//! types of the SDK.

pub(crate) mod span_attributes;

use std::cell::RefCell;

use opentelemetry::trace::Status;
use opentelemetry_proto::{
    tonic::trace::v1::{self as proto, SpanFlags, span::SpanKind, status::StatusCode},
    transform::common::tonic::Attributes as ProtoAttributes,
};
use opentelemetry_sdk::trace::SpanLimits;
use prost::Message as _;

use super::encoding::span_attributes::SpanAttributes;
use super::{
    attributes::{self, SpanName},
    call_attributes, trace_state,
};
use crate::{
    base::clock::nanos,
    outputs::otlp::protobuf::{bytes, bytes_head, fixed64, number},
    record::{finished::Record, span::Added},
    redact::Redactor,
    write::buffer::{self, BufferWriter},
};

// The numbers of a span's fields.
const TRACE_ID: u8 = 1;
const SPAN_ID: u8 = 2;
const TRACE_STATE: u8 = 3;
const PARENT_SPAN_ID: u8 = 4;
const NAME: u8 = 5;
const KIND: u8 = 6;
const START: u8 = 7;
const END: u8 = 8;
const DROPPED_ATTRIBUTES: u8 = 10;
const STATUS: u8 = 15;
const FLAGS_KEY: [u8; 2] = [0x85, 1]; // field 16 with a value of four bytes

/// The ended span of a request.
pub(super) struct EndedSpan<'a> {
    pub(super) record: &'a Record,
    pub(super) added: &'a Added,
    pub(super) limits: SpanLimits,
}

/// The limit of the memory that a thread keeps for encoding spans, in bytes.
const MOST_MEMORY: usize = 16 * 1024;

impl EndedSpan<'_> {
    /// Returns the encoded message.
    pub(super) fn encoded(&self) -> Vec<u8> {
        thread_local! {
            static MEMORY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        let kept = MEMORY.try_with(|memory| {
            let mut memory = memory.try_borrow_mut().ok()?;
            let length = buffer::write(&mut memory, |out| self.write(out));
            let span = memory.get(..length).map(<[u8]>::to_vec);
            if memory.len() > MOST_MEMORY {
                *memory = Vec::new();
            }
            span
        });
        // The thread ends, so its memory is gone.
        kept.ok().flatten().unwrap_or_else(|| buffer::written(|out| self.write(out)))
    }

    fn write(&self, out: &mut BufferWriter<'_>) {
        let Self { record, added, limits } = *self;
        let (start, request) = (record.start(), record.request());
        let trace = &start.trace;
        bytes(out, TRACE_ID, &trace.trace_id.to_bytes());
        bytes(out, SPAN_ID, &trace.span_id.to_bytes());
        if !trace.state.is_empty() {
            let state = trace_state::masked(&trace.state, record.state.redactor());
            bytes(out, TRACE_STATE, state.as_str().as_bytes());
        }
        if let Some(parent) = trace.parent_id {
            bytes(out, PARENT_SPAN_ID, &parent.to_bytes());
        }
        let kind = match &request {
            Some(request) => {
                name(out, attributes::name(request));
                SpanKind::Server
            }
            None => inner_name(out, record),
        };
        number(out, KIND, kind as u64);
        // The end is the start plus the duration that the metrics count, regardless of the system's
        // clock.
        fixed64(out, START, nanos(start.since_1970));
        fixed64(out, END, nanos(start.since_1970.saturating_add(record.duration)));

        let mut all = SpanAttributes::new(out, &added.attributes, limits.max_attributes_per_span);
        if let Some(request) = &request {
            let state = &record.state;
            let grpc = state.grpc.as_deref().filter(|grpc| grpc.native);
            attributes::at_start(&mut all, request.start, grpc, &state.policy.identities);
            all.end();
            attributes::at_end(&mut all, record, request);
        } else {
            inner_attributes(&mut all, record);
        }
        let dropped = all.finish().saturating_add(added.dropped.attributes);
        if dropped > 0 {
            number(out, DROPPED_ATTRIBUTES, u64::from(dropped));
        }
        rest(out, added, record.state.redactor());
        status(out, &added.status);
        let remote = if trace.parent_id.is_some() && request.is_some() {
            SpanFlags::ContextIsRemoteMask as u32
        } else {
            0
        };
        // Every exported span is sampled. That includes failed probes whose caller samples nothing.
        let sampled = trace.flags.with_sampled(true);
        let flags = u32::from(sampled.to_byte()) | SpanFlags::ContextHasIsRemoteMask as u32 | remote;
        out.put(&FLAGS_KEY);
        out.put(&flags.to_le_bytes());
    }
}

fn name(out: &mut BufferWriter<'_>, SpanName(first, second): SpanName<'_>) {
    let length = second.map_or(0, |second| second.len().saturating_add(1));
    bytes_head(out, NAME, first.len().saturating_add(length));
    out.put(first.as_bytes());
    if let Some(second) = second {
        out.put(b" ");
        out.put(second.as_bytes());
    }
}

/// Writes events and links.
fn rest(out: &mut BufferWriter<'_>, added: &Added, redactor: &Redactor) {
    let dropped = added.dropped;
    if added.events.is_empty() && added.links.is_empty() && dropped.events == 0 && dropped.links == 0 {
        return;
    }
    let rest = proto::Span {
        events: added.events.iter().cloned().map(event).collect(),
        dropped_events_count: dropped.events,
        links: added.links.iter().map(|link| trace_state::masked_link(link, redactor).into()).collect(),
        dropped_links_count: dropped.links,
        // Fields with their default value are not written.
        ..proto::Span::default()
    };
    out.put(&rest.encode_to_vec());
}

/// Converts an event to its OTLP type.
pub(super) fn event(event: opentelemetry::trace::Event) -> proto::span::Event {
    let since_1970 = crate::base::clock::since_1970(event.timestamp);
    proto::span::Event {
        time_unix_nano: nanos(since_1970),
        name: event.name.into(),
        attributes: ProtoAttributes::from(event.attributes).0,
        dropped_attributes_count: event.dropped_attributes_count,
    }
}

/// Writes the name of the span of work inside of a request, and returns its kind.
#[inline(never)]
fn inner_name(out: &mut BufferWriter<'_>, record: &Record) -> SpanKind {
    if let Some(call) = record.call() {
        bytes(out, NAME, call_attributes::name(call.start).as_bytes());
        return SpanKind::Client;
    }
    if let Some((span, _)) = record.span() {
        bytes(out, NAME, span.name.as_bytes());
    }
    SpanKind::Internal
}

/// Writes the attributes of the span of work inside of a request.
#[inline(never)]
fn inner_attributes(all: &mut SpanAttributes<'_, '_>, record: &Record) {
    if let Some(call) = record.call() {
        call_attributes::at_start(all, call.start);
        all.end();
        call_attributes::at_end(all, record, &call);
    } else {
        all.end();
        attributes::of_span(all, record);
    }
}

fn status(out: &mut BufferWriter<'_>, status: &Status) {
    let (code, message) = match status {
        Status::Unset => return,
        Status::Ok => (StatusCode::Ok, ""),
        Status::Error { description } => (StatusCode::Error, description.as_ref()),
    };
    let status = proto::Status { code: code.into(), message: message.to_owned() };
    bytes(out, STATUS, &status.encode_to_vec());
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use opentelemetry::{
        KeyValue,
        trace::{Event, Link, SpanContext},
    };

    use super::*;
    use crate::{
        http::head::RequestHead, observer::Observer, outputs::records::Records, record::outcome::Outcome,
    };

    /// Returns the exported span of a request with five attributes: three of ours and two fields.
    fn encoded(added: &Added, limits: SpanLimits) -> proto::Span {
        let (send, records) = channel();
        let observer = Observer::builder("test").no_environment().sink(Records(send)).build().expect("valid");
        let observation = observer.start(&RequestHead::new("GET", "/a", &()));
        observation.work().set("large", "x".repeat(10 * 1024));
        observation.work().set("small", u64::MAX);
        observation.finish(Outcome::Completed);
        let record = records.recv().expect("a record");
        let span = EndedSpan { record: &record, added, limits };
        let encoded = span.encoded();
        assert_eq!(encoded, span.encoded(), "in reused memory");
        proto::Span::decode(&*encoded).expect("a span")
    }

    fn names(span: &proto::Span) -> Vec<&str> {
        span.attributes.iter().map(|attribute| attribute.key.as_str()).collect()
    }

    #[test]
    fn attributes_beyond_the_limit_are_counted() {
        let added = Added { attributes: vec![KeyValue::new("mine", 1)], ..Added::default() };
        let all = encoded(&added, SpanLimits::default());
        let expected = ["http.request.method", "url.path", "url.scheme", "large", "small", "mine"];
        assert_eq!((names(&all), all.dropped_attributes_count), (expected.to_vec(), 0));
        for most in 0..6 {
            let limits = SpanLimits { max_attributes_per_span: most, ..SpanLimits::default() };
            let span = encoded(&added, limits);
            assert_eq!(names(&span), expected[..most as usize]);
            assert_eq!(span.dropped_attributes_count, 6 - most);
        }
    }

    #[test]
    fn events_and_links_are_encoded_within_their_limits() {
        let limits = SpanLimits {
            max_events_per_span: 1,
            max_links_per_span: 1,
            max_attributes_per_event: 1,
            max_attributes_per_link: 0,
            ..SpanLimits::default()
        };
        let mut added = Added::default();
        for name in ["one", "two"] {
            let attributes = vec![KeyValue::new("a", 1), KeyValue::new("b", 2)];
            let at = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1500);
            added.event(Event::new(name, at, attributes.clone(), 0), limits);
            added.link(Link::new(SpanContext::NONE, attributes, 0), limits);
        }
        added.status(Status::Ok);
        added.status(Status::error("weighs less"));
        let span = encoded(&added, limits);
        let [event] = span.events.as_slice() else { panic!("{span:?}") };
        assert_eq!((event.name.as_str(), event.time_unix_nano), ("one", 1_500_000_000));
        assert_eq!((event.attributes.len(), event.dropped_attributes_count), (1, 1));
        let [link] = span.links.as_slice() else { panic!("{span:?}") };
        assert_eq!((link.attributes.len(), link.dropped_attributes_count), (0, 2));
        assert_eq!((span.dropped_events_count, span.dropped_links_count), (1, 1));
        assert_eq!(span.status.map(|status| status.code), Some(StatusCode::Ok.into()));
    }
}
