//! The destinations of lines: standard output, a file, a writer or a sink. Events and logs share
//! them.
//!
//! ```text
//! lines.start() ─▶ a queue, and a thread that writes to the destination
//! ```

#[cfg(feature = "files")]
pub(crate) mod file;
mod stdout;
mod writer_sink;

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

#[cfg(feature = "files")]
use std::path::PathBuf;

#[cfg(feature = "files")]
use self::file::EventFile;
use self::{stdout::Stdout, writer_sink::WriterSink};
use crate::{
    base::{build_error::BuildError, counter::Counter, environment::Environment},
    extension::{internal_metrics::InternalMetrics, report::OutputCounts, setup::Setup},
    outputs::delivery::{
        byte_writer::ByteWriter,
        lines::LineStore,
        problem::Subject,
        queue::{
            Queue,
            counts::DeliveryCounts,
            limits::{Pace, QueueBounds},
        },
        retry::RetryPolicy,
        sink::{BatchSink, EventSink},
        worker::Worker,
    },
};

/// The minimal capacity of a queue, enough for about a hundred lines. A line that is larger than
/// the capacity is dropped.
pub(crate) const LEAST_CAPACITY: usize = 64 * 1024;

/// Under traffic, a worker empties the queue at this interval. A line waits about this long at
/// most.
pub(crate) const PACE: Pace =
    Pace { delay: Duration::from_millis(20), batch: usize::MAX, park_after: Duration::from_secs(1) };

/// Retries never give up: lines wait for their output as long as the queue has room.
const RETRY: RetryPolicy =
    RetryPolicy { first: Duration::from_millis(50), longest: Duration::from_secs(5), give_up: None };

/// A place where an output writes its lines.
pub(crate) enum Destination {
    Stdout,
    /// A sink that reads only bytes.
    Bytes(Box<dyn BatchSink>),
    /// A sink that reads the facts of each line, too.
    Batches(Box<dyn BatchSink>),
    #[cfg(feature = "files")]
    File(EventFile),
}

/// The kind of the lines: its words in metrics and messages.
pub(crate) struct LineKind {
    /// The plural, such as `events`.
    pub(crate) entries: &'static str,
    /// The name and the help of the counter of written lines.
    pub(crate) written: (&'static str, &'static str),
    /// The name and the help of the counter of lost lines.
    pub(crate) dropped: (&'static str, &'static str),
    /// The name and the help of the gauge of waiting bytes.
    pub(crate) queued: (&'static str, &'static str),
    /// The beginning of the names of the threads.
    pub(crate) thread: &'static str,
}

/// The queue and the thread of a destination.
pub(crate) struct RunningDestination {
    /// True if the sink reads the facts of each line, and not only its bytes.
    pub(crate) facts: bool,
    pub(crate) queue: Arc<Queue<LineStore>>,
    pub(crate) worker: Worker<LineStore>,
}

impl Destination {
    pub(crate) fn writer(writer: impl Write + Send + 'static) -> Self {
        Self::sink(WriterSink::new(writer))
    }

    pub(crate) fn sink(sink: impl EventSink) -> Self {
        Self::Bytes(Box::new(ByteWriter::new(sink)))
    }

    /// The absolute path of the file, if the destination is one.
    #[cfg(feature = "files")]
    pub(crate) fn path(&self) -> Option<PathBuf> {
        match self {
            Self::File(file) => Some(file.absolute()),
            _ => None,
        }
    }

    /// Applies the environment variables of a file.
    pub(crate) fn read_variables(&mut self, environment: &Environment) -> Result<(), BuildError> {
        let _read = environment;
        match self {
            #[cfg(feature = "files")]
            Self::File(file) => file.read_variables(_read),
            Self::Stdout | Self::Bytes(_) | Self::Batches(_) => Ok(()),
        }
    }

    /// Rejects the first invalid setting of a file.
    pub(crate) fn check(&self, environment: &Environment) -> Result<(), BuildError> {
        let _read = environment;
        match self {
            #[cfg(feature = "files")]
            Self::File(file) => file.check(_read),
            Self::Stdout | Self::Bytes(_) | Self::Batches(_) => Ok(()),
        }
    }

