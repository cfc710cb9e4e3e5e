//! A request's span as OTLP has it (`opentelemetry.proto.trace.v1.Span`), written from the request's record.
//!
//! The SDK would keep each attribute in memory of its own until another thread encodes and frees it. What every request has is written here
//! at once, where the record is at hand. What is rare goes through the SDK's types.

use std::cell::RefCell;

use opentelemetry::{KeyValue, trace::Status};
use opentelemetry_proto::{
    tonic::trace::v1::{self as proto, SpanFlags, span::SpanKind, status::StatusCode},
    transform::common::tonic::Attributes as ProtoAttributes,
};
use opentelemetry_sdk::trace::SpanLimits;
use prost::Message as _;

use super::{
    attributes::{self, Attributes, Name},
    protobuf::{bytes, bytes_head, bytes_key, bytes_length, fixed64, number, varint_length},
    span::Added,
};
use crate::{
    RequestRecord, Value,
    clock::nanos,
    digits,
    identity::{Client, IdentityPolicy},
    scribe::{self, Scribe},
};

// Numbers of fields: of a span, of an attribute and of its value.
const TRACE_ID: u8 = 1;
const SPAN_ID: u8 = 2;
const TRACE_STATE: u8 = 3;
const PARENT_SPAN_ID: u8 = 4;
const NAME: u8 = 5;
const KIND: u8 = 6;
const START: u8 = 7;
const END: u8 = 8;
const ATTRIBUTE: u8 = 9;
const DROPPED_ATTRIBUTES: u8 = 10;
const STATUS: u8 = 15;
const FLAGS_KEY: [u8; 2] = [0x85, 1]; // 16, with four bytes
const KEY: u8 = 1;
const VALUE: u8 = 2;
const TEXT: u8 = 1;
const BOOL: u8 = 2;
const INTEGER: u8 = 3;
const DOUBLE: u8 = 4;

/// The greatest length that takes one byte.
const ONE_BYTE: usize = 0x7f;

/// A request's span that has ended.
pub(super) struct Ended<'a> {
    pub(super) record: &'a RequestRecord,
    pub(super) added: &'a Added,
    pub(super) identities: &'a IdentityPolicy,
    pub(super) limits: SpanLimits,
}

/// The most memory that a thread keeps for spans while it writes them, in bytes.
const MOST_MEMORY: usize = 16 * 1024;

impl Ended<'_> {
    /// The encoded message.
    pub(super) fn encoded(&self) -> Vec<u8> {
        thread_local! {
            static MEMORY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        let kept = MEMORY.try_with(|memory| {
            let mut memory = memory.try_borrow_mut().ok()?;
            let length = scribe::write(&mut memory, |out| self.write(out));
            let span = memory.get(..length).map(<[u8]>::to_vec);
            if memory.len() > MOST_MEMORY {
                *memory = Vec::new();
            }
            span
        });
        // The thread ends.
        kept.ok().flatten().unwrap_or_else(|| scribe::written(|out| self.write(out)))
    }

    fn write(&self, out: &mut Scribe<'_>) {
        let Self { record, added, identities, limits } = *self;
        let (start, trace) = (record.request(), &record.request().trace);
        bytes(out, TRACE_ID, &trace.trace_id.to_bytes());
        bytes(out, SPAN_ID, &trace.span_id.to_bytes());
        if !trace.state.is_empty() {
            bytes(out, TRACE_STATE, trace.state.as_str().as_bytes());
        }
        if let Some(parent) = trace.parent_id {
            bytes(out, PARENT_SPAN_ID, &parent.to_bytes());
        }
        name(out, attributes::name(record));
        number(out, KIND, SpanKind::Server as u64);
        // Its duration is exactly that of the metrics, whatever the system's clock does meanwhile.
        fixed64(out, START, nanos(start.since_1970));
        fixed64(out, END, nanos(start.since_1970.saturating_add(record.duration)));

        let left = limits.max_attributes_per_span;
        let added_here = added.attributes.as_slice();
        let mut all = Writer { out, added: added_here, told: Vec::new(), at_end: false, left, dropped: 0 };
        attributes::at_start(&mut all, start, record.state.grpc().filter(|grpc| grpc.native), identities);
        all.at_end = true;
        attributes::at_end(&mut all, record);
        all.added();
        let dropped = all.dropped.saturating_add(added.dropped.attributes);
        if dropped > 0 {
            number(out, DROPPED_ATTRIBUTES, u64::from(dropped));
        }
        rest(out, added);
        status(out, &added.status);
        let remote = if trace.parent_id.is_some() { SpanFlags::ContextIsRemoteMask as u32 } else { 0 };
        // What is exported is sampled, also where a probe of a caller that samples nothing has failed.
        let sampled = trace.flags.with_sampled(true);
        let flags = u32::from(sampled.to_byte()) | SpanFlags::ContextHasIsRemoteMask as u32 | remote;
        out.put(&FLAGS_KEY);
        out.put(&flags.to_le_bytes());
    }
}

