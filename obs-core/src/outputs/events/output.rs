//! An output of events: its destination, filter, format, and policy for a full queue.

use std::{
    borrow::Cow,
    fmt,
    io::{self, Write},
    time::Duration,
};

#[cfg(feature = "files")]
use std::path::PathBuf;

use super::{
    readable::{self, Style},
    running_output::RunningOutput,
};
#[cfg(feature = "files")]
use crate::outputs::destination::file::EventFile;
use crate::{
    base::{build_error::BuildError, environment::Environment, settings::settings},
    extension::setup::Setup,
    outputs::{
        delivery::{
            queue::limits::QueueBounds,
            sink::{BatchSink, EventSink},
        },
        destination::{Destination, LEAST_CAPACITY, LineKind, PACE},
    },
    record::finished::Record,
};

/// The words for events in metrics and messages.
static EVENTS: LineKind = LineKind {
    entries: "events",
    written: ("obs_events_written_total", "Events handed to the output."),
    dropped: ("obs_events_dropped_total", "Events that were lost, by the reason."),
    queued: ("obs_events_queued_bytes", "Bytes of events that wait for the output."),
    thread: "obs-events",
};

/// The format of events.
///
/// ```
/// use obs_core::{EventFormat, EventOutput};
/// let always_json = EventOutput::stdout().format(EventFormat::Json);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventFormat {
    /// One JSON object per line, for programs.
    Json,
    /// An aligned line in colours, for people. It is the default if standard output is a terminal.
    Readable,
}

/// The policy for an event that does not fit into the output's queue.
///
/// ```
/// use std::time::Duration;
/// use obs_core::{EventOutput, Overflow};
/// let audit = EventOutput::stdout().on_overflow(Overflow::Block(Duration::from_millis(50)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// The event is dropped and counted. The request continues.
    #[default]
    Drop,
    /// The request's thread waits for room, at most for this time. Then the event is dropped and
    /// counted. On an async runtime the wait also delays the other requests of the thread. Use it
    /// where losing events is worse than a delay, such as for an audit.
    Block(Duration),
}

pub(super) type Filter = Box<dyn Fn(&Record) -> bool + Send + Sync>;

settings! {
    /// An output of events, for [`Events::output`](crate::Events::output).
    ///
    /// Each output has its own queue and thread, so a slow or stuck output delays neither requests
    /// nor other outputs.
    ///
    /// ```
    /// use std::time::Duration;
    /// use obs_core::{EventFile, EventOutput, Events, Observer, Overflow};
    ///
    /// # let folder = std::env::temp_dir();
    /// let audit = EventOutput::file(EventFile::new(folder.join("obs-doc-audit.jsonl")))
    ///     .named("audit")
    ///     .filter(|event| {
    ///         event.request().is_some_and(|request| request.route_label().starts_with("/orders"))
    ///     })
    ///     .on_overflow(Overflow::Block(Duration::from_millis(100)));
    /// let events = Events::new().output(EventOutput::stdout()).output(audit);
    /// let observer = Observer::builder("shop").no_environment().events(events).build()?;
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    #[must_use = "it does nothing until an observer is built with it"]
    pub struct EventOutput {
        destination: Destination,
    }

    pub(super) name: Cow<'static, str> = Cow::Borrowed(""), "`stdout`, `file`, `channel`, `writer` or `sink`" {
        /// Sets the name of the output, which is the label `output` in the metrics.
        fn named(mut self, name: impl Into<Cow<'static, str>>) { self.name = name.into() }
        valid "a name that no other output has" if |name| !name.is_empty();
    }

    filter: Option<Filter> = None, "all events" {
        /// Writes only the events for which the filter returns true. The filter runs on the
        /// request's thread. If it panics, the event is written.
        fn filter(mut self, wants: impl Fn(&Record) -> bool + Send + Sync + 'static) {
            self.filter = Some(Box::new(wants));
        }
    }

    format: Option<EventFormat> = None, "`Json`; `Readable` where standard output is a terminal" {
        /// Sets the format of events.
        fn format(mut self, format: EventFormat) { self.format = Some(format) }
    }

    colours: bool = true, "colours" {
        variable "NO_COLOR": "any value: readable events and lines have no colours" => |_| Some(false);
    }

    columns: usize = readable::WIDTH, "120" {
        variable "COLUMNS": "the width of the terminal: details of readable events that do not fit are only counted"
            => |columns| Some(columns.parse().unwrap_or(readable::WIDTH));
    }

    overflow: Overflow = Overflow::Drop, "`Drop`" {
        /// Sets the policy for an event that does not fit into the queue.
        fn on_overflow(mut self, overflow: Overflow) { self.overflow = overflow }
    }

    capacity: usize = 4 * 1024 * 1024, "4 MiB" {
        /// Limits the bytes of the events that wait or are being written. The limit includes
        /// the data that a `BatchSink` gets in addition to the bytes of an event.
        fn capacity(mut self, bytes: usize) { self.capacity = bytes }
        valid "at least 65536 bytes" if |bytes| *bytes >= LEAST_CAPACITY;
    }
}

