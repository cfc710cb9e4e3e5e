//! The size of a request's body, counted while the service reads it.

use std::sync::atomic::{AtomicU64, Ordering};

/// The value of a counter that is not in use.
const UNKNOWN: u64 = u64::MAX;

/// The bytes and gRPC messages that were read, if they are counted.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) bytes: AtomicU64,
    pub(crate) messages: AtomicU64,
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
