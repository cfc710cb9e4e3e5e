//! An output that sends events through a channel to the program itself.

use std::{
    fmt,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    time::Duration,
};

use super::output::EventOutput;
use crate::outputs::delivery::{
    batch::Batch,
    failure::{Delivered, Failure},
    sink::BatchSink,
};

/// The capacity of the channel in events. The output's queue holds those that do not fit.
const WAITING: usize = 256;

/// Receives events as JSON texts without a line feed: see [`EventOutput::channel`].
///
/// It ends when the last observer is dropped and the last event is received. If the receiver is
/// dropped, later events of this output are discarded.
///
/// ```
/// use std::time::Duration;
/// use obs_core::{EventOutput, Observer, Outcome, adapter::RequestHead};
///
/// let (output, events) = EventOutput::channel();
/// let observer = Observer::builder("shop").no_environment().events(output).build()?;
/// observer.start(&RequestHead::new("GET", "/items/7", &())).finish(Outcome::ServiceError);
/// let event = events.recv_timeout(Duration::from_secs(10)).expect("an event");
/// assert!(event.contains(r#""url.path":"/items/7""#));
/// # Ok::<(), obs_core::BuildError>(())
/// ```
pub struct EventReceiver(Receiver<String>);

impl EventReceiver {
    /// Waits for the next event. Returns `None` after the last one.
    #[must_use]
    pub fn recv(&self) -> Option<String> {
        self.0.recv().ok()
    }

    /// Returns the next event if one is available.
    #[must_use]
    pub fn try_recv(&self) -> Option<String> {
        self.0.try_recv().ok()
    }

    /// Waits for the next event, at most for `timeout`. Returns `None` after this time, or after
    /// the last event.
    #[must_use]
    pub fn recv_timeout(&self, timeout: Duration) -> Option<String> {
        self.0.recv_timeout(timeout).ok()
    }
}

/// Waits for each event, and ends after the last one.
impl Iterator for EventReceiver {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        self.recv()
    }
}

impl fmt::Debug for EventReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventReceiver").finish_non_exhaustive()
    }
}

struct Channel(SyncSender<String>);

impl BatchSink for Channel {
    fn send(&mut self, batch: &Batch<'_>) -> Result<Delivered, Failure> {
        for event in batch {
            let line = event.bytes().trim_ascii_end();
            // The receiver was dropped on purpose, which is not a failure.
            if self.0.send(String::from_utf8_lossy(line).into_owned()).is_err() {
                break;
            }
        }
        Ok(Delivered::all())
    }
}

impl EventOutput {
    /// Returns an output for the program itself, and the receiver that gets its events as JSON.
    pub fn channel() -> (Self, EventReceiver) {
        let (send, receive) = sync_channel(WAITING);
        (Self::batches(Channel(send)).named("channel"), EventReceiver(receive))
    }
}
