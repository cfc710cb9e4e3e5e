//! Settings of logs: their levels, their outputs, and the fields of the work that they contain.

use std::{fmt, sync::Arc, time::Duration};

#[cfg(feature = "otlp")]
use super::export;
use super::{
    collected::Collection,
    limit::LimitRates,
    output::LogOutput,
    rules::{LevelRules, VALID},
};
#[cfg(feature = "files")]
use crate::outputs::destination::file::EventFile;
#[cfg(feature = "otlp")]
use crate::outputs::exception::ExceptionSignal;
use crate::{
    base::{build_error::BuildError, environment::Environment, parse, settings::settings},
    outputs::events::keep::Keep,
    record::kept_lines::LinesBudget,
};

settings! {
    /// Settings of logs, for [`ObserverBuilder::logs`](crate::ObserverBuilder::logs).
    ///
    /// Lines come from the layer of the crate `obs-tracing`. By default, lines of the level info
    /// and more severe ones are written to standard output.
    ///
    /// ```
    /// use obs_core::{LogOutput, Logs, Observer};
    ///
    /// let logs = Logs::new()
    ///     .levels("info,hyper=warn,shop=debug")
    ///     .fields(["tenant"]) // set with `current().set("tenant", ..)`
    ///     .output(LogOutput::stdout());
    /// let observer = Observer::builder("shop").no_environment().logs(logs).build()?;
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    #[must_use = "it does nothing until an observer is built with it"]
    pub struct Logs {
        /// The rules of the environment, which are above those of the code.
        from_environment: LevelRules,
    }

    pub(super) levels: String = String::new(), "`info`" {
        /// Sets the levels of lines: one for all targets, and others for single targets. `off`
        /// writes no lines.
        ///
        /// * The longest target that is a prefix of a line's target wins.
        /// * `hyper=debug->trace` gives the debug lines of `hyper` the level trace.
        /// * The rules of `RUST_LOG` take precedence over those of the code. The rules of `OBS_LOG`
        ///   take precedence over both. Rules of `RUST_LOG` that filter spans or fields are
        ///   ignored, with a warning.
        fn levels(mut self, levels: impl Into<String>) { self.levels = levels.into() }
        variable "RUST_LOG": "levels, as for other subscribers of `tracing`";
        variable "OBS_LOG": "levels separated by commas, such as `info,hyper=warn,sqlx=off`";
        valid "levels separated by commas, such as `info,hyper=warn,sqlx=off,rustls=debug->trace`";
        check Self::check_levels;
    }

    pub(super) outputs: Option<Vec<LogOutput>> = None, "standard output" {
        /// Adds an output. The first one replaces standard output. `Logs::off()` has no outputs.
        fn output(mut self, output: LogOutput) { self.outputs.get_or_insert_default().push(output) }
        variable "OBS_LOGS": "`off`, or outputs separated by commas: `stdout`, `stderr`, and `file:` with a path (feature `files`)"
            => log_outputs;
        valid "outputs of different names and files";
        check Self::check_outputs;
    }

    #[cfg(feature = "otlp")]
    pub(super) exceptions: ExceptionSignal = ExceptionSignal::Spans, "events of spans" {
        variable "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN": "`logs`: errors and panics are exported as log records instead of events of spans; `logs/dup`: as both";
    }

    per_second: Option<u32> = Some(1_000), "1,000" {
        /// Limits the lines that each call site writes in a second, for each route. Five times as
        /// many lines may come at once.
        ///
        /// Further lines are held back and counted. A summary says how many there were.
        fn lines_per_second(mut self, lines: u32) { self.per_second = Some(lines) }
        /// Removes the limits of lines, also the one for each request.
        fn unlimited(mut self) { self.per_second = None }
        variable "OBS_LOG_LIMIT": "the limit of lines that a call site writes in a second, for each route; or `off`" => limit;
        valid "at least 1, or no limit" if |lines| *lines != Some(0);
    }

    per_request: u32 = 1_000, "1,000" {
        /// Limits the lines of each call site in one request, so that a loop in one request leaves
        /// room for other requests.
        fn lines_per_request(mut self, lines: u32) { self.per_request = lines }
        valid "at least 1" if |lines| *lines > 0;
    }

    collect: String = String::new(), "none" {
        /// Collects the lines of these targets in memory, even if they are below the level of the
        /// logs. They are written only if their request fails or panics, or calls
        /// [`keep_logs`](crate::Work::keep_logs).
        ///
        /// The call sites of these lines are then enabled, which costs time. Lines outside of any
        /// request are not collected.
        fn collect(mut self, targets: impl Into<String>) { self.collect = targets.into() }
        variable "OBS_LOG_COLLECT": "targets with levels, such as `shop=debug,sqlx=debug`" => |text| Some(text.to_owned());
        valid "targets with levels, such as `shop=debug,sqlx=debug`"
            if |text| LevelRules::parse(text).is_ok();
    }

    collect_bytes: usize = 64 * 1024, "64 KiB" {
        /// Limits the memory of the collected lines of a request. New lines replace the oldest
        /// ones.
        fn collect_bytes(mut self, bytes: usize) { self.collect_bytes = bytes }
        valid "at least 1024 bytes" if |bytes| *bytes >= 1024;
    }

    collect_total_bytes: usize = 64 * 1024 * 1024, "64 MiB" {
        /// Limits the memory of the collected lines of all requests. Lines that find no room are
        /// dropped.
        fn collect_total_bytes(mut self, bytes: usize) { self.collect_total_bytes = bytes }
    }

    collect_slower_than: Option<Duration> = None, "off" {
        /// Also writes the collected lines of a request that takes at least this time.
        fn collect_slower_than(mut self, duration: Duration) { self.collect_slower_than = Some(duration) }
        variable "OBS_LOG_COLLECT_SLOWER_THAN": "a duration such as `500ms`, `20s` or `5m`, or whole seconds such as `20`" => |text| parse::duration(text).map(Some);
    }

    sampled: bool = false, "`false`" {
        /// Drops the lines below warn of a request whose event is dropped by
        /// [`sample_rate`](crate::Events::sample_rate). So an event that is kept has all its lines.
        ///
        /// A rule may keep an event that sampling would drop. So if there are rules, these lines
        /// wait in memory until their request ends. They also wait if lines are
        /// [collected](Self::collect). The limits of collected lines apply to them. Dropped lines
        /// are counted in `log_lines_dropped_total` with the reason `sampling`.
        fn sampled(mut self, sampled: bool) { self.sampled = sampled }
        variable "OBS_LOG_SAMPLED": "`true` or `false`: lines below warn are dropped with their request's event" => parse::switch;
    }

    pub(super) tracing_span: bool = false, "`false`" {
        /// Opens a span of `tracing` for each request, for the other layers of the subscriber. Its
        /// target is `obs` and its name is `request`.
        ///
        /// It has the fields `http.request.method`, `http.route`, `request_id` and `trace_id`. It
        /// is entered wherever the code of the request runs, and closes when the request ends. The
        /// lines of this observer do not need it.
        fn tracing_span(mut self, open: bool) { self.tracing_span = open }
    }

    pub(super) sqlx_queries: bool = true, "`true`" {
        /// Records each query of sqlx as a call of the request in which it runs. The layer of the
        /// crate `obs-tracing` reads the event that sqlx emits at the end of a query.
        ///
        /// No line is written for this, unless the levels allow lines of the target `sqlx::query`.
        fn sqlx_queries(mut self, record: bool) { self.sqlx_queries = record }
        variable "OBS_SQLX_QUERIES": "`true` or `false`: queries of sqlx are recorded as calls" => parse::switch;
    }

    pub(super) fields: Vec<String> = Vec::new(), "none" {
        /// Adds these fields of the request to each of its lines. A line's own field of the same
        /// name wins.
        fn fields(mut self, names: impl IntoIterator<Item = impl Into<String>>) {
            self.fields = names.into_iter().map(Into::into).collect();
        }
    }
}

