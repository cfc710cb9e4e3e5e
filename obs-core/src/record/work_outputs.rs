//! The interface through which work reports to the outputs.

use std::any::Any;

#[cfg(feature = "otel")]
use crate::record::span::WorkSpan;
use crate::record::{finished::Record, start::Start};

/// The outputs of an observer. Work that a handle starts reports to them.
///
/// The policy refers to them weakly. So a handle or a record keeps no output alive, and work that
/// outlives its observer is not recorded.
pub(crate) trait WorkOutputs: Send + Sync {
    fn on_start(&self, start: &Start);

    fn on_finish(&self, record: &Record);

    /// Enables the metrics of calls. `enable` gets the metrics of the observer. It is the caller's
    /// function, so a program that makes no calls does not contain the code of their metrics.
    fn enable_calls(&self, enable: fn(&dyn Any));

    /// Returns true if the service shuts down.
    fn is_draining(&self) -> bool;

    /// Decides whether work inside other work is traced, and starts its span if the SDK records it.
    /// `parent` is the work around it.
    #[cfg(feature = "otel")]
    fn start_inner_span(&self, start: &mut Start, parent: Option<&WorkSpan>) -> Option<WorkSpan>;
}
