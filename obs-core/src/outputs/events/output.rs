//! One output of events: where they go, which of them, in which form, and what happens when there
//! is no room.

use std::{
    borrow::Cow,
    fmt,
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use super::{
    file::EventFile,
    line::{self, JsonLine},
    readable,
};
use crate::{
    base::{build_error::BuildError, environment::Environment, panic::catch, settings::settings},
    extension::internal_metrics::InternalMetrics,
    outputs::delivery::{
        batch::EntryFacts,
        byte_writer::ByteWriter,
        lines::LineStore,
        queue::{DeliveryCounts, Pace, Queue, QueueBounds},
        retry::RetryPolicy,
        sink::{BatchSink, EventSink},
        trouble::Subject,
        worker::Worker,
    },
    record::{finished::Record, route::Route},
};

/// The least capacity of an output: about a hundred events. An event that is larger than the
/// capacity is dropped.
const LEAST_CAPACITY: usize = 64 * 1024;

/// Under traffic a worker looks each time this has passed, which is also about the longest time
/// that an event waits.
const PACE: Pace =
    Pace { delay: Duration::from_millis(20), batch: usize::MAX, park_after: Duration::from_secs(1) };

/// Events wait for their output as long as there is room.
const RETRY: RetryPolicy =
    RetryPolicy { first: Duration::from_millis(50), longest: Duration::from_secs(5), give_up: None };

/// The metric that counts losses.
const DROPPED: &str = "obs_events_dropped_total";

/// The format of events.
///
/// ```
/// use obs_core::{EventFormat, EventOutput};
/// let always_json = EventOutput::stdout().format(EventFormat::Json);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventFormat {
    /// One object of JSON a line: what programs read.
    Json,
    /// An aligned line, in colours: what people read. Standard output has it where that is a
    /// terminal.
    Readable,
}

/// The treatment of an event for which the output's queue has no room.
///
/// ```
/// use std::time::Duration;
/// use obs_core::{EventOutput, Overflow};
/// let audit = EventOutput::stdout().on_overflow(Overflow::Block(Duration::from_millis(50)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// The event is dropped and counted; the request goes on.
    #[default]
    Drop,
    /// The request's thread waits for room, but no longer than this; then the event is dropped and
    /// counted. On an async runtime that holds up the other requests of the thread, too: for an
    /// audit that is worth it.
    Block(Duration),
}

type Filter = Box<dyn Fn(&Record) -> bool + Send + Sync>;

settings! {
    /// An output of events, for [`Events::output`](crate::Events::output).
    ///
    /// Each has a buffer and a thread of its own, so a slow or stuck one delays neither requests
    /// nor other outputs.
    ///
    /// ```
    /// use std::time::Duration;
    /// use obs_core::{EventFile, EventOutput, Events, Observer, Overflow};
    ///
    /// # let folder = std::env::temp_dir();
    /// let audit = EventOutput::file(EventFile::new(folder.join("obs-doc-audit.jsonl")))
    ///     .named("audit")
    ///     .filter(|event| event.request().is_some_and(|request| request.route_label().starts_with("/orders")))
    ///     .on_overflow(Overflow::Block(Duration::from_millis(100)));
    /// let events = Events::new().output(EventOutput::stdout()).output(audit);
    /// let observer = Observer::builder("shop").no_environment().events(events).build()?;
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    #[must_use = "it does nothing until an observer is built with it"]
    pub struct EventOutput {
        target: Target,
    }

    pub(super) name: Cow<'static, str> = Cow::Borrowed(""), "`stdout`, `file`, `channel`, `writer` or `sink`" {
        /// Sets the name of the output, which is the label `output` in the metrics.
        fn named(mut self, name: impl Into<Cow<'static, str>>) { self.name = name.into() }
        valid "a name that no other output has" if |name| !name.is_empty();
    }

    filter: Option<Filter> = None, "all events" {
        /// Writes only the events for which this is true. It runs on the request's thread; if it
        /// panics, the event is written.
        fn filter(mut self, wants: impl Fn(&Record) -> bool + Send + Sync + 'static) {
            self.filter = Some(Box::new(wants));
        }
    }

    format: Option<EventFormat> = None, "`Json`; `Readable` where standard output is a terminal" {
        /// Sets the format of events.
        fn format(mut self, format: EventFormat) { self.format = Some(format) }
    }

    colours: bool = true, "colours" {
        variable "NO_COLOR": "anything: readable events have no colours" => |_| Some(false);
    }

    overflow: Overflow = Overflow::Drop, "`Drop`" {
        /// Sets the treatment of an event for which the buffer has no room.
        fn on_overflow(mut self, overflow: Overflow) { self.overflow = overflow }
    }

    capacity: usize = 4 * 1024 * 1024, "4 MiB" {
        /// Limits the bytes of events that wait or are under way, their facts included.
        fn capacity(mut self, bytes: usize) { self.capacity = bytes }
        valid "at least 65536 bytes" if |bytes| *bytes >= LEAST_CAPACITY;
    }
}

