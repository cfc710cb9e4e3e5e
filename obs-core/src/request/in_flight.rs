//! The part of a running request that only its observation owns.
//!
//! It stays in one place while the observation moves from the service's call through its future
//! into the response's body. Frameworks often move the call, the future and the body, so a pointer
//! keeps the moves cheap.

use std::{sync::Arc, time::Duration};

use crate::{
    http::{grpc::answer::GrpcAnswer, head::RequestHead},
    observer::{Observer, Tunnel},
    record::{policy::Policy, state::WorkState},
    work::{handle::Work, scope::Scope},
};

pub(crate) struct InFlight {
    /// The scope of all parts of the request: the handler, then the body. It holds the request's
    /// state.
    pub(crate) scope: Scope,
    /// True once the record is made.
    pub(crate) ended: bool,
    pub(crate) progress: Progress,
}

/// The progress of the response.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) status: Option<u16>,
    pub(crate) time_to_head: Option<Duration>,
    pub(crate) stream: bool,
    pub(crate) endpoint: bool,
    /// The gRPC data of a gRPC response.
    pub(crate) grpc: Option<Box<GrpcAnswer>>,
    /// The bytes that the body must yield: first as the head declares, then as the body's rule
    /// promises.
    pub(crate) declared: Option<u64>,
    /// The bytes that the body yielded and that go to the client.
    pub(crate) response_bytes: u64,
    pub(crate) body: Sending,
    /// Counts an upgraded connection as long as the framework holds the body.
    pub(crate) tunnel: Option<Tunnel>,
}

/// The way in which a body is observed while it is sent.
#[derive(Default)]
pub(crate) struct Sending {
    /// True if bytes are counted and nothing else: no change at the first poll, and no span to
    /// activate. This holds for most bodies of requests without a span.
    pub(crate) only_bytes: bool,
    pub(crate) counts: Counts,
    pub(crate) if_dropped: IfDropped,
}

/// The meaning of a drop before the body's end was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum IfDropped {
    /// Complete if it has yielded this many bytes.
    CompleteAfter(Option<u64>),
    /// Complete, because there is nothing to send and the body is never polled. A poll changes it
    /// to `Cancelled`.
    CompleteUntilPolled,
    #[default]
    Cancelled,
}

/// The parts of a body that are counted.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Counts {
    /// Nothing: its bytes do not go to the client.
    #[default]
    Nothing,
    Bytes,
    /// Its bytes, and the gRPC messages in them.
    Messages,
}

impl Progress {
    /// Counts bytes that go to the client.
    #[inline]
    pub(crate) fn count(&mut self, bytes: &[u8]) {
        self.response_bytes = self.response_bytes.wrapping_add(bytes.len() as u64);
    }

    /// Notes that the body was polled. From now on, a drop before its end is a cancellation if the
    /// rule says so.
    #[inline]
    pub(crate) fn polled(&mut self) {
        if self.body.if_dropped == IfDropped::CompleteUntilPolled {
            self.body.if_dropped = IfDropped::Cancelled;
        }
    }

    /// Counts bytes that the body yielded, as its rule says.
    #[inline(never)]
    pub(crate) fn sent(&mut self, bytes: &[u8]) {
        if self.body.counts == Counts::Nothing {
            return;
        }
        self.count(bytes);
        if self.body.counts == Counts::Messages
            && let Some(answer) = &mut self.grpc
        {
            answer.messages.read(bytes);
        }
    }
}

impl InFlight {
    /// Makes the memory for requests, without a request.
    pub(crate) fn no_request(policy: &Arc<Policy>) -> Self {
        let work = Work::new(Arc::new(WorkState::no_request(policy)));
        Self { scope: Scope::new(work), ended: true, progress: Progress::default() }
    }

    /// Starts a request in this memory.
    #[inline]
    pub(crate) fn begin(
        &mut self,
        observer: &Observer,
        head: &RequestHead<'_>,
        outer: Option<&Arc<WorkState>>,
    ) {
        self.scope.begin(|state| state.begin(observer, head, outer));
        self.ended = false;
    }

    /// Resets everything that belongs to the finished request.
    ///
    /// Returns false if the memory must not be reused: a handle or a record of the request still
    /// exists, or the request was interrupted.
    #[inline]
    pub(crate) fn reset(&mut self) -> bool {
        let Self { scope, ended: _, progress } = self;
        *progress = Progress::default();
        scope.unique().is_some_and(WorkState::reset)
    }

    #[inline]
    pub(crate) fn state(&self) -> &Arc<WorkState> {
        self.scope.state()
    }
}