impl EventOutput {
    /// Writes to standard output: JSON, or readable lines if it is a terminal. Readable lines have
    /// colours unless `NO_COLOR` is set.
    ///
    /// With [`no_environment`](crate::ObserverBuilder::no_environment) it writes JSON on a
    /// terminal, too.
    pub fn stdout() -> Self {
        Self::new("stdout", Destination::Stdout)
    }

    /// Writes to a file that rotates: see [`EventFile`].
    #[cfg(feature = "files")]
    pub fn file(file: EventFile) -> Self {
        Self::new("file", Destination::File(file))
    }

    /// Writes to any [`Write`].
    pub fn writer(writer: impl Write + Send + 'static) -> Self {
        Self::new("writer", Destination::writer(writer))
    }

    /// Writes to your own sink of bytes.
    pub fn to(sink: impl EventSink) -> Self {
        Self::new("sink", Destination::sink(sink))
    }

    /// Writes to your own sink of batches. Each event of a batch has its time, trace, kind and
    /// route.
    pub fn batches(sink: impl BatchSink) -> Self {
        Self::new("sink", Destination::Batches(Box::new(sink)))
    }

    /// The absolute path of the file, if the output is one.
    #[cfg(feature = "files")]
    pub(super) fn path(&self) -> Option<PathBuf> {
        self.destination.path()
    }

    #[cfg(test)]
    pub(super) fn without_colours(mut self) -> Self {
        self.colours = false;
        self
    }

    fn new(name: &'static str, destination: Destination) -> Self {
        Self { name: name.into(), ..Self::defaults(destination) }
    }

    /// Applies the environment variables that are set. Standard output becomes readable on a
    /// terminal.
    pub(super) fn read_environment(&mut self, environment: &Environment) -> Result<(), BuildError> {
        self.read_variables(environment)?;
        if matches!(self.destination, Destination::Stdout) && environment.is_terminal() {
            self.format.get_or_insert(EventFormat::Readable);
        }
        self.destination.read_variables(environment)
    }

    /// Rejects the first invalid value.
    pub(super) fn check(&self, environment: &Environment) -> Result<(), BuildError> {
        self.check_values(environment)?;
        self.destination.check(environment)
    }

    /// Opens the destination and starts the output's thread.
    pub(super) fn start(self, setup: &Setup<'_>) -> io::Result<RunningOutput> {
        let patience = match self.overflow {
            Overflow::Drop => Duration::ZERO,
            Overflow::Block(patience) => patience,
        };
        let bounds = QueueBounds { entries: usize::MAX, bytes: self.capacity, patience };
        let destination = self.destination.start(&EVENTS, &self.name, bounds, PACE, setup)?;
        let readable = (self.format == Some(EventFormat::Readable))
            .then(|| Style::new(&setup.service.name, self.columns, self.colours));
        Ok(RunningOutput { readable, filter: self.filter, destination })
    }
}

impl fmt::Debug for EventOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventOutput").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(output: EventOutput, environment: &Environment) -> (Option<EventFormat>, bool) {
        let mut output = output;
        output.read_environment(environment).expect("valid");
        (output.format, output.colours)
    }

    #[test]
    fn standard_output_is_readable_on_a_terminal_unless_the_environment_is_ignored() {
        use EventFormat::{Json, Readable};
        let terminal = Environment::of_pairs(&[]).on_terminal();
        assert_eq!(read(EventOutput::stdout(), &terminal), (Some(Readable), true));
        assert_eq!(read(EventOutput::stdout().format(Json), &terminal), (Some(Json), true));
        assert_eq!(read(EventOutput::writer(io::sink()), &terminal), (None, true));
        let mut narrow = EventOutput::stdout();
        narrow.read_environment(&Environment::of_pairs(&[("COLUMNS", "80")])).expect("valid");
        assert_eq!(narrow.columns, 80);
        narrow.read_environment(&Environment::of_pairs(&[("COLUMNS", "many")])).expect("ignored");
        assert_eq!(narrow.columns, readable::WIDTH);
        let without_colours = Environment::of_pairs(&[("NO_COLOR", "1")]).on_terminal();
        assert_eq!(read(EventOutput::stdout(), &without_colours), (Some(Readable), false));
        let empty = Environment::of_pairs(&[("NO_COLOR", "")]);
        assert_eq!(read(EventOutput::stdout(), &empty), (None, true));
        assert_eq!(read(EventOutput::stdout(), &Environment::none()), (None, true));
    }
}