impl Default for Logs {
    fn default() -> Self {
        Self::defaults(LevelRules::default())
    }
}

impl Logs {
    /// Returns the default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns settings without outputs: no lines are written.
    pub fn off() -> Self {
        Self { outputs: Some(Vec::new()), ..Self::default() }
    }

    /// Applies the environment variables that are set, to the outputs as well.
    pub(super) fn read_environment(&mut self, environment: &Environment) -> Result<(), BuildError> {
        self.read_variables(environment)?;
        if let Some(text) = environment.get("RUST_LOG") {
            let (rules, ignored) = LevelRules::parse_valid(&text);
            self.from_environment = rules;
            if !ignored.is_empty() {
                environment.ignored("RUST_LOG", &ignored.join(","), "levels of targets");
            }
        }
        let parse = |text: &str| LevelRules::parse(text).ok();
        if let Some(rules) = environment.parse("OBS_LOG", VALID, parse)? {
            self.from_environment = std::mem::take(&mut self.from_environment).with(&rules);
        }
        let outputs = self.outputs.get_or_insert_with(|| vec![LogOutput::stdout()]);
        #[cfg(feature = "otlp")]
        {
            self.exceptions = export::read_environment(outputs, environment);
        }
        outputs.iter_mut().try_for_each(|output| output.read_environment(environment))
    }

