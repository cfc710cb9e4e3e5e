//! The state of the collector: the received requests, and the next responses.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use http::HeaderMap;
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest,
};
use prost::Message;

use super::spans::Span;
use crate::watch::BOUND;

/// The behaviour of the collector after it has read a request.
#[derive(Clone, Debug, Default)]
pub enum Behaviour {
    #[default]
    Accept,
    /// A 200 with a number of rejected spans, and a message. If the number is 0, the message is a
    /// warning.
    Reject { spans: i64, message: String },
    /// Another status, with the seconds of `retry-after`.
    Status { code: u16, retry_after: Option<u64> },
    /// No response, and the connection stays open.
    Hang,
    /// Closes the socket in the middle of the head of a 200.
    CloseInHead,
    /// Closes the socket after the head of a 200, in the middle of its body.
    CloseInBody,
}

/// A received request.
#[derive(Clone, Debug)]
pub struct Received {
    pub at: Instant,
    pub headers: HeaderMap,
    pub gzip: bool,
    /// The number of bytes before decompression.
    pub size: usize,
    /// The bytes of the message after decompression.
    pub body: Bytes,
    /// The message of spans, which is empty in a request with logs.
    pub message: ExportTraceServiceRequest,
    /// The message of logs.
    pub logs: Option<ExportLogsServiceRequest>,
    pub spans: Vec<Span>,
    /// `true` if the response is a 200 and has been sent.
    pub accepted: bool,
}

impl Received {
    /// Returns `true` if the official encoder writes the same bytes. Then the message has no
    /// unknown field.
    #[must_use]
    pub fn is_canonical(&self) -> bool {
        let encoded = self.logs.as_ref().map(Message::encode_to_vec);
        encoded.unwrap_or_else(|| self.message.encode_to_vec()) == self.body
    }
}

#[derive(Default)]
pub(super) struct State {
    pub(super) standing: Behaviour,
    pub(super) script: VecDeque<Behaviour>,
    pub(super) connections: usize,
    pub(super) received: Vec<Received>,
    pub(super) errors: Vec<String>,
    /// The trace id and the span id of all accepted spans.
    ids: BTreeSet<(String, String)>,
}

impl State {
    pub(super) fn accepted(&self) -> impl Iterator<Item = &Span> {
        self.received.iter().filter(|request| request.accepted).flat_map(|request| &request.spans)
    }

    /// Marks the request with this number as accepted. From now on, a repeated span is a fault;
    /// spans that were not accepted may be sent again.
    pub(super) fn accept(&mut self, number: usize) {
        let Self { received, errors, ids, .. } = self;
        let request = &mut received[number];
        request.accepted = true;
        for span in &request.spans {
            if !ids.insert((span.trace_id.clone(), span.span_id.clone())) {
                errors.push(format!("the span {:?} came twice: {}", span.name, span.span_id));
            }
        }
    }
}

/// The state that the thread and the test share.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // If the thread has panicked, the drop of the collector reports it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a request, and returns its number and its behaviour.
    pub(super) fn receive(&self, request: Received, faults: Vec<String>) -> (usize, Behaviour) {
        let mut state = self.lock();
        state.errors.extend(faults);
        state.received.push(request);
        let number = state.received.len() - 1;
        let behaviour = state.script.pop_front().unwrap_or_else(|| state.standing.clone());
        self.announce(state);
        (number, behaviour)
    }

    /// Unlocks the state, and wakes all waiting tests.
    pub(super) fn announce(&self, state: MutexGuard<'_, State>) {
        drop(state);
        self.changed.notify_all();
    }

    pub(super) fn wait_until(&self, enough: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let waited = self.changed.wait_timeout_while(self.lock(), BOUND, |state| !enough(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
