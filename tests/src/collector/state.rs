//! What has come so far, and what is answered next.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use http::HeaderMap;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use super::spans::Span;
use crate::watch::BOUND;

/// What a collector does with a request that it has read.
#[derive(Clone, Debug, Default)]
pub enum Behaviour {
    #[default]
    Accept,
    /// 200, but so many spans were rejected, and why. With none rejected the message is a warning.
    Reject { spans: i64, message: String },
    /// Another status, with seconds in `retry-after`.
    Status { code: u16, retry_after: Option<u64> },
    /// No answer at all, and the connection stays open.
    Hang,
    /// The socket is closed in the middle of the head of a 200.
    CloseInHead,
    /// The socket is closed after the head of a 200, in the middle of its body.
    CloseInBody,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    pub at: Instant,
    pub headers: HeaderMap,
    pub gzip: bool,
    /// How many bytes came, before they were unpacked.
    pub size: usize,
    /// The message's bytes, unpacked.
    pub body: Bytes,
    pub message: ExportTraceServiceRequest,
    pub spans: Vec<Span>,
    /// Whether it was answered with 200, and the answer is on its way.
    pub accepted: bool,
}

impl Received {
    /// Whether the official encoder writes the very same bytes: then there was no field that it does not know.
    #[must_use]
    pub fn is_canonical(&self) -> bool {
        self.message.encode_to_vec() == self.body
    }
}

#[derive(Default)]
pub(super) struct State {
    pub(super) standing: Behaviour,
    pub(super) script: VecDeque<Behaviour>,
    pub(super) connections: usize,
    pub(super) received: Vec<Received>,
    pub(super) errors: Vec<String>,
    /// Trace and span of all accepted spans.
    ids: BTreeSet<(String, String)>,
}

impl State {
    pub(super) fn accepted(&self) -> impl Iterator<Item = &Span> {
        self.received.iter().filter(|request| request.accepted).flat_map(|request| &request.spans)
    }

    /// The request with this number is answered with 200. Only now may its spans not come again: what was not accepted
    /// may.
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

/// What the thread and the test share.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // If the thread has panicked, the test is about to say so.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a request, and tells its number and what to do with it.
    pub(super) fn receive(&self, request: Received, faults: Vec<String>) -> (usize, Behaviour) {
        let mut state = self.lock();
        state.errors.extend(faults);
        state.received.push(request);
        let number = state.received.len() - 1;
        let behaviour = state.script.pop_front().unwrap_or_else(|| state.standing.clone());
        self.announce(state);
        (number, behaviour)
    }

    /// Wakes those who wait.
    pub(super) fn announce(&self, state: MutexGuard<'_, State>) {
        drop(state);
        self.changed.notify_all();
    }

    pub(super) fn wait_until(&self, enough: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let waited = self.changed.wait_timeout_while(self.lock(), BOUND, |state| !enough(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
