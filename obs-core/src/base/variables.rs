//! The environment variables that a build reads.

use std::fmt;

use crate::base::build_error::BuildError;

/// The environment variables of the process, or none at all: see
/// [`no_environment`](crate::ObserverBuilder::no_environment).
///
/// ```
/// use obs_core::{BuildError, Variables};
///
/// fn limit(variables: &Variables<'_>) -> Result<Option<u64>, BuildError> {
///     variables.parse("SHOP_LIMIT", "a whole number", |text| text.parse().ok())
/// }
/// ```
#[derive(Clone, Copy)]
pub struct Variables<'a>(&'a dyn Fn(&str) -> Option<String>);

impl<'a> Variables<'a> {
    /// Variables that `read` looks up.
    pub(crate) const fn new(read: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self(read)
    }

    /// The value of a variable, without white space around it; `None` if it is not set, or empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        let value = (self.0)(name)?;
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// Parses a variable; `None` if it is not set.
    ///
    /// # Errors
    /// Names the variable, its value and what is valid, if `parse` returns `None`.
    pub fn parse<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, BuildError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        parse(&value).map(Some).ok_or_else(|| BuildError::new(name, value, expected))
    }
}

impl fmt::Debug for Variables<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variables").finish_non_exhaustive()
    }
}