enum Target {
    Stdout,
    Bytes(Box<dyn BatchSink>),
    Batches(Box<dyn BatchSink>),
    File(EventFile),
}

impl EventOutput {
    /// Standard output: JSON, or readable lines if it is a terminal (in colours, unless `NO_COLOR`
    /// is set).
    ///
    /// With [`no_environment`](crate::ObserverBuilder::no_environment) it is JSON on a terminal,
    /// too.
    pub fn stdout() -> Self {
        Self::new("stdout", Target::Stdout)
    }

    /// A file that rotates and survives: see [`EventFile`].
    pub fn file(file: EventFile) -> Self {
        Self::new("file", Target::File(file))
    }

    /// Any writer.
    pub fn writer(writer: impl Write + Send + 'static) -> Self {
        Self::new("writer", bytes(WriterSink::new(writer)))
    }

    /// A sink of your own that takes bytes.
    pub fn to(sink: impl EventSink) -> Self {
        Self::new("sink", bytes(sink))
    }

    /// A sink of your own that takes batches of events, each with its time, trace, kind and route.
    pub fn batches(sink: impl BatchSink) -> Self {
        Self::new("sink", Target::Batches(Box::new(sink)))
    }

    fn new(name: &'static str, target: Target) -> Self {
        Self { name: name.into(), ..Self::defaults(target) }
    }

    /// Takes over the variables that are set. Standard output is readable on a terminal.
    pub(super) fn read_environment(&mut self, environment: &Environment) -> Result<(), BuildError> {
        self.read_variables(environment)?;
        match &mut self.target {
            Target::Stdout if environment.is_terminal() => {
                self.format.get_or_insert(EventFormat::Readable);
                Ok(())
            }
            Target::File(file) => file.read_variables(environment),
            Target::Stdout | Target::Bytes(_) | Target::Batches(_) => Ok(()),
        }
    }

    /// Rejects the first invalid value.
    pub(super) fn check(&self, environment: &Environment) -> Result<(), BuildError> {
        self.check_values(environment)?;
        match &self.target {
            Target::File(file) => file.check(environment),
            Target::Stdout | Target::Bytes(_) | Target::Batches(_) => Ok(()),
        }
    }

    /// Starts its thread.
    pub(super) fn start(self, own: &InternalMetrics) -> io::Result<RunningOutput> {
        let label = || ("output", self.name.clone());
        let lost = |reason: &'static str| {
            let labels = [label(), ("reason", reason.into())];
            own.counter(DROPPED, "Events that were lost, by the reason.", &labels)
        };
        let counts = DeliveryCounts {
            delivered: own.counter("obs_events_written_total", "Events handed to the output.", &[label()]),
            full: lost("overflow"),
            failed: lost("output_error"),
            rejected: lost("rejected"),
            closed: lost("shut_down"),
        };
        let patience = match self.overflow {
            Overflow::Drop => Duration::ZERO,
            Overflow::Block(patience) => patience,
        };
        let bounds = QueueBounds { entries: usize::MAX, bytes: self.capacity, patience };
        let queue = Arc::new(Queue::<LineStore>::new(bounds, PACE, counts));
        let waiting = Arc::clone(&queue);
        let help = "Bytes of events that wait for the output.";
        own.gauge("obs_events_queued_bytes", help, &[label()], move || waiting.waiting_bytes());
        let facts = matches!(self.target, Target::Batches(_));
        let sink = match self.target {
            Target::Stdout => Box::new(ByteWriter::new(WriterSink::new(io::stdout()))),
            Target::Bytes(sink) | Target::Batches(sink) => sink,
            Target::File(file) => Box::new(ByteWriter::new(file.open()?)),
        };
        let subject =
            Subject { entries: "events", destination: format!("the output {}", self.name), counter: DROPPED };
        let thread = format!("obs-events-{}", self.name);
        let worker = Worker::start(thread, subject, Arc::clone(&queue), RETRY, move || sink)?;
        let format = self.format.unwrap_or(EventFormat::Json);
        let (colours, filter) = (self.colours, self.filter);
        Ok(RunningOutput { format, colours, filter, facts, queue, worker })
    }
}

