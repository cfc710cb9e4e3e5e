//! Events: one for each request, in a documented format (`schema/event-1.json`), written to any
//! number of outputs.
//!
//! ```text
//! record ─▶ keep? ─▶ one line of JSON ─▶ each output's queue ─▶ its worker ─▶ its sink
//! ```
//! The request's thread serialises the event once and copies it into the queue of each output that
//! accepts it. Each output has its own thread. A slow or stuck output therefore loses events, which
//! are counted, and does not delay requests.
//!
//! The event is serialised into memory that the thread keeps, and copied into the queues under a
//! short lock. Under traffic, a worker swaps its queue every 20 ms. After a second without events
//! it sleeps, and only the next event wakes it. Both swapped buffers keep about as much memory as
//! the largest recent batch needed.
//!
//! A sink of batches returns how many entries it has accepted. A sink of bytes
//! (`delivery/byte_writer.rs`) returns how many bytes it has accepted. The next attempt continues
//! at the first byte that the sink did not accept, so a failed attempt neither breaks nor
//! duplicates a line.

pub(crate) mod channel;
pub(crate) mod install;
pub(crate) mod keep;
pub(crate) mod line;
pub(crate) mod output;
pub(crate) mod readable;
mod running_output;
pub(crate) mod settings;

#[cfg(test)]
mod tests;

use super::events::output::EventOutput;
use crate::{
    extension::{report::OutputCounts, setup::Setup, sink::RecordSink},
    outputs::{delivery::worker, destination},
    record::finished::Record,
};
use std::{cell::RefCell, io, sync::Arc, time::Duration};

use keep::Keep;
use line::{CommonMembers, JsonLine};
use running_output::RunningOutput;

/// The JSON Schema of an event (draft 2020-12). Every event in JSON is valid against it.
///
/// ```
/// assert!(obs_core::EVENT_SCHEMA.contains("urn:obs:event:1"));
/// ```
pub const EVENT_SCHEMA: &str = include_str!("../../../schema/event-1.json");

/// The sink that turns records into events.
pub(crate) struct EventPipeline {
    keep: Arc<Keep>,
    common: CommonMembers,
    outputs: Vec<RunningOutput>,
}

impl EventPipeline {
    /// Starts the threads of the outputs. Returns `None` if there are no outputs.
    pub(crate) fn start(
        outputs: Option<Vec<EventOutput>>,
        keep: Arc<Keep>,
        setup: &Setup<'_>,
    ) -> io::Result<Option<Self>> {
        let outputs = outputs.unwrap_or_else(|| vec![EventOutput::stdout()]);
        let outputs =
            outputs.into_iter().map(|output| output.start(setup)).collect::<io::Result<Vec<_>>>()?;
        Ok((!outputs.is_empty()).then(|| Self { keep, common: CommonMembers::new(setup.service), outputs }))
    }

    /// The sums of the counts of all outputs, for the report of a shutdown.
    pub(crate) fn counts(&self) -> OutputCounts {
        destination::counts(self.outputs.iter().map(|output| &output.destination))
    }
}

impl RecordSink for EventPipeline {
    fn name(&self) -> &str {
        "events"
    }

    fn wants_starts(&self) -> bool {
        false
    }

    #[inline]
    fn on_finish(&self, record: &Record) {
        thread_local! {
            static LINE: RefCell<JsonLine> = const { RefCell::new(JsonLine::new()) };
        }
        if record.excluded.events || record.is_quiet() {
            return;
        }
        let Some(sample_rate) = self.keep.rate(record) else { return };
        let event = line::Event { record, sample_rate, common: &self.common };
        let shared = LINE.try_with(|line| line.try_borrow_mut().map(|mut line| self.push(&event, &mut line)));
        // The thread-local memory is gone if the request ends while its thread ends. It is borrowed
        // if the request ends inside a filter that runs for another request.
        if !matches!(shared, Ok(Ok(()))) {
            self.push_in_new_buffer(&event);
        }
    }

    fn flush(&self, deadline: Duration) -> bool {
        destination::flush(self.outputs.iter().map(|output| &output.destination), deadline)
    }
}

impl EventPipeline {
    /// Stays a function of its own: inlined, it costs 80 instructions more.
    #[inline(never)]
    fn push(&self, event: &line::Event<'_>, line: &mut JsonLine) {
        line.clear();
        for output in self.outputs.iter().filter(|output| output.wants(event.record)) {
            output.push(event, line);
        }
    }

    #[cold]
    #[inline(never)]
    fn push_in_new_buffer(&self, event: &line::Event<'_>) {
        self.push(event, &mut JsonLine::new());
    }
}

impl Drop for EventPipeline {
    fn drop(&mut self) {
        worker::end(self.outputs.iter_mut().map(|output| &mut output.destination.worker));
    }
}
