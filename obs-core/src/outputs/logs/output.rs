//! An output of log lines: its destination, level, format and capacity.

use std::{
    borrow::Cow,
    fmt,
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

#[cfg(feature = "otlp")]
use super::{export::LineBatches, otlp::OtlpLogs};
use super::{
    format::{LineStyle, LogFormat},
    json::ServiceMembers,
    readable::Columns,
};
#[cfg(feature = "files")]
use crate::outputs::destination::file::EventFile;
#[cfg(feature = "otlp")]
use crate::outputs::otlp::export::Export;
use crate::{
    base::{build_error::BuildError, counter::Counter, environment::Environment, settings::settings},
    extension::{internal_metrics::InternalMetrics, setup::Setup},
    outputs::{
        delivery::{queue::limits::QueueBounds, sink::EventSink},
        destination::{Destination, LEAST_CAPACITY, LineKind, PACE, RunningDestination},
    },
    record::log_level::LogLevel,
};

/// The words for log lines in metrics and messages.
static LINES: LineKind = LineKind {
    entries: "log lines",
    written: ("obs_log_lines_written_total", "Log lines handed to the output."),
    dropped: ("log_lines_dropped_total", "Log lines that were lost, by the reason."),
    queued: ("obs_log_lines_queued_bytes", "Bytes of log lines that wait for the output."),
    thread: "obs-logs",
};

settings! {
    /// An output of log lines, for [`Logs::output`](crate::Logs::output).
    ///
    /// Each output has its own queue and thread, so a slow or stuck output delays neither requests
    /// nor other outputs.
    ///
    /// ```
    /// use obs_core::{LogFormat, LogLevel, LogOutput, Logs, Observer};
    ///
    /// let errors = LogOutput::stderr().level(LogLevel::Error).format(LogFormat::Json);
    /// let logs = Logs::new().output(LogOutput::stdout()).output(errors);
    /// let observer = Observer::builder("shop").no_environment().logs(logs).build()?;
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    #[must_use = "it does nothing until an observer is built with it"]
    pub struct LogOutput {
        destination: Destination,
        /// True if the destination is standard output.
        is_stdout: bool,
    }

    pub(super) name: Cow<'static, str> = Cow::Borrowed(""), "`stdout`, `stderr`, `file`, `writer` or `sink`" {
        /// Sets the name of the output, which is the label `output` in the metrics.
        fn named(mut self, name: impl Into<Cow<'static, str>>) { self.name = name.into() }
        valid "a name that no other output of logs has" if |name| !name.is_empty();
    }

    level: LogLevel = LogLevel::Trace, "all lines that the levels of the logs allow" {
        /// Writes only the lines of this level and of more severe ones.
        fn level(mut self, level: LogLevel) { self.level = level }
    }

    format: Option<LogFormat> = None, "`Json`; `Readable` where standard output is a terminal" {
        /// Sets the format of lines.
        fn format(mut self, format: LogFormat) { self.format = Some(format) }
        variable "OBS_LOG_FORMAT": "`json`, `readable`, `ecs` or `google-cloud`" => |name| LogFormat::parse(name).map(Some);
    }

    google_project: Option<String> = None, "none" {
        /// Sets the project of the traces in the format [`GoogleCloud`](LogFormat::GoogleCloud).
        fn google_project(mut self, project: impl Into<String>) { self.google_project = Some(project.into()) }
        variable "GOOGLE_CLOUD_PROJECT": "the project of the traces in Google Cloud's format" => |name| Some(name.to_owned());
    }

    colours: bool = true, "colours" {
        variable "NO_COLOR": "any value: readable events and lines have no colours" => |_| Some(false);
    }

    #[cfg(feature = "otlp")]
    pub(super) export: Option<Export> = None, "off; `http://localhost:4318` for `LogOutput::otlp()`" {
        /// Sets the base URL of the collector for the output [`LogOutput::otlp`](Self::otlp), such
        /// as `http://collector:4318`. Other outputs ignore it.
        fn endpoint(mut self, url: impl Into<String>) {
            if let Some(export) = &mut self.export {
                export.url = Some(url.into());
            }
        }
        variable "OTEL_EXPORTER_OTLP_ENDPOINT": "lines are exported to this base URL of the collector, such as `http://collector:4318`";
        variable "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "the exact URL for lines; setting it enables their export";
        variable "OTEL_LOGS_EXPORTER": "`otlp`: lines are exported; `none`: lines are not exported";
    }

    #[cfg(feature = "otlp")]
    pub(super) batches: LineBatches = LineBatches::default(), "1 s and 512 lines" {
        /// Limits the time for which a line of the output [`LogOutput::otlp`](Self::otlp) waits for
        /// others, and the number of lines in one export. Other outputs ignore it.
        fn batch(mut self, delay: Duration, lines: usize) {
            (self.batches.delay, self.batches.batch) = (delay, lines);
        }
        variable "OTEL_BLRP_SCHEDULE_DELAY": "the milliseconds for which a line waits for others";
        variable "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": "the limit of lines in one export, above 0";
        variable "OTEL_BLRP_MAX_QUEUE_SIZE": "the limit of waiting lines, above 0; otherwise only their bytes are limited";
        variable "OTEL_BLRP_EXPORT_TIMEOUT": "milliseconds above 0, used if there is no other timeout";
        valid "at least one line" if |batches| batches.batch > 0;
    }

    capacity: usize = 4 * 1024 * 1024, "4 MiB" {
        /// Limits the bytes of the lines that wait or are being written.
        fn capacity(mut self, bytes: usize) { self.capacity = bytes }
        valid "at least 65536 bytes" if |bytes| *bytes >= LEAST_CAPACITY;
    }
}

impl LogOutput {
    /// Writes to standard output: JSON, or readable lines if it is a terminal.
    ///
    /// With [`no_environment`](crate::ObserverBuilder::no_environment) it writes JSON on a
    /// terminal, too.
    pub fn stdout() -> Self {
        Self::new("stdout", Destination::Stdout, true)
    }

    /// Writes to standard error, as JSON.
    pub fn stderr() -> Self {
        Self::new("stderr", Destination::writer(io::stderr()), false)
    }

    /// Writes to a file that rotates: see [`EventFile`].
    #[cfg(feature = "files")]
    pub fn file(file: EventFile) -> Self {
        Self::new("file", Destination::File(file), false)
    }

    /// Writes to any [`Write`].
    pub fn writer(writer: impl Write + Send + 'static) -> Self {
        Self::new("writer", Destination::writer(writer), false)
    }

    /// Writes to your own sink of bytes.
    pub fn to(sink: impl EventSink) -> Self {
        Self::new("sink", Destination::sink(sink), false)
    }

    /// Exports lines over OTLP, as records of OpenTelemetry's log data model. It needs the feature
    /// `otlp`, which `otel` enables, too.
    ///
    /// The variables of the [exporter](crate::otel) configure it, too, with `LOGS` in the place of
    /// `TRACES`. If `OTEL_EXPORTER_OTLP_ENDPOINT` is set, this output is added without any code.
    #[cfg(feature = "otlp")]
    pub fn otlp() -> Self {
        let export = Some(Export::default());
        Self { export, ..Self::new("otlp", Destination::writer(io::sink()), false) }
    }

    fn new(name: &'static str, destination: Destination, is_stdout: bool) -> Self {
        Self { name: name.into(), ..Self::defaults(destination, is_stdout) }
    }

    /// The absolute path of the file, if the output is one.
    #[cfg(feature = "files")]
    pub(super) fn path(&self) -> Option<std::path::PathBuf> {
        self.destination.path()
    }

    /// Applies the environment variables that are set. Standard output becomes readable on a
    /// terminal.
    pub(super) fn read_environment(&mut self, environment: &Environment) -> Result<(), BuildError> {
        self.read_variables(environment)?;
        if self.is_stdout && environment.is_terminal() {
            self.format.get_or_insert(LogFormat::Readable);
        }
        self.destination.read_variables(environment)
    }

    /// Rejects the first invalid value.
    pub(super) fn check(&self, environment: &Environment) -> Result<(), BuildError> {
        self.check_values(environment)?;
        self.destination.check(environment)
    }

    /// Opens the destination and starts the output's thread.
    pub(super) fn start(self, setup: &Setup<'_>) -> Result<RunningLogOutput, BuildError> {
        let style = match self.format.unwrap_or(LogFormat::Json) {
            LogFormat::Json => LineStyle::Json(ServiceMembers::new(setup.service)),
            LogFormat::Readable => LineStyle::Readable(Columns { colours: self.colours }),
            LogFormat::Ecs => LineStyle::Ecs,
            LogFormat::GoogleCloud => LineStyle::GoogleCloud(self.google_project),
        };
        let destination = self.destination;
        let bounds = QueueBounds { entries: usize::MAX, bytes: self.capacity, patience: Duration::ZERO };
        let limits = (bounds, PACE);
        #[cfg(feature = "otlp")]
        let (style, destination, limits) = match self.export {
            Some(export) => {
                let sink = OtlpLogs::new(export, self.batches.batch, setup)?;
                let limits = self.batches.limits(self.capacity);
                (LineStyle::Otlp, Destination::Bytes(Box::new(sink)), limits)
            }
            None => (style, destination, limits),
        };
        let (bounds, pace) = limits;
        let started = destination.start(&LINES, &self.name, bounds, pace, setup);
        let destination = started.map_err(|error| {
            let setting = setup.environment.name_of(&["OBS_LOGS"], &["logs"]);
            BuildError::failed(setting, error)
        })?;
        Ok(RunningLogOutput { style, level: self.level, destination })
    }
}

/// Returns the counter of lines that were lost for a reason.
pub(super) fn dropped(metrics: &InternalMetrics, output: &'static str, reason: &'static str) -> Arc<Counter> {
    let labels = [("output", output.into()), ("reason", reason.into())];
    metrics.counter(LINES.dropped.0, LINES.dropped.1, &labels)
}

impl fmt::Debug for LogOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogOutput").field("name", &self.name).finish_non_exhaustive()
    }
}

/// An output whose thread runs.
pub(super) struct RunningLogOutput {
    pub(super) style: LineStyle,
    pub(super) level: LogLevel,
    pub(super) destination: RunningDestination,
}
