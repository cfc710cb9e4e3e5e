//! A span in the queue: its approximate size, and its conversion for the export.

use std::{backtrace::Backtrace, cell::RefCell, sync::Arc};

use opentelemetry::{KeyValue, Value, trace::Event};
use opentelemetry_proto::tonic::trace::v1 as proto;
use opentelemetry_sdk::trace::SpanData;
use prost::Message as _;

use super::encoding;
use crate::outputs::{
    delivery::items::Weigh,
    exception::{MAX_BACKTRACE, STACKTRACE, with_frames},
};

/// The event that contains the backtrace of a panic.
pub(super) const EXCEPTION: &str = "exception";

/// The approximate bytes of a request's span in addition to its encoding.
const ENCODED_BYTES: usize = 64;

/// The approximate bytes of an SDK span in addition to its texts.
const SPAN_BYTES: usize = 512;
const ATTRIBUTE_BYTES: usize = 64;

/// An ended span.
pub(super) struct Waiting {
    span: Span,
    bytes: usize,
}

impl Weigh for Waiting {
    fn weight(&self) -> usize {
        self.bytes
    }
}

enum Span {
    /// The encoded span of a request.
    Encoded(Vec<u8>),
    /// The encoded span of a request that panicked, without the event of the panic.
    Panicked(Vec<u8>, Box<Event>, Arc<Backtrace>),
    /// A span of the SDK, and the backtrace of the panic that ended it.
    Data(Box<SpanData>, Option<Arc<Backtrace>>),
}

/// A span that is ready for the export.
pub(super) enum Resolved {
    Encoded(Vec<u8>),
    Data(Box<SpanData>),
}

impl Waiting {
    /// Wraps a span of the SDK that has just ended on this thread.
    pub(super) fn new(span: SpanData) -> Self {
        let backtrace = BACKTRACE.try_with(RefCell::take).ok().flatten();
        let bytes = size(&span).saturating_add(backtrace.as_ref().map_or(0, |_| MAX_BACKTRACE));
        Self { span: Span::Data(Box::new(span), backtrace), bytes }
    }

    /// Wraps the encoded span of a request, and the event and backtrace of the panic that ended it.
    pub(super) fn encoded(span: Vec<u8>, panic: Option<(Event, Arc<Backtrace>)>) -> Self {
        let bytes = span.len().saturating_add(ENCODED_BYTES);
        match panic {
            None => Self { span: Span::Encoded(span), bytes },
            Some((event, backtrace)) => Self {
                span: Span::Panicked(span, Box::new(event), backtrace),
                bytes: bytes.saturating_add(MAX_BACKTRACE),
            },
        }
    }

    /// Prepares the span for the export: each attribute occurs once, and the backtrace becomes
    /// text. Symbols are resolved here on the worker, because that takes milliseconds.
    pub(super) fn resolved(self) -> Resolved {
        match self.span {
            Span::Encoded(span) => Resolved::Encoded(span),
            Span::Panicked(mut span, mut event, backtrace) => {
                add_frames(&mut event, &backtrace);
                let events = vec![encoding::event(*event)];
                // The fields of a message may have any order.
                span.extend(proto::Span { events, ..proto::Span::default() }.encode_to_vec());
                Resolved::Encoded(span)
            }
            Span::Data(mut span, backtrace) => {
                once(&mut span.attributes);
                if let Some(backtrace) = backtrace
                    && let Some(event) = span.events.events.iter_mut().rfind(|event| event.name == EXCEPTION)
                {
                    add_frames(event, &backtrace);
                }
                Resolved::Data(span)
            }
        }
    }
}

fn add_frames(event: &mut Event, backtrace: &Backtrace) {
    let place = event.attributes.iter_mut().find(|attribute| attribute.key.as_str() == STACKTRACE);
    if let Some(place) = place {
        place.value = with_frames(Some(&place.value.as_str()), backtrace).into();
    } else {
        event.attributes.push(KeyValue::new(STACKTRACE, with_frames(None, backtrace)));
    }
}

/// Keeps the last attribute of each name. The SDK appends an attribute each time it is set, but
/// OTLP requires unique names.
fn once(attributes: &mut Vec<KeyValue>) {
    let mut n = 0;
    while let Some(attribute) = attributes.get(n) {
        let again = attributes.iter().skip(n.saturating_add(1)).any(|later| later.key == attribute.key);
        if again {
            attributes.remove(n);
        } else {
            n = n.saturating_add(1);
        }
    }
}

/// Returns the approximate bytes of a span.
fn size(span: &SpanData) -> usize {
    let of = |attributes: &[KeyValue]| -> usize {
        attributes.iter().map(|attribute| ATTRIBUTE_BYTES.saturating_add(text(&attribute.value))).sum()
    };
    let events = span.events.events.iter().map(|event| ATTRIBUTE_BYTES.saturating_add(of(&event.attributes)));
    let links = span.links.links.iter().map(|link| ATTRIBUTE_BYTES.saturating_add(of(&link.attributes)));
    SPAN_BYTES
        .saturating_add(span.name.len())
        .saturating_add(of(&span.attributes))
        .saturating_add(events.chain(links).sum())
}

fn text(value: &Value) -> usize {
    match value {
        Value::String(text) => text.as_str().len(),
        Value::Array(opentelemetry::Array::String(texts)) => {
            texts.iter().map(|text| text.as_str().len().saturating_add(ATTRIBUTE_BYTES)).sum()
        }
        // Arrays of numbers, which are small, and of future types.
        Value::Array(array) => array.to_string().len(),
        _ => 0,
    }
}

thread_local! {
    static BACKTRACE: RefCell<Option<Arc<Backtrace>>> = const { RefCell::new(None) };
}

/// Runs `end`, which ends the span to which this backtrace belongs.
pub(super) fn with_backtrace(backtrace: Option<Arc<Backtrace>>, end: impl FnOnce()) {
    if backtrace.is_none() {
        return end();
    }
    let _ = BACKTRACE.try_with(|place| place.replace(backtrace));
    end();
    let _ = BACKTRACE.try_with(RefCell::take);
}
