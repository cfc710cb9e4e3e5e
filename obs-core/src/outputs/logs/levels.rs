//! The levels of an observer's logs, which can change while the service runs.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use super::rules::{LevelRules, VALID};
use crate::{
    base::{build_error::BuildError, replaceable::Replaceable},
    record::log_level::LogLevel,
};

/// A function that is called after a change of the levels.
type OnChange = Box<dyn Fn() + Send + Sync>;

/// The levels at which log lines are written, by their targets.
///
/// ```
/// use obs_core::{LogLevel, Observer};
///
/// let observer = Observer::builder("shop").no_environment().build()?;
/// let levels = observer.log_levels();
/// levels.set("warn,shop=debug,hyper=off")?;
/// assert!(levels.writes("shop::orders", LogLevel::Debug));
/// assert!(!levels.writes("hyper::proto", LogLevel::Error));
/// # Ok::<(), obs_core::BuildError>(())
/// ```
pub struct LogLevels {
    rules: Replaceable<LevelRules>,
    /// The lines that are collected if the rules do not write them.
    collected: Option<LevelRules>,
    /// The functions that are called after a change.
    on_change: Mutex<Vec<OnChange>>,
}

impl LogLevels {
    pub(super) fn new(rules: LevelRules, collected: Option<LevelRules>) -> Self {
        let shards = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { rules: Replaceable::new(rules, shards), collected, on_change: Mutex::new(Vec::new()) }
    }

    /// Replaces all levels, such as `info,hyper=warn,sqlx=off`. They apply to the next line.
    ///
    /// * A level without a target is for all other targets.
    /// * The longest target that is a prefix of a line's target wins.
    /// * `hyper=debug->trace` gives the debug lines of `hyper` the level trace.
    ///
    /// # Errors
    /// The text is invalid. The levels then stay as they are.
    pub fn set(&self, levels: &str) -> Result<(), BuildError> {
        let rules = LevelRules::parse(levels).map_err(|rule| BuildError::new("levels", rule, VALID))?;
        self.rules.replace(rules);
        self.on_change.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|changed| changed());
        Ok(())
    }

    /// Returns true if a line of this target and level is written.
    #[must_use]
    #[inline]
    pub fn writes(&self, target: &str, level: LogLevel) -> bool {
        self.rules.read(|rules| Some(rules.writes(target, level))).unwrap_or(false)
    }

    /// Returns true if a line of this target and level is written, or
    /// [collected](crate::Logs::collect).
    #[must_use]
    pub fn wants(&self, target: &str, level: LogLevel) -> bool {
        self.writes(target, level)
            || self.collected.as_ref().is_some_and(|collected| collected.writes(target, level))
    }

    /// Returns the level that a line of this target and level gets.
    #[must_use]
    pub fn level(&self, target: &str, level: LogLevel) -> LogLevel {
        self.rules.read(|rules| Some(rules.level(target, level))).unwrap_or(level)
    }

    /// The least severe level at which lines can be written or collected. `None` if no line can be.
    #[must_use]
    pub fn most(&self) -> Option<LogLevel> {
        self.rules.read(LevelRules::most).max(self.collected.as_ref().and_then(LevelRules::most))
    }

    /// Calls `changed` after each change of the levels, on the thread that changes them.
    pub fn on_change(&self, changed: impl Fn() + Send + Sync + 'static) {
        self.on_change.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(changed));
    }
}

/// The levels as a text that [`LogLevels::set`] accepts.
impl fmt::Display for LogLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.rules.read(|rules| Some(rules.to_string()));
        f.write_str(&text.unwrap_or_default())
    }
}

impl fmt::Debug for LogLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogLevels({self})")
    }
}
