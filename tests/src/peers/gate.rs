//! A gate that a test opens once.

use std::future::pending;

use tokio::sync::watch;

/// A peer waits until the test opens its gate. A dropped gate never opens.
pub struct Gate(watch::Sender<bool>);

impl Gate {
    pub(super) fn new() -> (Self, Closed) {
        let (send, receive) = watch::channel(false);
        (Self(send), Closed(receive))
    }

    /// Lets the peer go on.
    pub fn open(&self) {
        self.0.send_replace(true);
    }
}

/// The peer's side of a gate.
#[derive(Clone)]
pub(super) struct Closed(watch::Receiver<bool>);

impl Closed {
    pub(super) async fn opened(mut self) {
        if self.0.wait_for(|open| *open).await.is_err() {
            pending().await
        }
    }
}
