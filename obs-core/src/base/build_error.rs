//! What is said of a setting that cannot be.

use std::fmt;

/// A setting that cannot be: its name, its value, and what would be right.
///
/// ```
/// use obs_core::Observer;
/// let error = Observer::builder("shop").no_environment().request_id_headers(["x request id"]).build();
/// assert_eq!(
///     error.unwrap_err().to_string(),
///     "`request_id_headers` is \"x request id\", but should be a header name such as `x-request-id`"
/// );
/// ```
#[non_exhaustive]
pub struct BuildError {
    /// The setting, as its method or its environment variable is called.
    pub setting: &'static str,
    /// What it was set to.
    pub value: String,
    /// What would be right.
    pub expected: &'static str,
}

impl BuildError {
    /// An error of a setting: its name, the value that it has, and what is valid.
    #[must_use]
    pub fn new(setting: &'static str, value: impl Into<String>, expected: &'static str) -> Self {
        Self { setting, value: value.into(), expected }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is {:?}, but should be {}", self.setting, self.value, self.expected)
    }
}

/// As `Display`: `main` prints errors so.
impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for BuildError {}

/// An error of a setting: see [`BuildError::new`].
pub(crate) fn error(setting: &'static str, value: &str, expected: &'static str) -> BuildError {
    BuildError::new(setting, value, expected)
}
