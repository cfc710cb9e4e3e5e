//! One JSON line per request.
//!
//! The request's thread serialises its record into a buffer that is bounded in bytes; a thread of its own
//! writes the buffer out. So a slow or stuck output costs lines, which are counted, and never a request.

mod buffer;
mod json;
mod writer;

use std::{
    cell::RefCell,
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use buffer::Buffer;
use writer::Writer;

use crate::{
    RecordSink, RequestRecord,
    metrics::{Counter, Own},
};

/// How many bytes of lines wait for the output at most.
const CAPACITY: usize = 4 * 1024 * 1024;

/// Where the line of each request goes.
///
/// ```
/// use obs_core::{EventOutput, Observer};
///
/// let quiet = Observer::builder("shop").no_environment().events(EventOutput::off()).build()?;
/// let to_a_vector = EventOutput::writer(Vec::new());
/// # Ok::<(), obs_core::BuildError>(())
/// ```
pub struct EventOutput(Option<Box<dyn Write + Send>>);

impl EventOutput {
    /// Standard output: the default.
    #[must_use]
    pub fn stdout() -> Self {
        Self(Some(Box::new(io::stdout())))
    }

    /// Any writer. It is called from a thread of its own, with whole lines.
    pub fn writer(writer: impl Write + Send + 'static) -> Self {
        Self(Some(Box::new(writer)))
    }

    /// No lines.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }
}

impl std::fmt::Debug for EventOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("EventOutput").field(&self.0.is_some()).finish()
    }
}

/// The sink that writes the lines.
pub(crate) struct Events {
    buffer: Arc<Buffer>,
    overflow: Arc<Counter>,
    /// Joined when the last observer is dropped.
    _writer: Writer,
}

impl Events {
    /// Starts the writer's thread; `None` if the output is off.
    pub(crate) fn start(output: EventOutput, own: &Own) -> io::Result<Option<Self>> {
        const DROPPED: &str = "obs_events_dropped_total";
        const DROPPED_HELP: &str = "Lines that were lost, by the reason.";
        let Some(output) = output.0 else { return Ok(None) };
        let written = own.counter("obs_events_written_total", "Lines handed to the output.", None);
        let failed = own.counter(DROPPED, DROPPED_HELP, Some(("reason", "output_error")));
        let overflow = own.counter(DROPPED, DROPPED_HELP, Some(("reason", "overflow")));
        let buffer = Arc::new(Buffer::new(CAPACITY));
        let writer = Writer::start(Arc::clone(&buffer), output, written, failed)?;
        Ok(Some(Self { buffer, overflow, _writer: writer }))
    }

    /// Waits until everything buffered so far is written, but no longer than `deadline`.
    pub(crate) fn flush(&self, deadline: Duration) -> bool {
        self.buffer.flush(deadline)
    }
}

impl RecordSink for Events {
    fn name(&self) -> &'static str {
        "events"
    }

    fn on_finish(&self, record: &RequestRecord) {
        thread_local! {
            static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        // Probes and scrapes are worth a line only when they fail.
        if record.endpoint && record.error_type().is_none() {
            return;
        }
        let push = |line: &mut Vec<u8>| {
            line.clear();
            json::line(line, record);
            if !self.buffer.push(line) {
                self.overflow.add(1);
            }
        };
        // A request may end while its thread ends, and the thread-local is gone.
        if LINE.try_with(|line| push(&mut line.borrow_mut())).is_err() {
            push(&mut Vec::new());
        }
    }
}