    /// Opens the destination and starts its thread. `name` is the name of the output.
    pub(crate) fn start(
        self,
        kind: &'static LineKind,
        name: &str,
        bounds: QueueBounds,
        pace: Pace,
        setup: &Setup<'_>,
    ) -> io::Result<RunningDestination> {
        let own = setup.internal;
        let labels = [("output", name.to_owned().into())];
        let counts = DeliveryCounts {
            delivered: own.counter(kind.written.0, kind.written.1, &labels),
            full: lost(own, kind, name, "overflow"),
            failed: lost(own, kind, name, "output_error"),
            rejected: lost(own, kind, name, "rejected"),
            closed: lost(own, kind, name, "shut_down"),
        };
        let queue = Arc::new(Queue::<LineStore>::new(bounds, pace, counts));
        let waiting = Arc::clone(&queue);
        own.gauge(kind.queued.0, kind.queued.1, &labels, move || waiting.waiting_bytes());
        let facts = matches!(self, Self::Batches(_));
        let sink = match self {
            Self::Stdout => Box::new(ByteWriter::new(WriterSink::new(Stdout))),
            Self::Bytes(sink) | Self::Batches(sink) => sink,
            #[cfg(feature = "files")]
            Self::File(file) => Box::new(ByteWriter::new(file.open()?)),
        };
        let subject = Subject {
            entries: kind.entries,
            destination: format!("the output {name}"),
            counter: kind.dropped.0,
            redactor: setup.redactor.clone(),
        };
        let thread = format!("{}-{name}", kind.thread);
        let worker = Worker::start(thread, subject, Arc::clone(&queue), RETRY, move || sink);
        let worker = worker.map_err(|error| {
            let message = format!("cannot start the thread of the output {name}: {error}");
            io::Error::new(error.kind(), message)
        })?;
        Ok(RunningDestination { facts, queue, worker })
    }
}

/// Waits until all lines are written, at most until the deadline. Returns true if they are.
pub(crate) fn flush<'a>(
    destinations: impl Iterator<Item = &'a RunningDestination>,
    deadline: Duration,
) -> bool {
    // All destinations start to flush before the first wait, so a stuck one takes no time from the
    // others.
    let asked: Vec<_> = destinations.map(|one| (one.queue.ask_to_flush(deadline), one)).collect();
    asked.iter().fold(true, |flushed, (flush, one)| flushed & one.worker.wait_for(flush))
}

/// Waits for the lines that came after the report of a shutdown, at most until the deadline. It
/// does not wait for destinations whose lines the report counts as lost.
#[cfg(feature = "logs")]
pub(crate) fn flush_rest<'a>(destinations: impl Iterator<Item = &'a RunningDestination>, deadline: Duration) {
    let open = destinations.filter(|one| !one.queue.is_given_up());
    let asked: Vec<_> = open.map(|one| (one.queue.ask_to_flush(deadline), one)).collect();
    for (flush, one) in asked {
        let _ = one.queue.wait_for(&flush);
    }
}

/// The sums of the counts of all destinations, for the report of a shutdown.
pub(crate) fn counts<'a>(destinations: impl Iterator<Item = &'a RunningDestination>) -> OutputCounts {
    let counts = destinations.map(|one| one.queue.report());
    counts.fold(OutputCounts::default(), |all, (delivered, lost)| OutputCounts {
        delivered: all.delivered.saturating_add(delivered),
        lost: all.lost.saturating_add(lost),
    })
}

/// Returns the counter of the lines that an output lost for a reason.
#[inline(never)]
fn lost(own: &InternalMetrics, kind: &'static LineKind, output: &str, reason: &'static str) -> Arc<Counter> {
    let labels = [("output", output.to_owned().into()), ("reason", reason.into())];
    own.counter(kind.dropped.0, kind.dropped.1, &labels)
}