fn name(out: &mut Scribe<'_>, Name(first, second): Name<'_>) {
    let length = second.map_or(0, |second| second.len().saturating_add(1));
    bytes_head(out, NAME, first.len().saturating_add(length));
    out.put(first.as_bytes());
    if let Some(second) = second {
        out.put(b" ");
        out.put(second.as_bytes());
    }
}

/// Events and links.
fn rest(out: &mut Scribe<'_>, added: &Added) {
    let dropped = added.dropped;
    if added.events.is_empty() && added.links.is_empty() && dropped.events == 0 && dropped.links == 0 {
        return;
    }
    let rest = proto::Span {
        events: added.events.iter().cloned().map(event).collect(),
        dropped_events_count: dropped.events,
        links: added.links.iter().cloned().map(Into::into).collect(),
        dropped_links_count: dropped.links,
        // Fields that have no value are not written.
        ..proto::Span::default()
    };
    out.put(&rest.encode_to_vec());
}

/// An event in OTLP's words.
pub(super) fn event(event: opentelemetry::trace::Event) -> proto::span::Event {
    let since_1970 = crate::clock::since_1970(event.timestamp);
    proto::span::Event {
        time_unix_nano: nanos(since_1970),
        name: event.name.into(),
        attributes: ProtoAttributes::from(event.attributes).0,
        dropped_attributes_count: event.dropped_attributes_count,
    }
}

fn status(out: &mut Scribe<'_>, status: &Status) {
    let (code, message) = match status {
        Status::Unset => return,
        Status::Ok => (StatusCode::Ok, ""),
        Status::Error { description } => (StatusCode::Error, description.as_ref()),
    };
    let status = proto::Status { code: code.into(), message: message.to_owned() };
    bytes(out, STATUS, &status.encode_to_vec());
}

/// Writes attributes, as many as the limits allow, each once: what is set later wins.
struct Writer<'a, 'b> {
    out: &'a mut Scribe<'b>,
    /// The application's own: set later than those of the start, and before those of the end.
    added: &'a [KeyValue],
    /// What the end has set, if there is anything else of that name.
    told: Vec<String>,
    at_end: bool,
    left: u32,
    dropped: u32,
}

impl Writer<'_, '_> {
    #[inline]
    fn takes(&mut self, name: &str) -> bool {
        if !self.added.is_empty() && !self.is_first(name) {
            return false;
        }
        let Some(left) = self.left.checked_sub(1) else {
            self.dropped = self.dropped.saturating_add(1);
            return false;
        };
        self.left = left;
        true
    }

    /// Whether nothing that is set later has this name.
    #[cold]
    fn is_first(&mut self, name: &str) -> bool {
        if !self.added.iter().any(|added| added.key.as_str() == name) {
            return true;
        }
        if self.at_end {
            self.told.push(name.to_owned());
        }
        self.at_end
    }

    // Where a name is known at compile time, what stands before and behind it is a few stores.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn text_of(&mut self, name: &str, text: &str) {
        let length = name.len().saturating_add(text.len()).saturating_add(6);
        if length > ONE_BYTE {
            self.head(name, bytes_length(text.len()));
            return bytes(self.out, TEXT, text.as_bytes());
        }
        self.short_head(name, length);
        let text_length = text.len() as u8;
        self.out.put(&[bytes_key(VALUE), text_length.wrapping_add(2), bytes_key(TEXT), text_length]);
        self.out.put(text.as_bytes());
    }

    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn varint_of(&mut self, name: &str, field: u8, value: u64) {
        let digits = varint_length(value);
        let length = name.len().saturating_add(digits).saturating_add(5);
        if length > ONE_BYTE {
            self.head(name, digits.saturating_add(1));
        } else {
            self.short_head(name, length);
            self.out.put(&[bytes_key(VALUE), (digits as u8).wrapping_add(1)]);
        }
        number(self.out, field, value);
    }

    /// What stands before the value of an attribute whose length, and so all lengths within it, is one byte.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn short_head(&mut self, name: &str, length: usize) {
        self.out.put(&[bytes_key(ATTRIBUTE), length as u8, bytes_key(KEY), name.len() as u8]);
        self.out.put(name.as_bytes());
    }

    /// What stands before a value of so many bytes.
    #[inline(never)]
    fn head(&mut self, name: &str, value: usize) {
        bytes_head(self.out, ATTRIBUTE, bytes_length(name.len()).saturating_add(bytes_length(value)));
        bytes(self.out, KEY, name.as_bytes());
        bytes_head(self.out, VALUE, value);
    }

    /// Any, by the SDK's types.
    fn any(&mut self, attribute: KeyValue) {
        for attribute in ProtoAttributes::from([attribute]).0 {
            bytes(self.out, ATTRIBUTE, &attribute.encode_to_vec());
        }
    }

    /// The application's own.
    fn added(&mut self) {
        let (added, told) = (std::mem::take(&mut self.added), std::mem::take(&mut self.told));
        for attribute in added {
            let name = attribute.key.as_str();
            if !told.iter().any(|told| told == name) && self.takes(name) {
                self.any(attribute.clone());
            }
        }
    }
}

