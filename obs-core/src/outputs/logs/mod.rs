//! Logs: the lines that the application writes with `tracing` or `log`, with the ids of the work
//! they belong to (feature `logs`).
//!
//! ```text
//! line ─▶ level ─▶ limit ─▶ masked ─▶ once for each format ─▶ each output's queue ─▶ its worker
//! ```
//! The crate `obs-tracing` has the layer that receives the lines. Everything that does not depend
//! on unstable types is here: levels, formats, outputs and counters.
//!
//! A limit for each call site and route holds back the lines of a hot loop (`limit.rs`).
//!
//! Secrets are masked before any output gets the line, as in events. A line never waits: if a queue
//! is full, the line is dropped and counted.

mod cloud;
mod collected;
mod ecs;
#[cfg(feature = "otlp")]
mod exceptions;
#[cfg(feature = "otlp")]
mod export;
pub(crate) mod format;
pub(crate) mod install;
mod json;
pub(crate) mod levels;
mod limit;
pub(crate) mod line;
#[cfg(feature = "otlp")]
mod otlp;
pub(crate) mod output;
pub(crate) mod panics;
mod readable;
mod rules;
pub(crate) mod settings;
mod summaries;
#[cfg(all(test, feature = "testing"))]
mod tests;
mod value_text;

use std::{
    borrow::Cow,
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use crate::{
    base::{
        build_error::BuildError, clock::since_1970, counter::Counter, text::bounded, thread::delivers,
        value::Value,
    },
    extension::{report::OutputCounts, setup::Setup},
    outputs::{delivery::worker, destination, events::keep::Keep},
    record::{fields::Fields, kept_lines::KeptLine, log_level::LogLevel, route::Route, service::Service},
    redact::Redactor,
};

use collected::Collection;
use levels::LogLevels;
use limit::{FloodLimit, HeldBack};
use line::{LineWork, LogLine, MaskedLine};
use output::RunningLogOutput;
use settings::Logs;
use summaries::Summaries;

/// The target of our own diagnostics.
const OWN_TARGET: &str = "obs";

/// The time for which a shutdown waits for the line with its report.
const LAST_LINE: Duration = Duration::from_millis(100);

/// The limit of a message, in bytes.
const MAX_MESSAGE: usize = 16 * 1024;

/// The pipeline that passes log lines to the outputs of an observer.
///
/// The layer of the crate `obs-tracing` writes to it. Other sources of lines can do the same:
///
/// ```
/// use obs_core::{LogLevel, Observer, current, output::LogLine};
///
/// let observer = Observer::builder("shop").no_environment().build()?;
/// let logs = observer.log_pipeline();
/// if logs.levels().writes("legacy", LogLevel::Warn) {
///     logs.write(LogLine::new(LogLevel::Warn, "legacy", "queue is slow").of(current()));
/// }
/// # Ok::<(), obs_core::BuildError>(())
/// ```
pub struct LogPipeline {
    levels: Arc<LogLevels>,
    sqlx_queries: bool,
    service: Arc<Service>,
    redactor: Redactor,
    /// The names of the request's fields that its lines contain.
    chosen: Vec<Arc<str>>,
    outputs: Vec<RunningLogOutput>,
    /// The number of lines, by level.
    lines: [Arc<Counter>; 5],
    limit: Option<FloodLimit>,
    /// The lines that the limit held back.
    held_back: Arc<Counter>,
    /// The limits of collected lines. `None` if no lines are collected.
    collection: Option<Collection>,
    /// The lines of failed requests that found no room.
    not_collected: Arc<Counter>,
    /// The lines that were dropped with the trace of their request.
    sampled_out: Arc<Counter>,
    /// The panics of requests that wait for their frames.
    #[cfg(feature = "otlp")]
    panicked: exceptions::PanicBacklog,
    /// Starts the thread that writes summaries.
    summaries: Summaries,
}

impl LogPipeline {
    /// Starts the threads of the outputs.
    fn start(logs: Logs, setup: &Setup<'_>) -> Result<Self, BuildError> {
        let levels = Arc::new(LogLevels::new(logs.rules(), logs.collected()));
        let keep = setup.parts.shared.get::<Keep>().unwrap_or_default();
        let collection = logs.collection(keep);
        let limit = logs.rates().map(FloodLimit::new);
        let Logs { outputs, fields, sqlx_queries, .. } = logs;
        let outputs = outputs.unwrap_or_else(|| vec![output::LogOutput::stdout()]);
        let outputs = outputs.into_iter().map(|output| output.start(setup)).collect::<Result<_, _>>()?;
        let counter = |level: LogLevel| {
            let labels = [("level", level.as_str().into())];
            setup.internal.counter("log_lines_total", "Log lines, by their level.", &labels)
        };
        Ok(Self {
            levels,
            sqlx_queries,
            service: Arc::new(setup.service.clone()),
            redactor: setup.redactor.clone(),
            chosen: fields.iter().map(|name| Arc::from(name.as_str())).collect(),
            outputs,
            lines: LogLevel::ALL.map(counter),
            limit,
            held_back: output::dropped(setup.internal, "all", "limit"),
            collection,
            not_collected: output::dropped(setup.internal, "all", "collection"),
            sampled_out: output::dropped(setup.internal, "all", "sampling"),
            #[cfg(feature = "otlp")]
            panicked: exceptions::PanicBacklog::default(),
            summaries: Summaries::default(),
        })
    }

    fn has_outputs(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// The levels at which lines are written.
    #[must_use]
    pub const fn levels(&self) -> &Arc<LogLevels> {
        &self.levels
    }

    /// True if the queries of sqlx are recorded: see
    /// [`Logs::sqlx_queries`](crate::Logs::sqlx_queries).
    #[must_use]
    pub const fn records_sqlx_queries(&self) -> bool {
        self.sqlx_queries
    }

    /// Writes a line to all outputs whose level allows it. It does not check the
    /// [levels](Self::levels), because the caller has done that before it formatted the message.
    ///
    /// Lines of the threads that deliver to outputs are ignored, except our own diagnostics. The
    /// delivery of such a line would cause the next one, without end.
    pub fn write(&self, line: LogLine<'_>) {
        if delivers() && line.target != OWN_TARGET {
            return;
        }
        let level = self.levels.level(line.target, line.level);
        if let Some(collection) = self.collection.as_ref().filter(|collection| collection.by_level)
            && !self.levels.writes(line.target, line.level)
        {
            return self.collect(collection, line, level, false);
        }
        self.count(level);
        if !self.outputs.iter().any(|output| level <= output.level) {
            return;
        }
        if let Some(collection) = &self.collection
            && line.work.state().is_some_and(|state| collection.drops(state, level))
        {
            if collection.decides_later() {
                return self.collect(collection, line, level, true);
            }
            return self.sampled_out.add(1);
        }
        let mut fields = Fields::default();
        let states = line.work.state().zip(line.work.innermost());
        let work = states.map(|(state, inner)| LineWork::of(state, inner, &self.chosen, &mut fields));
        if let Some(limit) = &self.limit {
            let route = work.as_ref().and_then(|work| work.route.as_ref()).map(Route::as_str);
            let request = work.as_ref().map(|work| work.start.id.as_bytes());
            if !limit.passes(&line, route, request, Instant::now()) {
                self.held_back.add(1);
                self.summaries.request();
                return;
            }
        }
        let message = self.mask(&line.message, line.fields, &mut fields);
        self.push(&MaskedLine {
            since_1970: since_1970(SystemTime::now()),
            level,
            target: line.target,
            message: &message,
            fields,
            source: line.source,
            work,
            collected: false,
        });
    }

    /// Counts a line of this level.
    fn count(&self, level: LogLevel) {
        if let Some(counter) = self.lines.get(level as usize) {
            counter.add(1);
        }
    }

    /// Adds the fields of a line to `fields`, without their secrets. Returns the message without
    /// secrets.
    fn mask<'a>(
        &self,
        message: &'a str,
        own: Vec<(Cow<'static, str>, Value)>,
        fields: &mut Fields,
    ) -> Cow<'a, str> {
        fields.reserve(own.len());
        for (name, value) in own {
            let (name, value) = self.redactor.field(name, value);
            fields.set(name, value);
        }
        match bounded(message, MAX_MESSAGE) {
            Cow::Borrowed(message) => self.redactor.text(message),
            Cow::Owned(message) => self.redactor.text(&message).into_owned().into(),
        }
    }

    fn collect(&self, collection: &Collection, line: LogLine<'_>, level: LogLevel, sampled_out: bool) {
        let Some(state) = line.work.state() else { return };
        let mut fields = Fields::default();
        let message = self.mask(&line.message, line.fields, &mut fields);
        let line = KeptLine {
            since_1970: since_1970(SystemTime::now()),
            level,
            target: line.target.into(),
            message: message.into(),
            fields,
            source: line.source.map(|(file, number)| (file.into(), number)),
            sampled_out,
        };
        if !collection.add(state, line) && sampled_out {
            self.sampled_out.add(1);
        }
    }

    /// Writes a summary for each call site whose lines were held back. Returns true if there was
    /// one.
    fn summarise(&self) -> bool {
        let held_back = self.limit.as_ref().map(FloodLimit::held_back).unwrap_or_default();
        for HeldBack { site, route, lines } in &held_back {
            let mut fields = Fields::default();
            fields.set("held_back".into(), (*lines).into());
            if let Some(route) = route {
                fields.set("http.route".into(), (*route).into());
            }
            self.push(&MaskedLine {
                since_1970: since_1970(SystemTime::now()),
                level: self.levels.level(&site.target, site.level),
                target: &site.target,
                message: &format!("{lines} more lines from {} were held back", site.place()),
                fields,
                source: site.source.as_ref().map(|(file, number)| (file.as_str(), *number)),
                work: None,
                collected: false,
            });
        }
        !held_back.is_empty()
    }

    /// Writes the line to the outputs. A line of work has the service of its work, which another
    /// observer of the process may observe.
    fn push(&self, line: &MaskedLine<'_>) {
        let service = line.work.as_ref().map_or(&self.service, |work| &work.start.service);
        for RunningLogOutput { style, level, destination } in &self.outputs {
            if line.level <= *level {
                style.write(line, service, |bytes| destination.queue.push((bytes, None)));
            }
        }
    }

    /// Waits until all lines are written, at most until the deadline. Returns true if they are.
    pub fn flush(&self, deadline: Duration) -> bool {
        self.summarise();
        #[cfg(feature = "otlp")]
        self.write_backlog(Instant::now().checked_add(deadline));
        destination::flush(self.outputs.iter().map(|output| &output.destination), deadline)
    }

    /// Waits shortly for the line with the report of a shutdown.
    pub(crate) fn flush_last_line(&self) {
        destination::flush_rest(self.outputs.iter().map(|output| &output.destination), LAST_LINE);
    }

    /// The sums of the counts of all outputs, for the report of a shutdown.
    fn counts(&self) -> OutputCounts {
        destination::counts(self.outputs.iter().map(|output| &output.destination))
    }
}

impl Drop for LogPipeline {
    fn drop(&mut self) {
        worker::end(self.outputs.iter_mut().map(|output| &mut output.destination.worker));
    }
}

impl fmt::Debug for LogPipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogPipeline").field("levels", &self.levels).finish_non_exhaustive()
    }
}
