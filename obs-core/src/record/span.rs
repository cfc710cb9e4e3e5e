//! A request's span while it runs: what the application adds to it. What we know ourselves comes from the request's record in the end.

use std::{
    borrow::Cow,
    mem,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use crate::trace::{self, TraceContext};
use opentelemetry::{
    Context, KeyValue,
    trace::{Event, Link, Span, SpanContext, Status, TraceContextExt as _},
};
use opentelemetry_sdk::trace::SpanLimits;

/// What the application has added to a span.
#[derive(Debug, Default)]
pub(crate) struct Added {
    pub(crate) attributes: Vec<KeyValue>,
    pub(crate) events: Vec<Event>,
    pub(crate) links: Vec<Link>,
    pub(crate) status: Status,
    /// How many attributes, events and links were above the limits.
    pub(crate) dropped: Dropped,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Dropped {
    pub(crate) attributes: u32,
    pub(crate) events: u32,
    pub(crate) links: u32,
}

impl Added {
    /// An event of the span's, if there is room.
    pub(crate) fn event(&mut self, mut event: Event, limits: SpanLimits) {
        if self.events.len() >= limits.max_events_per_span as usize {
            self.dropped.events = self.dropped.events.saturating_add(1);
            return;
        }
        let dropped = cut(&mut event.attributes, limits.max_attributes_per_event);
        event.dropped_attributes_count = event.dropped_attributes_count.saturating_add(dropped);
        self.events.push(event);
    }

    /// A link of the span's, if there is room.
    pub(crate) fn link(&mut self, mut link: Link, limits: SpanLimits) {
        if self.links.len() >= limits.max_links_per_span as usize {
            self.dropped.links = self.dropped.links.saturating_add(1);
            return;
        }
        let dropped = cut(&mut link.attributes, limits.max_attributes_per_link);
        link.dropped_attributes_count = link.dropped_attributes_count.saturating_add(dropped);
        self.links.push(link);
    }

    /// Of two states the one that weighs more: OK more than an error, an error more than none.
    pub(crate) fn status(&mut self, status: Status) {
        if status > self.status {
            self.status = status;
        }
    }
}

/// Leaves so many, and says how many were too much.
fn cut(attributes: &mut Vec<KeyValue>, most: u32) -> u32 {
    let dropped = attributes.len().saturating_sub(most as usize);
    attributes.truncate(most as usize);
    u32::try_from(dropped).unwrap_or(u32::MAX)
}

/// The span that the application sees: it can add to it until the request is over. The request alone gives it its name, and ends it.
#[derive(Debug)]
pub(crate) struct OpenSpan {
    context: SpanContext,
    limits: SpanLimits,
    adding: Adding,
}

/// What is added to an open span: `None` once it has ended.
#[derive(Clone, Debug)]
pub(crate) struct Adding(Arc<Mutex<Option<Added>>>);

impl Adding {
    fn lock(&self) -> MutexGuard<'_, Option<Added>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the span.
    pub(crate) fn end(&self) -> Added {
        mem::take(&mut *self.lock()).unwrap_or_default()
    }
}

impl OpenSpan {
    /// A span with what it begins with.
    pub(crate) fn new(context: SpanContext, limits: SpanLimits, added: Added) -> (Self, Adding) {
        let adding = Adding(Arc::new(Mutex::new(Some(added))));
        (Self { context, limits, adding: adding.clone() }, adding)
    }

    fn add(&self, add: impl FnOnce(&mut Added, SpanLimits)) {
        if let Some(added) = self.adding.lock().as_mut() {
            add(added, self.limits);
        }
    }
}

impl Span for OpenSpan {
    fn add_event_with_timestamp<T>(&mut self, name: T, timestamp: SystemTime, attributes: Vec<KeyValue>)
    where
        T: Into<Cow<'static, str>>,
    {
        let event = Event::new(name, timestamp, attributes, 0);
        self.add(|added, limits| added.event(event, limits));
    }

    fn span_context(&self) -> &SpanContext {
        &self.context
    }

    fn is_recording(&self) -> bool {
        self.adding.lock().is_some()
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        self.add(|added, limits| {
            if let Some(earlier) = added.attributes.iter_mut().find(|earlier| earlier.key == attribute.key) {
                earlier.value = attribute.value;
            } else if added.attributes.len() < limits.max_attributes_per_span as usize {
                added.attributes.push(attribute);
            } else {
                added.dropped.attributes = added.dropped.attributes.saturating_add(1);
            }
        });
    }

    fn set_status(&mut self, status: Status) {
        self.add(|added, _| added.status(status));
    }

    fn update_name<T>(&mut self, _: T)
    where
        T: Into<Cow<'static, str>>,
    {
    }

    fn add_link(&mut self, span_context: SpanContext, attributes: Vec<KeyValue>) {
        self.add(|added, limits| added.link(Link::new(span_context, attributes, 0), limits));
    }

    fn end_with_timestamp(&mut self, _: SystemTime) {}
}

/// The span of a piece of work, as the current one of a context.
#[derive(Clone, Debug)]
pub(crate) struct WorkSpan {
    pub(crate) context: Context,
    pub(crate) recorder: Recorder,
}

/// The party that records a span.
#[derive(Clone, Debug)]
pub(crate) enum Recorder {
    /// It is not sampled, and only passed on.
    Nobody,
    /// We do, with what the application adds to it.
    Ourselves(Adding),
    /// The SDK, if anybody does.
    Sdk,
}

impl WorkSpan {
    /// The context in which it is the current one.
    pub(crate) const fn context(&self) -> &Context {
        &self.context
    }

    /// The innermost span of the request that runs here, if it is one of its trace.
    pub(crate) fn innermost(trace: &TraceContext) -> Option<(trace::SpanId, trace::TraceFlags)> {
        Context::map_current(|context| {
            let span = context.span();
            let current = span.span_context();
            let same = current.trace_id().to_bytes() == trace.trace_id.to_bytes();
            let span_id = trace::SpanId::from_bytes(current.span_id().to_bytes()).filter(|_| same)?;
            Some((span_id, trace.flags.with_sampled(current.is_sampled())))
        })
    }
}

// A span behind it is locked while it changes, and its lock's poison is ignored.
impl UnwindSafe for WorkSpan {}

impl RefUnwindSafe for WorkSpan {}