impl Attributes for Writer<'_, '_> {
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn text(&mut self, name: &'static str, text: &str) {
        if self.takes(name) {
            self.text_of(name, text);
        }
    }

    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn number(&mut self, name: &'static str, number: i64) {
        if self.takes(name) {
            self.varint_of(name, INTEGER, number.cast_unsigned());
        }
    }

    fn client(&mut self, name: &'static str, client: &Client) {
        let address = match client {
            Client::Hash(hash) => return self.text(name, hash),
            Client::Address(address) => *address,
        };
        if !self.takes(name) {
            return;
        }
        // Its length is set when it is there.
        let out = &mut *self.out;
        let start = out.at();
        out.put(&[bytes_key(ATTRIBUTE), 0, bytes_key(KEY), name.len() as u8]);
        out.put(name.as_bytes());
        out.put(&[bytes_key(VALUE), 0, bytes_key(TEXT), 0]);
        let text = out.at();
        digits::address(out, address);
        let length = out.at().wrapping_sub(text) as u8;
        out.replace(start.wrapping_add(1), length.wrapping_add(6).wrapping_add(name.len() as u8));
        out.replace(text.wrapping_sub(3), length.wrapping_add(2));
        out.replace(text.wrapping_sub(1), length);
    }

    fn texts(&mut self, name: String, texts: &[String]) {
        if self.takes(&name) {
            self.any(KeyValue::new(name, attributes::array(texts)));
        }
    }

    fn field(&mut self, name: &str, value: &Value) {
        if !self.takes(name) {
            return;
        }
        match value {
            Value::Bool(value) => self.varint_of(name, BOOL, u64::from(*value)),
            Value::I64(value) => self.varint_of(name, INTEGER, value.cast_unsigned()),
            Value::U64(value) => match i64::try_from(*value) {
                Ok(_) => self.varint_of(name, INTEGER, *value),
                // OpenTelemetry has no unsigned numbers.
                Err(_) => self.text_of(name, itoa::Buffer::new().format(*value)),
            },
            Value::F64(value) => {
                self.head(name, 9);
                fixed64(self.out, DOUBLE, value.to_bits());
            }
            Value::Str(text) => self.text_of(name, text),
        }
    }
}

#[cfg(all(test, not(obs_loom)))]
mod tests {
    use std::sync::mpsc::channel;

    use opentelemetry::trace::{Event, Link, SpanContext};

    use super::*;
    use crate::{Identity, Observer, Outcome, RequestHead, records::Records};

    /// A request with five attributes of ours and of its fields, and what is exported of it.
    fn encoded(added: &Added, limits: SpanLimits) -> proto::Span {
        let (send, records) = channel();
        let observer = Observer::builder("test").no_environment().sink(Records(send)).build().expect("valid");
        let observation = observer.start(&RequestHead::new("GET", "/a", &()));
        observation.handle().set("large", "x".repeat(10 * 1024));
        observation.handle().set("small", u64::MAX);
        observation.finish(Outcome::Completed);
        let record = records.recv().expect("a record");
        let identities = IdentityPolicy::new(Identity::Kept, Identity::Kept, None);
        let span = Ended { record: &record, added, identities: &identities, limits };
        let encoded = span.encoded();
        assert_eq!(encoded, span.encoded(), "in memory that was used before");
        proto::Span::decode(&*encoded).expect("a span")
    }

    fn names(span: &proto::Span) -> Vec<&str> {
        span.attributes.iter().map(|attribute| attribute.key.as_str()).collect()
    }

    #[test]
    fn so_many_attributes_are_exported_and_the_others_counted() {
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
    fn what_is_rare_is_there_too() {
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
