//! The environment that the builder reads: its variables, and whether standard output is a
//! terminal.

use std::{
    cell::RefCell,
    ffi::OsString,
    fmt,
    io::{self, IsTerminal},
};

use super::build_error::BuildError;

type VariableLookup = Box<dyn Fn(&str) -> Option<OsString>>;

/// The environment variables that [`ObserverBuilder::build`](crate::ObserverBuilder::build) reads:
/// those of the process, or none. A blank variable counts as not set.
///
/// An [extension](crate::output::Extension) reads its variables from it:
///
/// ```
/// use obs_core::{BuildError, output::Environment};
///
/// fn limit(environment: &Environment) -> Result<Option<u64>, BuildError> {
///     environment.parse("SHOP_LIMIT", "a whole number", |text| text.parse().ok())
/// }
/// ```
pub struct Environment {
    /// `None` if no variables are read.
    variables: Option<VariableLookup>,
    /// `true` if standard output is a terminal.
    terminal: bool,
    /// The names of all variables that begin with [`PREFIX`].
    named: Vec<String>,
    /// The names among them that were read.
    read: RefCell<Vec<String>>,
    /// The messages about ignored values, each with the reason.
    warnings: RefCell<Vec<String>>,
}

/// The prefix of our own variables.
const PREFIX: &str = "OBS_";

impl Environment {
    /// Returns the environment of this process.
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the environment")]
    pub(crate) fn process() -> Self {
        let mut environment = Self::of(|name| std::env::var_os(name));
        environment.terminal = io::stdout().is_terminal();
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        environment.named = names.filter(|name| name.starts_with(PREFIX)).collect();
        environment
    }

    /// Returns an environment without variables and without a terminal.
    pub(crate) const fn none() -> Self {
        Self {
            variables: None,
            terminal: false,
            named: Vec::new(),
            read: RefCell::new(Vec::new()),
            warnings: RefCell::new(Vec::new()),
        }
    }

    /// Returns an environment whose variables come from a function.
    pub(crate) fn of(variables: impl Fn(&str) -> Option<OsString> + 'static) -> Self {
        Self { variables: Some(Box::new(variables)), ..Self::none() }
    }

    /// Returns `false` for [`none`](Self::none).
    pub(crate) const fn is_read(&self) -> bool {
        self.variables.is_some()
    }

    /// Returns `true` if standard output is a terminal.
    pub(crate) const fn is_terminal(&self) -> bool {
        self.terminal
    }

    fn raw(&self, name: &str) -> Option<OsString> {
        if name.starts_with(PREFIX) {
            self.read.borrow_mut().push(name.to_owned());
        }
        self.variables.as_ref()?(name).filter(|value| !value.to_string_lossy().trim().is_empty())
    }

    /// Returns the value of a variable; `None` if the variable is not set, blank or not Unicode.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        self.raw(name)?.into_string().ok()
    }

    /// Returns the parsed value of a variable; `None` if the variable is not set or blank.
    ///
    /// An invalid value of an `OTEL_*` variable is ignored with a warning, because operators set
    /// these variables for all services at once.
    ///
    /// # Errors
    /// The value is invalid: it is not Unicode, or `parse` returns `None`.
    pub fn parse<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, BuildError> {
        let (mut parse, mut parsed) = (Some(parse), None);
        self.read(name, expected, &mut |text| {
            parsed = parse.take().and_then(|parse| parse(text));
            parsed.is_some()
        })?;
        Ok(parsed)
    }

    /// Calls `parse` with the value of a variable that is set. If it returns `false`, the value is
    /// ignored for an `OTEL_*` variable and rejected for any other. This code exists once, and
    /// [`parse`](Self::parse) for each type.
    fn read(
        &self,
        name: &'static str,
        expected: &'static str,
        parse: &mut dyn FnMut(&str) -> bool,
    ) -> Result<(), BuildError> {
        let Some(raw) = self.raw(name) else { return Ok(()) };
        let shown = match raw.to_str() {
            Some(text) if parse(text.trim()) => return Ok(()),
            Some(text) => text,
            None => "not Unicode",
        };
        if name.starts_with("OTEL_") {
            self.ignored(name, shown, expected);
            return Ok(());
        }
        Err(BuildError::new(name, shown, expected))
    }

    /// Warns that the value of a variable, or a part of it, is ignored.
    pub fn ignored(&self, name: &str, value: &str, expected: &str) {
        self.warn(format!("`{name}` is \"{value}\", but should be {expected}; it is ignored"));
    }

    /// Stores a warning for [`take_warnings`](Self::take_warnings).
    pub(crate) fn warn(&self, warning: String) {
        self.warnings.borrow_mut().push(warning);
    }

    /// The name of a setting in an error: the variable if one is set, otherwise the method. An
    /// `OTEL_*` variable is never named, because its invalid values are ignored.
    #[must_use]
    pub fn name_of(&self, variables: &[&'static str], methods: &[&'static str]) -> &'static str {
        let set = variables.iter().find(|name| !name.starts_with("OTEL_") && self.raw(name).is_some());
        set.or(methods.first()).or(variables.first()).copied().unwrap_or_default()
    }

    /// Warns of each variable of ours that nobody read and that is in none of the rows, with the
    /// most similar name.
    pub(crate) fn warn_of_unknown(&self, rows: &[&[&[&str]]]) {
        let read = self.read.borrow();
        let mut known: Vec<&str> = rows.iter().flat_map(|rows| rows.concat()).collect();
        known.extend(read.iter().map(String::as_str));
        for name in self.named.iter().filter(|name| !known.contains(&name.as_str())) {
            let ours = known.iter().filter(|other| other.starts_with(PREFIX));
            let nearest = ours.min_by_key(|other| differences(name, other)).copied().unwrap_or_default();
            self.warn(format!("`{name}` is not a variable of obs: did you mean `{nearest}`?"));
        }
    }

    /// Returns the stored warnings, each only once.
    pub(crate) fn take_warnings(&self) -> Vec<String> {
        self.warnings.take()
    }

    #[cfg(test)]
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.warnings.borrow().clone()
    }

    /// Marks standard output as a terminal.
    #[cfg(test)]
    pub(crate) fn on_terminal(mut self) -> Self {
        self.terminal = true;
        self
    }

    /// Returns an environment whose variables come from pairs.
    #[cfg(test)]
    pub(crate) fn of_pairs(pairs: &'static [(&str, &str)]) -> Self {
        let mut environment =
            Self::of(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()));
        let names = pairs.iter().map(|(name, _)| (*name).to_owned());
        environment.named = names.filter(|name| name.starts_with(PREFIX)).collect();
        environment
    }
}

