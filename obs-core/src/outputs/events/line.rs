//! An event as one line of JSON: the [facts](crate::outputs::facts) of its record.

use crate::{
    outputs::facts::{
        request::{GrpcFacts, HeadFacts, OperationFacts, TransferFacts},
        work::{
            ActivityFacts, DurationFacts, FailureFacts, FieldFacts, IdFacts, OutcomeFacts, ServiceFacts,
            ServiceStateFacts, TimeFacts, UserFacts,
        },
    },
    record::{
        finished::{FinishedRequest, Record},
        service::Service,
        start::StartKind,
    },
    write::{
        buffer::{self, BufferWriter},
        json::Object,
    },
};

/// The parts of an event.
pub(super) struct Event<'a> {
    pub(super) record: &'a Record,
    /// The sample rate at which the event is kept.
    pub(super) sample_rate: f64,
    /// The JSON members that all events of a kind of work have in common.
    pub(super) common: &'a CommonMembers,
}

/// The JSON line of an event. It is written once for all outputs, into memory that the next event
/// reuses.
#[derive(Default)]
pub(super) struct JsonLine {
    memory: Vec<u8>,
    length: usize,
}

impl JsonLine {
    pub(super) const fn new() -> Self {
        Self { memory: Vec::new(), length: 0 }
    }

    /// Resets the memory for the next event.
    pub(super) fn clear(&mut self) {
        self.length = 0;
        // One huge event must not keep its memory allocated.
        if self.memory.len() > MOST_MEMORY {
            self.memory = Vec::new();
        }
    }

    /// Returns the line of the event. The first call writes it.
    #[inline]
    pub(super) fn of(&mut self, event: &Event<'_>) -> &[u8] {
        if self.length == 0 {
            self.length = buffer::write(&mut self.memory, |out| write(out, event));
        }
        self.memory.get(..self.length).unwrap_or_default()
    }
}

/// The limit of the memory that is kept, in bytes. Nearly all events need less.
const MOST_MEMORY: usize = 16 * 1024;

/// Writes the event's line, with its line feed.
pub(super) fn write(out: &mut BufferWriter<'_>, event: &Event<'_>) {
    let record = event.record;
    let mut object = Object::open(out);
    let start = record.start();
    TimeFacts::event(&mut object, start);
    object.members(event.common.of(&start.kind));
    IdFacts::event(&mut object, start);
    let request = record.request();
    if let Some(FinishedRequest { start, end, .. }) = request {
        OperationFacts::event(&mut object, start, end);
        let identities = &record.state.policy.identities;
        HeadFacts::event(&mut object, start, end, identities, start.text.is_plain());
        if let Some(call) = &end.grpc {
            GrpcFacts::event(&mut object, end, call);
        }
    }
    OutcomeFacts::event(&mut object, record);
    let error_type = match &request {
        Some(request) => record.error_type_of(request.end),
        None => record.error_type(),
    };
    if error_type.is_some() || record.error.is_some() || record.panic.is_some() {
        FailureFacts::event(&mut object, record, error_type);
    }
    DurationFacts::event(&mut object, record);
    if let Some(FinishedRequest { end, .. }) = request {
        TransferFacts::event(&mut object, end);
    }
    ServiceStateFacts::event(&mut object, record);
    if let Some(user) = &record.user {
        UserFacts::event(&mut object, user);
    }
    if !record.flags.is_empty() || record.calls.exist() {
        ActivityFacts::event(&mut object, record);
    }
    FieldFacts::event(&mut object, record, event.sample_rate);
    object.close_line();
}

/// The members that are the same in every event of a kind of work, written once.
pub(super) struct CommonMembers {
    request: Vec<u8>,
}

impl CommonMembers {
    pub(super) fn new(service: &Service) -> Self {
        let members =
            |kind| buffer::written(|out| ServiceFacts::event(&mut Object::open(out), service, kind));
        Self { request: members(StartKind::REQUEST) }
    }

    fn of(&self, kind: &StartKind) -> &[u8] {
        match kind {
            StartKind::Request(_) => &self.request,
            // It has no event of its own.
            StartKind::Call(_) | StartKind::Span(_) => &[],
        }
    }
}
