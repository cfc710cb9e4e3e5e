//! The counter of a request's body, which runs while the service reads it.

use std::sync::{Arc, atomic::Ordering};

use crate::{http::grpc::messages::Messages, record::state::WorkState};

/// A counter of the bytes of a request's body, and of the gRPC messages in it: see
/// [`Observation::request_body`](crate::adapter::Observation::request_body).
///
/// ```
/// # use obs_core::{Observer, adapter::RequestHead};
/// let observer = Observer::builder("shop").no_environment().build()?;
/// let observation = observer.start(&RequestHead::new("POST", "/orders", &()));
/// let mut body = observation.request_body().expect("its size is unknown");
/// body.received(b"a chunk");
/// # Ok::<(), obs_core::BuildError>(())
/// ```
pub struct RequestBody {
    state: Arc<WorkState>,
    messages: Option<Messages>,
}

impl RequestBody {
    pub(crate) fn unknown(state: &Arc<WorkState>) -> Option<Self> {
        let grpc = state.grpc.as_ref().is_some_and(|request| request.native);
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

    /// Counts bytes that the service has read.
    pub fn received(&mut self, bytes: &[u8]) {
        self.state.received.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if let Some(messages) = &mut self.messages {
            messages.read(bytes);
            self.state.received.messages.store(messages.count(), Ordering::Relaxed);
        }
    }
}

impl std::fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestBody").field("received", &self.state.received).finish()
    }
}
