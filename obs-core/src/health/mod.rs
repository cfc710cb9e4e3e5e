//! Whether the service is fit to serve.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::Answer;

/// The service's state: it serves, or it is on its way out.
#[derive(Debug, Default)]
pub(crate) struct Health {
    draining: AtomicBool,
}

impl Health {
    pub(crate) fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Liveness: the process can answer. It stays so while draining, lest it be killed on its way out.
    pub(crate) fn live() -> Answer {
        no_store(200, r#"{"status":"live"}"#)
    }

    /// Readiness: new requests are welcome.
    pub(crate) fn ready(&self) -> Answer {
        if self.is_draining() {
            no_store(503, r#"{"status":"draining"}"#)
        } else {
            no_store(200, r#"{"status":"ready"}"#)
        }
    }
}

/// A probe wants to know how it is now.
fn no_store(status: u16, json: &'static str) -> Answer {
    Answer::new(status, "application/json", json).header("cache-control", "no-store")
}
