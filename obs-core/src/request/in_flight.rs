//! What of a request in flight belongs to its observation alone.
//!
//! It stays where it is while the observation moves from the service's call through its future into the response's body: behind a
//! pointer, so that frameworks, which move those often, have less to move.

use std::{sync::Arc, time::Duration};

use crate::{
    http::{grpc::answer::GrpcAnswer, head::RequestHead},
    observer::{Observer, Tunnel},
    record::{policy::Policy, state::WorkState},
    work::{handle::Work, scope::Scope},
};

pub(crate) struct InFlight {
    /// In which all parts of the request run: the handler, and then the body. It has the request's state.
    pub(crate) scope: Scope,
    /// Its record is made.
    pub(crate) ended: bool,
    pub(crate) progress: Progress,
}

/// How far the answer has come.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) status: Option<u16>,
    pub(crate) time_to_head: Option<Duration>,
    pub(crate) stream: bool,
    pub(crate) endpoint: bool,
    /// Of an answer that is one of gRPC.
    pub(crate) grpc: Option<Box<GrpcAnswer>>,
    /// The bytes that the body has to yield: as the head declares, and then as the body's rule promises.
    pub(crate) declared: Option<u64>,
    /// The bytes that the body has yielded and that go to the client.
    pub(crate) response_bytes: u64,
    pub(crate) body: Sending,
    /// Counts an upgraded connection as long as the framework holds the body.
    pub(crate) tunnel: Option<Tunnel>,
}

/// What is to be seen of a body while it is sent.
#[derive(Default)]
pub(crate) struct Sending {
    /// Only bytes are counted, nothing changes with the first poll, and no span is made current: so it is with most bodies of requests
    /// without a span.
    pub(crate) only_bytes: bool,
    pub(crate) counts: Counts,
    pub(crate) if_dropped: IfDropped,
}

/// What it means that a body is dropped before it was seen to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum IfDropped {
    /// Complete if it has yielded so many bytes.
    CompleteAfter(Option<u64>),
    /// Complete, because there is nothing to send, which is then never polled. If it is, it becomes `Cancelled`.
    CompleteUntilPolled,
    #[default]
    Cancelled,
}

/// What of a body is counted as it goes by.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Counts {
    /// Its bytes do not go to the client.
    #[default]
    Nothing,
    Bytes,
    /// Its bytes, and gRPC's messages in them.
    Messages,
}

impl Progress {
    /// These bytes go to the client.
    #[inline]
    pub(crate) fn count(&mut self, bytes: &[u8]) {
        self.response_bytes = self.response_bytes.wrapping_add(bytes.len() as u64);
    }

    /// The body has yielded these bytes.
    #[inline(never)]
    pub(crate) fn sent(&mut self, bytes: &[u8]) {
        if self.body.counts == Counts::Nothing {
            return;
        }
        self.count(bytes);
        if self.body.counts == Counts::Messages
            && let Some(answer) = &mut self.grpc
        {
            answer.messages.see(bytes);
        }
    }
}

impl InFlight {
    /// Without a request.
    pub(crate) fn no_request(policy: &Arc<Policy>) -> Self {
        let work = Work::new(Arc::new(WorkState::no_request(policy)));
        Self { scope: Scope::new(work), ended: true, progress: Progress::default() }
    }

    /// A request starts.
    pub(crate) fn begin(
        &mut self,
        observer: &Observer,
        head: &RequestHead<'_>,
        outer: Option<&Arc<WorkState>>,
    ) {
        self.scope.begin(|state| state.begin(observer, head, outer));
        self.ended = false;
    }

    /// Drops everything that belongs to the request that has ended. Returns false if the memory must not be used again, because
    /// somebody has a handle or a record of the request, or because the request was torn in the middle.
    pub(crate) fn reset(&mut self) -> bool {
        let Self { scope, ended: _, progress } = self;
        *progress = Progress::default();
        scope.unique().is_some_and(WorkState::reset)
    }

    pub(crate) fn state(&self) -> &Arc<WorkState> {
        self.scope.state()
    }
}
