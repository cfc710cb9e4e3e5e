//! Counts a request's body while the service reads it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::{http::grpc::messages::Messages, record::shared::RequestState};

/// Nobody counts.
const UNKNOWN: u64 = u64::MAX;

/// Bytes and gRPC messages that were read, where somebody counts.
#[derive(Debug)]
pub(crate) struct Received {
    bytes: AtomicU64,
    messages: AtomicU64,
}

impl Default for Received {
    fn default() -> Self {
        Self { bytes: AtomicU64::new(UNKNOWN), messages: AtomicU64::new(UNKNOWN) }
    }
}

impl Received {
    pub(crate) fn bytes(&self) -> Option<u64> {
        Some(self.bytes.load(Ordering::Relaxed)).filter(|bytes| *bytes != UNKNOWN)
    }

    pub(crate) fn messages(&self) -> Option<u64> {
        Some(self.messages.load(Ordering::Relaxed)).filter(|messages| *messages != UNKNOWN)
    }
}

/// Counts the bytes of a request's body, and gRPC's messages in it: see [`Observation::request_body`](crate::Observation::request_body).
///
/// ```
/// # use obs_core::{Observer, RequestHead};
/// let observer = Observer::builder("shop").no_environment().build()?;
/// let observation = observer.start(&RequestHead::new("POST", "/orders", &()));
/// let mut body = observation.request_body().expect("nobody has said how long it is");
/// body.received(b"a chunk");
/// # Ok::<(), obs_core::BuildError>(())
/// ```
pub struct RequestBody {
    state: Arc<RequestState>,
    messages: Option<Messages>,
}

impl RequestBody {
    pub(crate) fn unknown(state: &Arc<RequestState>) -> Option<Self> {
        let grpc = state.grpc().is_some_and(|request| request.native);
        if state.request().body_bytes.is_some() && !grpc {
            return None;
        }
        state.received.bytes.store(0, Ordering::Relaxed);
        let messages = grpc.then(|| {
            state.received.messages.store(0, Ordering::Relaxed);
            Messages::default()
        });
        Some(Self { state: Arc::clone(state), messages })
    }

    /// The service has read these bytes.
    pub fn received(&mut self, bytes: &[u8]) {
        self.state.received.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if let Some(messages) = &mut self.messages {
            messages.see(bytes);
            self.state.received.messages.store(messages.count(), Ordering::Relaxed);
        }
    }
}

impl std::fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestBody").field("received", &self.state.received).finish()
    }
}
