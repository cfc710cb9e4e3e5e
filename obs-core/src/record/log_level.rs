//! The severity of a log line.

use std::fmt;

/// The severity of a log line. The most severe level is the smallest.
///
/// | level | meaning |
/// |---|---|
/// | `Error` | someone must act now |
/// | `Warn` | someone must look at it in business hours |
/// | `Info` | it is normal, and on in production |
/// | `Debug`, `Trace` | it is for development, and off in production |
///
/// ```
/// use obs_core::LogLevel;
/// assert!(LogLevel::Error < LogLevel::Warn);
/// assert_eq!(LogLevel::parse("WARN"), Some(LogLevel::Warn));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// Someone must act now.
    Error,
    /// Someone must look at it in business hours.
    Warn,
    /// It is normal, and on in production.
    Info,
    /// It helps developers, and is off in production.
    Debug,
    /// It helps developers to follow single steps.
    Trace,
}

impl LogLevel {
    /// All levels, the most severe first.
    pub const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// The name in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// Parses a name in any case. `warning` is `warn`. Returns `None` for other texts.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("warning") {
            return Some(Self::Warn);
        }
        Self::ALL.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
