//! Settings of logs: their levels, their outputs, and the fields of the work that they contain.

use std::fmt;

use super::{
    output::LogOutput,
    rules::{LevelRules, VALID},
};
use crate::base::{build_error::BuildError, environment::Environment, parse, settings::settings};
#[cfg(feature = "files")]
use crate::outputs::destination::file::EventFile;

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
        /// * The rules of `RUST_LOG` are above those of the code, and the rules of `OBS_LOG` are
        ///   above both. LevelRules of `RUST_LOG` that filter spans or fields are ignored, with a
        ///   warning.
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
