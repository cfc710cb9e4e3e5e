//! The error of an invalid setting.

use std::{error::Error, fmt, io};

/// An invalid setting: its name, its value, the valid values, and the error that the value caused,
/// if any.
///
/// ```
/// use obs_core::Observer;
/// let builder = Observer::builder("shop").no_environment();
/// let error = builder.request_id_headers(["x request id"]).build().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "`request_id_headers` is \"x request id\", \
///      but should be a header name such as `x-request-id`"
/// );
/// ```
///
/// The [`source`](Error::source) is the error of the system or of the library that rejected the
/// value:
///
/// ```
/// use std::error::Error;
/// use obs_core::{Observer, Redaction};
/// let redaction = Redaction::new().pattern("customer", "C-[0-9");
/// let builder = Observer::builder("shop").no_environment();
/// let error = builder.redaction(redaction).build().unwrap_err();
/// assert!(error.source().is_some(), "the error of the regular expression");
/// ```
#[non_exhaustive]
pub struct BuildError {
    /// The setting: the name of its method or of its environment variable.
    pub setting: &'static str,
    /// The invalid value.
    pub value: String,
    /// The valid values. Empty if the value is valid, but the system failed to apply it.
    pub expected: &'static str,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl BuildError {
    /// Creates an error without a source.
    ///
    /// ```
    /// use obs_core::BuildError;
    /// let error = BuildError::new("SHOP_QUEUE", "0", "at least 1");
    /// assert_eq!(error.to_string(), "`SHOP_QUEUE` is \"0\", but should be at least 1");
    /// ```
    #[must_use]
    pub fn new(setting: &'static str, value: impl Into<String>, expected: &'static str) -> Self {
        Self { setting, value: value.into(), expected, source: None }
    }

    /// Creates an error of the system, which failed to apply a valid setting.
    pub(crate) fn failed(setting: &'static str, error: io::Error) -> Self {
        Self::new(setting, error.to_string(), "").with_source(error)
    }

    /// Adds the error that the invalid value caused.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// Writes one line of text, even if the value contains line breaks.
impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.expected.is_empty() {
            let quoted = format!("{:?}", self.value);
            let value = quoted.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            return write!(f, "`{}`: {}", self.setting, value.unwrap_or_default());
        }
        write!(f, "`{}` is {:?}, but should be {}", self.setting, self.value, self.expected)
    }
}

/// Writes the same line, because Rust prints the `Debug` form of an error that `main` returns.
impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_one_line_and_have_their_source() {
        let error = BuildError::new("ca_file", "a\nb", "a file that can be read");
        assert_eq!(error.to_string(), "`ca_file` is \"a\\nb\", but should be a file that can be read");
        assert!(error.source().is_none());
        let error = error.with_source(std::io::Error::other("gone"));
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("gone"));
        assert_eq!(format!("{error:?}"), error.to_string());
        let failed = BuildError::failed("ca_file", io::Error::other("cannot read a\nb"));
        assert_eq!(failed.to_string(), "`ca_file`: cannot read a\\nb");
        assert!(failed.source().is_some());
    }
}
