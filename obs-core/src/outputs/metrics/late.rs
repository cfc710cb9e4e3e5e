//! Metrics that exist once the application uses a part of the API: calls, timers, pools.
//!
//! Only the method that uses a part refers to the code of its metrics. So the linker removes this
//! code from a program that does not call the method. Until then, the part has families without
//! samples, because a registry gets the names of all metrics at once.

use std::{any::Any, sync::OnceLock};

use super::family::Family;
use crate::record::{finished::Record, start::Start};

/// The metrics of a part.
pub(super) trait LateMetrics: Send + Sync {
    /// Receives the start of a call.
    fn start(&self, _start: &Start) {}

    /// Receives the record of a call, or of a request that repeated queries.
    fn finish(&self, _record: &Record) {}

    /// Appends the families with their current values.
    fn families(&self, out: &mut Vec<Family>);

    fn as_any(&self) -> &dyn Any;
}

/// A part that may not exist yet.
#[derive(Default)]
pub(super) struct Late(OnceLock<Box<dyn LateMetrics>>);

impl Late {
    /// Returns the part, which `make` makes at the first time.
    pub(super) fn get_or_init<T: LateMetrics + 'static>(&self, make: impl FnOnce() -> T) -> &T {
        let part = self.0.get_or_init(|| Box::new(make()));
        let found = part.as_any().downcast_ref();
        found.unwrap_or_else(|| unreachable!("each part has a place of its own"))
    }

    #[inline]
    pub(super) fn get(&self) -> Option<&dyn LateMetrics> {
        self.0.get().map(|part| &**part)
    }

    /// Appends the families of the part, or those of `empty` if it does not exist yet.
    pub(super) fn families(&self, out: &mut Vec<Family>, empty: impl FnOnce(&mut Vec<Family>)) {
        match self.get() {
            Some(part) => part.families(out),
            None => empty(out),
        }
    }
}