    /// Rejects the first invalid value.
    pub(super) fn check_settings(&self, environment: &Environment) -> Result<(), BuildError> {
        self.check_values(environment)?;
        self.outputs.iter().flatten().try_for_each(|output| output.check(environment))
    }

    /// The rules of the code and of the environment. The code is valid: see
    /// [`check_levels`](Self::check_levels).
    pub(super) fn rules(&self) -> LevelRules {
        LevelRules::parse(&self.levels).unwrap_or_default().with(&self.from_environment)
    }

    /// The limits of lines. `None` if they are off.
    pub(super) fn rates(&self) -> Option<LimitRates> {
        let rates = |per_second: u32| LimitRates {
            per_second,
            burst: per_second.saturating_mul(5),
            per_request: self.per_request,
        };
        self.per_second.map(rates)
    }

    /// The rules of the lines that are collected. `None` if there are no such lines.
    pub(super) fn collected(&self) -> Option<LevelRules> {
        let rules = LevelRules::parse(&self.collect).unwrap_or_default();
        (!self.collect.is_empty()).then(|| rules.for_its_targets())
    }

    /// The limits of collected lines. `keep` decides which events are kept.
    pub(super) fn collection(&self, keep: Arc<Keep>) -> Option<Collection> {
        let by_level = !self.collect.is_empty();
        (by_level || self.sampled).then(|| Collection {
            per_request: self.collect_bytes,
            budget: Arc::new(LinesBudget::new(self.collect_total_bytes)),
            slower_than: self.collect_slower_than,
            by_level,
            sampling: self.sampled.then_some(keep),
        })
    }

    fn check_levels(&self, _: &'static str, expected: &'static str) -> Result<(), BuildError> {
        LevelRules::parse(&self.levels).map_err(|rule| BuildError::new("levels", rule, expected)).map(drop)
    }

    fn check_outputs(&self, setting: &'static str, expected: &'static str) -> Result<(), BuildError> {
        let outputs = self.outputs.as_deref().unwrap_or_default();
        for (n, output) in outputs.iter().enumerate() {
            let mut others = outputs.iter().take(n);
            #[cfg(feature = "files")]
            let shared = |other: &LogOutput| {
                other.name == output.name || (other.path().is_some() && other.path() == output.path())
            };
            #[cfg(not(feature = "files"))]
            let shared = |other: &LogOutput| other.name == output.name;
            if others.any(shared) {
                return Err(BuildError::new(setting, &*output.name, expected));
            }
        }
        Ok(())
    }
}

/// Settings with one output, and otherwise the defaults.
impl From<LogOutput> for Logs {
    fn from(output: LogOutput) -> Self {
        Self::new().output(output)
    }
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logs").field("outputs", &self.outputs).finish_non_exhaustive()
    }
}

/// Parses a number of lines, or `off`.
fn limit(text: &str) -> Option<Option<u32>> {
    if text == "off" { Some(None) } else { text.parse().ok().map(Some) }
}

/// Parses `stdout`, `stderr`, `off`, `file:/var/log/shop/lines.jsonl`, or several of them with
/// commas between.
fn log_outputs(list: &str) -> Option<Vec<LogOutput>> {
    // `off` beside an output is a contradiction, so it is no output there.
    if parse::list(list).eq(["off"]) {
        return Some(Vec::new());
    }
    let output = |name: &str| match name.strip_prefix("file:") {
        #[cfg(feature = "files")]
        Some(path) if !path.is_empty() => Some(LogOutput::file(EventFile::new(path))),
        None if name == "stdout" => Some(LogOutput::stdout()),
        None if name == "stderr" => Some(LogOutput::stderr()),
        _ => None,
    };
    parse::list(list).map(output).collect()
}