/// A sink that takes bytes.
fn bytes(sink: impl EventSink) -> Target {
    Target::Bytes(Box::new(ByteWriter::new(sink)))
}

impl fmt::Debug for EventOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventOutput").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A writer as a sink.
struct WriterSink<W> {
    writer: W,
    /// It has taken bytes that it may still hold.
    holds: bool,
}

impl<W> WriterSink<W> {
    const fn new(writer: W) -> Self {
        Self { writer, holds: false }
    }
}

impl<W: Write + Send + 'static> EventSink for WriterSink<W> {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if self.holds {
            self.flush()?;
        }
        let taken = self.writer.write(lines)?;
        self.holds = true;
        // What was taken is taken, even if it cannot be flushed now: an error would bring it here
        // once more.
        let _ = self.flush();
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()?;
        self.holds = false;
        Ok(())
    }

    fn tick(&mut self) {
        if self.holds {
            let _ = self.flush();
        }
    }
}

/// A running output.
pub(super) struct RunningOutput {
    format: EventFormat,
    colours: bool,
    filter: Option<Filter>,
    /// The sink sees entries, and not bytes alone.
    facts: bool,
    pub(super) queue: Arc<Queue<LineStore>>,
    pub(super) worker: Worker<LineStore>,
}

impl RunningOutput {
    /// Says if it wants this event at all.
    pub(super) fn wants(&self, record: &Record) -> bool {
        self.filter.as_ref().is_none_or(|filter| catch(|| filter(record)).unwrap_or(true))
    }

    /// Pushes the event into its queue. `json` has its line once somebody has made it.
    #[inline]
    pub(super) fn push(&self, event: &line::Event<'_>, json: &mut JsonLine) {
        if self.format == EventFormat::Readable {
            let line = readable::line(event, self.colours);
            return self.push_line(&line, event.record);
        }
        let line = json.of(event);
        if self.facts {
            return self.push_line(line, event.record);
        }
        self.queue.push((line, None));
    }

    /// The rare ways lie apart from the one that most events take.
    #[inline(never)]
    fn push_line(&self, line: &[u8], record: &Record) {
        let facts = self.facts.then(|| facts(record));
        self.queue.push((line, facts.as_ref()));
    }
}

/// The facts that go with the event's bytes.
fn facts(record: &Record) -> EntryFacts {
    let start = record.start();
    let route = record.request().and_then(|request| request.end.route.as_ref());
    EntryFacts {
        since_1970: start.since_1970,
        trace_id: start.trace.trace_id,
        span_id: start.trace.span_id,
        kind: start.kind.as_str(),
        route: route.map(Route::as_str),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(output: EventOutput, environment: &Environment) -> (Option<EventFormat>, bool) {
        let mut output = output;
        output.read_environment(environment).expect("all right");
        (output.format, output.colours)
    }

    #[test]
    fn standard_output_is_readable_on_a_terminal_unless_the_environment_is_ignored() {
        use EventFormat::{Json, Readable};
        let terminal = Environment::of_pairs(&[]).on_terminal();
        assert_eq!(read(EventOutput::stdout(), &terminal), (Some(Readable), true));
        assert_eq!(read(EventOutput::stdout().format(Json), &terminal), (Some(Json), true));
        assert_eq!(read(EventOutput::writer(io::sink()), &terminal), (None, true));
        let without_colours = Environment::of_pairs(&[("NO_COLOR", "1")]).on_terminal();
        assert_eq!(read(EventOutput::stdout(), &without_colours), (Some(Readable), false));
        let empty = Environment::of_pairs(&[("NO_COLOR", "")]);
        assert_eq!(read(EventOutput::stdout(), &empty), (None, true));
        assert_eq!(read(EventOutput::stdout(), &Environment::none()), (None, true));
    }
}
