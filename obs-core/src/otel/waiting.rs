//! A span that waits: how large it is, and what becomes of it when it is exported.

use std::{backtrace::Backtrace, cell::RefCell, sync::Arc};

use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;

use crate::text::bounded;

/// The event and the attribute that a panic's backtrace goes into.
pub(super) const EXCEPTION: &str = "exception";
pub(super) const STACKTRACE: &str = "exception.stacktrace";

/// The longest backtrace that is exported, in bytes.
const MAX_BACKTRACE: usize = 16 * 1024;

/// What a span takes beside its texts, about.
const SPAN_BYTES: usize = 512;
const ATTRIBUTE_BYTES: usize = 64;

/// A span that has ended.
pub(super) struct Waiting {
    span: SpanData,
    /// Of the panic that ended it. Its symbols are looked up where it is exported, because that takes milliseconds.
    backtrace: Option<Arc<Backtrace>>,
    pub(super) bytes: usize,
}

impl Waiting {
    /// A span that has ended on this thread just now.
    pub(super) fn new(span: SpanData) -> Self {
        let backtrace = BACKTRACE.try_with(RefCell::take).ok().flatten();
        let bytes = size(&span).saturating_add(backtrace.as_ref().map_or(0, |_| MAX_BACKTRACE));
        Self { span, backtrace, bytes }
    }

    /// The span as it is exported: each attribute once, and its backtrace in words.
    pub(super) fn resolved(self) -> SpanData {
        let Self { mut span, backtrace, .. } = self;
        once(&mut span.attributes);
        if let Some(backtrace) = backtrace
            && let Some(event) = span.events.events.iter_mut().rfind(|event| event.name == EXCEPTION)
        {
            let frames = backtrace.to_string();
            let place = event.attributes.iter_mut().find(|attribute| attribute.key.as_str() == STACKTRACE);
            if let Some(place) = place {
                place.value =
                    bounded(&format!("{}\n{frames}", place.value), MAX_BACKTRACE).into_owned().into();
            } else {
                event
                    .attributes
                    .push(KeyValue::new(STACKTRACE, bounded(&frames, MAX_BACKTRACE).into_owned()));
            }
        }
        span
    }
}

/// Leaves the last attribute of each name: the SDK adds one whenever it is set, and OTLP wants each once.
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

/// About how many bytes a span takes.
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
        // Of numbers, which are small, and of what is still to be invented.
        Value::Array(array) => array.to_string().len(),
        _ => 0,
    }
}

thread_local! {
    static BACKTRACE: RefCell<Option<Arc<Backtrace>>> = const { RefCell::new(None) };
}

/// Runs `end`, in which a span ends that this backtrace belongs to.
pub(super) fn with_backtrace(backtrace: Option<Arc<Backtrace>>, end: impl FnOnce()) {
    if backtrace.is_none() {
        return end();
    }
    let _ = BACKTRACE.try_with(|place| place.replace(backtrace));
    end();
    let _ = BACKTRACE.try_with(RefCell::take);
}
