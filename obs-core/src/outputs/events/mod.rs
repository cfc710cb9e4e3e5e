//! Events: one per request, in a form that is documented (`schema/event-1.json`), to any number of outputs.
//!
//! ```text
//! record ─▶ keep? ─▶ one line of JSON ─▶ each output's buffer ─▶ its thread ─▶ its sink
//! ```
//! The request's thread serialises the event once and copies it into the buffer of every output that wants it. Each output has a
//! thread of its own, so one that is slow or stuck costs events, which are counted, and never a request.

pub(crate) mod channel;
pub(crate) mod file;
pub(crate) mod keep;
pub(crate) mod line;
pub(crate) mod output;
pub(crate) mod readable;
pub(crate) mod settings;

#[cfg(all(test, not(obs_loom)))]
pub(crate) mod tests;

use super::events::output::EventOutput;
use crate::{
    outputs::{delivery::worker, metrics::own::Own, sink::RecordSink},
    record::{finished::Record, service::Service},
};
use std::{
    cell::RefCell,
    io,
    time::{Duration, Instant},
};

use keep::Keep;
use line::Line;
use output::Output;

/// The JSON Schema of an event (draft 2020-12), which the lines of every output in JSON fulfil.
///
/// ```
/// assert!(obs_core::EVENT_SCHEMA.contains("urn:obs:event:1"));
/// ```
pub const EVENT_SCHEMA: &str = include_str!("../../../schema/event-1.json");

/// The sink that makes events.
pub(crate) struct EventPipeline {
    keep: Keep,
    /// The members that all events have.
    service: Vec<u8>,
    outputs: Vec<Output>,
}

impl EventPipeline {
    /// Starts the outputs' threads; `None` if there are no outputs.
    pub(crate) fn start(
        outputs: Option<Vec<EventOutput>>,
        keep: Keep,
        service: &Service,
        own: &Own,
    ) -> io::Result<Option<Self>> {
        let outputs = outputs.unwrap_or_else(|| vec![EventOutput::stdout()]);
        let outputs = outputs.into_iter().map(|output| output.start(own)).collect::<io::Result<Vec<_>>>()?;
        Ok((!outputs.is_empty()).then(|| Self { keep, service: line::service(service), outputs }))
    }

    /// Over all outputs, since the start.
    pub(crate) fn written_and_dropped(&self) -> (u64, u64) {
        let written = self.outputs.iter().map(|output| output.written.get()).sum();
        (written, self.outputs.iter().map(Output::dropped).sum())
    }
}

impl RecordSink for EventPipeline {
    fn name(&self) -> &'static str {
        "events"
    }

    fn wants_starts(&self) -> bool {
        false
    }

    fn on_finish(&self, record: &Record) {
        thread_local! {
            static LINE: RefCell<Line> = const { RefCell::new(Line::new()) };
        }
        if record.excluded.events || record.is_quiet() {
            return;
        }
        let Some(sample_rate) = self.keep.rate(record) else { return };
        let event = line::Event { record, sample_rate, service: &self.service };
        let shared = LINE.try_with(|line| line.try_borrow_mut().map(|mut line| self.push(&event, &mut line)));
        // A request may end while its thread ends, and the thread-local is gone; or within another's end, in a filter.
        if !matches!(shared, Ok(Ok(()))) {
            self.push_apart(&event);
        }
    }

    fn flush(&self, deadline: Duration) -> bool {
        let started = Instant::now();
        // All are asked before any is waited for: one that is stuck takes no time from the others.
        let asked: Vec<_> =
            self.outputs.iter().map(|output| (output.buffer().ask_to_flush(), output)).collect();
        asked.iter().fold(true, |flushed, (flush, output)| {
            flushed & output.buffer().wait_for(flush, deadline.saturating_sub(started.elapsed()))
        })
    }
}

impl EventPipeline {
    #[inline]
    fn push(&self, event: &line::Event<'_>, line: &mut Line) {
        line.clear();
        for output in self.outputs.iter().filter(|output| output.wants(event.record)) {
            output.push(event, line);
        }
    }

    #[cold]
    #[inline(never)]
    fn push_apart(&self, event: &line::Event<'_>) {
        self.push(event, &mut Line::new());
    }
}

impl Drop for EventPipeline {
    fn drop(&mut self) {
        worker::end(self.outputs.iter_mut().map(|output| &mut output.writer));
    }
}
