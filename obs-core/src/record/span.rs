//! The span of running work: the data that the application adds to it. All other data of the span
//! comes from the finished record.

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

/// The data that the application added to a span.
#[derive(Debug, Default)]
pub(crate) struct Added {
    pub(crate) attributes: Vec<KeyValue>,
    pub(crate) events: Vec<Event>,
    pub(crate) links: Vec<Link>,
    pub(crate) status: Status,
    /// The numbers of attributes, events and links above the limits.
    pub(crate) dropped: Dropped,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Dropped {
    pub(crate) attributes: u32,
    pub(crate) events: u32,
    pub(crate) links: u32,
}

impl Added {
    /// Adds an event, unless the limit is reached.
    pub(crate) fn event(&mut self, mut event: Event, limits: SpanLimits) {
        if self.events.len() >= limits.max_events_per_span as usize {
            self.dropped.events = self.dropped.events.saturating_add(1);
            return;
        }
        let dropped = cut(&mut event.attributes, limits.max_attributes_per_event);
        event.dropped_attributes_count = event.dropped_attributes_count.saturating_add(dropped);
        self.events.push(event);
    }

    /// Adds a link, unless the limit is reached.
    pub(crate) fn link(&mut self, mut link: Link, limits: SpanLimits) {
        if self.links.len() >= limits.max_links_per_span as usize {
            self.dropped.links = self.dropped.links.saturating_add(1);
            return;
        }
        let dropped = cut(&mut link.attributes, limits.max_attributes_per_link);
        link.dropped_attributes_count = link.dropped_attributes_count.saturating_add(dropped);
        self.links.push(link);
    }

    /// Sets the status, unless the current one is stronger: OK wins over an error, an error over
    /// unset.
    pub(crate) fn status(&mut self, status: Status) {
        if status > self.status {
            self.status = status;
        }
    }
}

/// Truncates the attributes to `most`, and returns the number that were dropped.
fn cut(attributes: &mut Vec<KeyValue>, most: u32) -> u32 {
    let dropped = attributes.len().saturating_sub(most as usize);
    attributes.truncate(most as usize);
    u32::try_from(dropped).unwrap_or(u32::MAX)
}

/// The span that the application sees and may add to until the request ends. The request alone
/// names and ends it.
#[derive(Debug)]
pub(crate) struct OpenSpan {
    context: SpanContext,
    limits: SpanLimits,
    adding: Adding,
}

/// The additions to an open span; `None` once it has ended.
#[derive(Clone, Debug)]
pub(crate) struct Adding(Arc<Mutex<Option<Added>>>);

impl Adding {
    fn lock(&self) -> MutexGuard<'_, Option<Added>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the span, and returns the additions.
    pub(crate) fn end(&self) -> Added {
        mem::take(&mut *self.lock()).unwrap_or_default()
    }
}

impl OpenSpan {
    /// Opens a span with its first data.
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

/// The span of a piece of work, as the active span of a context.
#[derive(Clone, Debug)]
pub(crate) struct WorkSpan {
    pub(crate) context: Context,
    pub(crate) recorder: Recorder,
}

/// The recorder of a span.
#[derive(Clone, Debug)]
pub(crate) enum Recorder {
    /// Nobody: the span is not sampled, only propagated.
    Nobody,
    /// This crate, with the data that the application adds.
    Ourselves(Adding),
    /// The OpenTelemetry SDK, if it samples the span.
    Sdk,
}

impl WorkSpan {
    /// The context in which this span is active.
    pub(crate) const fn context(&self) -> &Context {
        &self.context
    }

    /// The innermost active span on this thread, if it belongs to this trace.
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

// A lock guards each change of the inner span, and poisoning is ignored.
impl UnwindSafe for WorkSpan {}

impl RefUnwindSafe for WorkSpan {}
