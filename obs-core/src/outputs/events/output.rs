//! An output of events: its destination, its filter, its format, and its buffer.

use std::{
    borrow::Cow,
    fmt,
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use super::{
    file::EventFile,
    line::{self, Line},
    readable,
};
use crate::outputs::delivery::{
    buffer::{Buffer, Pushed},
    sink::EventSink,
    worker::Writer,
};
use crate::{
    base::{
        build_error::BuildError, counter::Counter, environment::Environment, panic::catch, settings::settings,
    },
    outputs::metrics::own::Own,
    record::finished::Record,
};

/// The least that an output needs: about a hundred events. One that is larger than the capacity is
/// dropped.
const LEAST_CAPACITY: usize = 64 * 1024;

/// How events are written.
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

/// What happens to an event for which the output's buffer has no room.
///
/// ```
/// use std::time::Duration;
/// use obs_core::{EventOutput, Overflow};
/// let audit = EventOutput::stdout().on_overflow(Overflow::Block(Duration::from_millis(50)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// It is dropped and counted; the request goes on.
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
        /// Limits the bytes of events that wait for the output.
        fn capacity(mut self, bytes: usize) { self.capacity = bytes }
        valid "at least 65536 bytes" if |bytes| *bytes >= LEAST_CAPACITY;
    }
}

enum Target {
    Stdout,
    Sink(Box<dyn EventSink>),
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
        Self::new("writer", Target::Sink(Box::new(Plain::new(writer))))
    }

    /// A sink of your own.
    pub fn to(sink: impl EventSink) -> Self {
        Self::new("sink", Target::Sink(Box::new(sink)))
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
            Target::Stdout | Target::Sink(_) => Ok(()),
        }
    }

    /// Rejects the first invalid value.
    pub(super) fn check(&self, environment: &Environment) -> Result<(), BuildError> {
        self.check_values(environment)?;
        match &self.target {
            Target::File(file) => file.check(environment),
            Target::Stdout | Target::Sink(_) => Ok(()),
        }
    }

    /// Starts its thread.
    pub(super) fn start(self, own: &Own) -> io::Result<Output> {
        const DROPPED: &str = "obs_events_dropped_total";
        const DROPPED_HELP: &str = "Events that were lost, by the reason.";
        let label = || ("output", self.name.clone());
        let written = own.counter("obs_events_written_total", "Events handed to the output.", &[label()]);
        let lost =
            |reason: &'static str| own.counter(DROPPED, DROPPED_HELP, &[label(), ("reason", reason.into())]);
        let (failed, overflow) = (lost("output_error"), lost("overflow"));
        let patience = match self.overflow {
            Overflow::Drop => Duration::ZERO,
            Overflow::Block(patience) => patience,
        };
        let buffer = Arc::new(Buffer::new(self.capacity, patience));
        let queue = Arc::clone(&buffer);
        let help = "Bytes of events that wait for the output.";
        own.gauge("obs_events_queued_bytes", help, &[label()], move || queue.waiting());
        let sink = match self.target {
            Target::Stdout => Box::new(Plain::new(io::stdout())),
            Target::Sink(sink) => sink,
            Target::File(file) => Box::new(file.open()?),
        };
        let writer =
            Writer::start(&self.name, Arc::clone(&buffer), sink, Arc::clone(&written), Arc::clone(&failed))?;
        let format = self.format.unwrap_or(EventFormat::Json);
        let (colours, filter) = (self.colours, self.filter);
        Ok(Output { format, colours, filter, buffer, written, failed, overflow, writer })
    }
}

impl fmt::Debug for EventOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventOutput").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A writer as a sink.
struct Plain<W> {
    writer: W,
    /// It has taken bytes that it may still hold.
    holds: bool,
}

impl<W> Plain<W> {
    const fn new(writer: W) -> Self {
        Self { writer, holds: false }
    }
}

impl<W: Write + Send + 'static> EventSink for Plain<W> {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if self.holds {
            self.flush()?;
        }
        let taken = self.writer.write(lines)?;
        self.holds = true;
        // What was taken is taken, even if it cannot be flushed now: an error would bring it here once more.
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
pub(super) struct Output {
    format: EventFormat,
    colours: bool,
    filter: Option<Filter>,
    buffer: Arc<Buffer>,
    pub(super) written: Arc<Counter>,
    failed: Arc<Counter>,
    overflow: Arc<Counter>,
    pub(super) writer: Writer,
}

impl Output {
    /// Whether it wants this event at all.
    pub(super) fn wants(&self, record: &Record) -> bool {
        self.filter.as_ref().is_none_or(|filter| catch(|| filter(record)).unwrap_or(true))
    }

    /// Writes the event into its buffer. `json` has its line once somebody has made it.
    pub(super) fn push(&self, event: &line::Event<'_>, json: &mut Line) {
        let pushed = match self.format {
            EventFormat::Json => self.buffer.push(json.of(event)),
            EventFormat::Readable => self.buffer.push(&readable::line(event, self.colours)),
        };
        match pushed {
            Pushed::Taken => {}
            Pushed::Full => self.overflow.add(1),
            Pushed::Failing => self.failed.add(1),
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.failed.get().saturating_add(self.overflow.get())
    }

    pub(super) fn buffer(&self) -> &Buffer {
        &self.buffer
    }
}

#[cfg(all(test, not(obs_loom)))]
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
