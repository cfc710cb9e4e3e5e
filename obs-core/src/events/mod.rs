//! One JSON line per request.
//!
//! The request's thread serialises its record into a buffer that is bounded in bytes; a thread of its own
//! writes the buffer out. So a slow or stuck output costs lines, which are counted, and never a request.

mod buffer;
mod line;
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
        let queue = Arc::clone(&buffer);
        own.gauge("obs_events_queued_bytes", "Bytes of lines that wait for the output.", move || {
            queue.waiting()
        });
        let writer = Writer::start(Arc::clone(&buffer), output, written, failed)?;
        Ok(Some(Self { buffer, overflow, _writer: writer }))
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
        let failed = !record.outcome.is_ok() || record.status.is_some_and(|status| status >= 500);
        if record.endpoint && !failed {
            return;
        }
        let push = |line: &mut Vec<u8>| {
            line.clear();
            line::write(line, record);
            if !self.buffer.push(line) {
                self.overflow.add(1);
            }
        };
        // A request may end while its thread ends, and the thread-local is gone.
        if LINE.try_with(|line| push(&mut line.borrow_mut())).is_err() {
            push(&mut Vec::new());
        }
    }

    fn flush(&self, deadline: Duration) -> bool {
        self.buffer.flush(deadline)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;
    use crate::{Observer, Outcome, RequestHead};

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);
    impl Shared {
        fn lines(&self) -> usize {
            let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            bytes.iter().filter(|byte| **byte == b'\n').count()
        }
    }
    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Broken;
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Blocks until it is dropped.
    struct Stuck(std::sync::mpsc::Receiver<()>);
    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn observer(output: impl Write + Send + 'static) -> Observer {
        let builder = Observer::builder("test").no_environment().events(EventOutput::writer(output));
        builder.build().expect("valid")
    }

    fn request(observer: &Observer) {
        observer.start(RequestHead::new("GET", "/", &())).finish(Outcome::Completed);
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_shutdown_flushes_and_says_so() {
        let (output, lines) = (Shared::default(), 1000);
        let observer = observer(output.clone());
        (0..lines).for_each(|_| request(&observer));
        assert!(observer.shutdown(LONG).flushed);
        assert_eq!(output.lines(), lines);
    }

    #[test]
    fn lines_that_were_lost_are_not_flushed() {
        let observer = observer(Broken);
        request(&observer);
        assert!(!observer.shutdown(LONG).flushed);
        assert!(observer.metrics_text().contains(r#"obs_events_dropped_total{reason="output_error"} 1"#));
    }

    #[test]
    fn a_stuck_output_costs_lines_and_no_request() {
        let (release, stuck) = std::sync::mpsc::channel();
        let observer = observer(Stuck(stuck));
        let until_full = CAPACITY / 100;
        (0..until_full).for_each(|_| request(&observer));
        let text = observer.metrics_text();
        assert!(text.contains(&format!(
            "http_requests_total{{method=\"GET\",endpoint=\"unmatched\",status=\"500\"}} {until_full}"
        )));
        assert!(!text.contains(r#"obs_events_dropped_total{reason="overflow"} 0"#), "{text}");
        assert!(!observer.shutdown(Duration::from_millis(10)).flushed, "within its deadline");
        drop(release);
    }

    /// The record of a request does not keep the observer alive, wherever it is kept.
    #[test]
    fn dropping_the_last_observer_flushes_although_a_sink_keeps_records() {
        struct Keeps(Mutex<Vec<RequestRecord>>);
        impl RecordSink for Keeps {
            fn name(&self) -> &'static str {
                "keeps"
            }
            fn on_finish(&self, record: &RequestRecord) {
                self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record.clone());
            }
        }
        let output = Shared::default();
        let builder = Observer::builder("test").no_environment().sink(Keeps(Mutex::default()));
        let observer = builder.events(EventOutput::writer(output.clone())).build().expect("valid");
        let handle = observer.start(RequestHead::new("GET", "/", &())).handle();
        drop(observer);
        assert_eq!(output.lines(), 1);
        handle.set("too", "late");
    }
}