/// Returns the number of characters to insert, remove or replace that turns one name into the other
/// (the Levenshtein distance).
fn differences(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (n, a) in one.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], n.saturating_add(1));
        for (m, b) in other.bytes().enumerate() {
            let replaced = diagonal.saturating_add(usize::from(a != b));
            diagonal = row[m + 1];
            row[m + 1] = replaced.min(diagonal.saturating_add(1)).min(row[m].saturating_add(1));
        }
    }
    row[other.len()]
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("terminal", &self.terminal).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_variable_warns_with_the_nearest_name() {
        let environment = Environment::of_pairs(&[
            ("OBS_EVENT", "off"),
            ("OBS_EVENTS", "off"),
            ("OBS_DRAINDELAY", "1s"),
            ("OBS_SHOP_LIMIT", "7"),
            ("OTHER", "1"),
        ]);
        // An extension reads it.
        assert_eq!(environment.get("OBS_SHOP_LIMIT").as_deref(), Some("7"));
        environment.warn_of_unknown(&[&[&["OBS_EVENTS"], &["OBS_DRAIN_DELAY", "OTEL_SERVICE_NAME"]]]);
        assert_eq!(
            environment.warnings(),
            [
                "`OBS_EVENT` is not a variable of obs: did you mean `OBS_EVENTS`?",
                "`OBS_DRAINDELAY` is not a variable of obs: did you mean `OBS_DRAIN_DELAY`?"
            ]
        );
    }

    #[test]
    fn invalid_values_are_errors_and_those_of_opentelemetry_are_warnings() {
        let environment =
            Environment::of_pairs(&[("OBS_A", "x"), ("OTEL_A", "y"), ("OBS_B", " "), ("OBS_C", " 7 ")]);
        let number = |text: &str| text.parse::<u8>().ok();
        let error = environment.parse("OBS_A", "a number", number).expect_err("invalid");
        assert_eq!(error.to_string(), "`OBS_A` is \"x\", but should be a number");
        assert_eq!(environment.parse("OTEL_A", "a number", number).ok(), Some(None));
        assert_eq!(environment.warnings(), ["`OTEL_A` is \"y\", but should be a number; it is ignored"]);
        assert_eq!(environment.parse("OBS_B", "a number", number).ok(), Some(None));
        assert_eq!(environment.parse("OBS_C", "a number", number).ok(), Some(Some(7)));
        assert_eq!(environment.name_of(&["OBS_B", "OBS_C"], &["c"]), "OBS_C");
        assert_eq!(environment.name_of(&["OBS_B"], &["b"]), "b");
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_unicode_is_invalid() {
        use std::os::unix::ffi::OsStringExt;
        let environment = Environment::of(|_| Some(OsString::from_vec(vec![b'a', 0xff])));
        let error = environment.parse("OBS_A", "a path", |text| Some(text.to_owned()));
        assert_eq!(
            error.expect_err("invalid").to_string(),
            "`OBS_A` is \"not Unicode\", but should be a path"
        );
        assert_eq!(environment.get("OBS_A"), None);
    }

    #[test]
    fn an_environment_without_variables_reads_nothing() {
        let environment = Environment::none();
        assert!(!environment.is_read() && !environment.is_terminal());
        assert_eq!(environment.get("PATH"), None);
    }
}
