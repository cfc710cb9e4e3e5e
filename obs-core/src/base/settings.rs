//! The table of settings: one row of [`settings!`] defines everything about a setting.

use std::fmt;

use super::build_error::BuildError;

/// A setting: its method, its environment variables, its default and its valid values.
///
/// [`Observer::settings`](crate::Observer::settings) lists all of them, for the `--help` of a
/// service:
///
/// ```
/// use obs_core::Observer;
/// for setting in Observer::settings() {
///     for variable in setting.variables {
///         println!("{:<40} {}", variable.name, variable.value);
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// The type that has the method, such as `Metrics`.
    pub group: &'static str,
    /// The method; `None` for a setting that only an environment variable sets.
    pub method: Option<&'static str>,
    /// The environment variables, which override the method.
    pub variables: &'static [SettingVariable],
    /// The default, in words.
    pub default: &'static str,
    /// The valid values, if not every value of the method's type is valid.
    pub valid: Option<&'static str>,
    doc: &'static str,
}

/// An environment variable of a [`Setting`].
///
/// ```
/// let variables = obs_core::Observer::settings().flat_map(|setting| setting.variables);
/// assert!(variables.clone().any(|variable| variable.name == "OBS_EVENTS"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettingVariable {
    /// The name, such as `OBS_EVENTS`.
    pub name: &'static str,
    /// The valid values, in words.
    pub value: &'static str,
}

impl Setting {
    /// Returns the first paragraph of the method's documentation, on one line and without links. It
    /// is empty for a setting that only an environment variable sets.
    ///
    /// ```
    /// let mut settings = obs_core::Observer::settings();
    /// let setting = settings.find(|setting| setting.method == Some("drain_delay"));
    /// assert!(setting.is_some_and(|setting| setting.description().ends_with('.')));
    /// ```
    #[must_use]
    pub fn description(&self) -> String {
        let lines = self.doc.lines().map(str::trim).take_while(|line| !line.is_empty());
        without_links(&lines.collect::<Vec<_>>().join(" "))
    }
}

/// Replaces `[text](target)` and `[text]` by `text`.
fn without_links(markdown: &str) -> String {
    let mut text = String::with_capacity(markdown.len());
    let mut rest = markdown;
    while let Some((before, (label, after))) =
        rest.split_once('[').and_then(|(before, after)| Some((before, after.split_once(']')?)))
    {
        text.extend([before, label]);
        let target = after.strip_prefix('(').and_then(|target| target.split_once(')'));
        rest = target.map_or(after, |(_, after)| after);
    }
    text + rest
}

/// A row of the table: one field, and the methods and variables that set it.
pub(crate) struct Row {
    pub(crate) group: &'static str,
    /// The name and the documentation of each method.
    pub(crate) methods: &'static [(&'static str, &'static str)],
    pub(crate) variables: &'static [SettingVariable],
    pub(crate) default: &'static str,
    /// The valid values: one text, or none.
    pub(crate) valid: &'static [&'static str],
}

impl Row {
    /// Returns one setting for each method, or a single one if there is no method.
    pub(crate) fn settings(&'static self) -> impl Iterator<Item = Setting> + Clone {
        let setting = |method, doc| Setting {
            group: self.group,
            method,
            variables: self.variables,
            default: self.default,
            valid: self.valid.first().copied(),
            doc,
        };
        let of_methods = self.methods.iter().map(move |(name, doc)| setting(Some(*name), *doc));
        of_methods.chain(self.methods.is_empty().then(move || setting(None, "")))
    }
}

/// Rejects the value if `test` returns `false` for it.
pub(crate) fn test_value<T: fmt::Debug>(
    setting: &'static str,
    expected: &'static str,
    value: &T,
    test: impl FnOnce(&T) -> bool,
) -> Result<(), BuildError> {
    if test(value) { Ok(()) } else { Err(rejected(setting, format_args!("{value:?}"), expected)) }
}

/// The error of an invalid value. The checks of all types share this code.
#[cold]
fn rejected(setting: &'static str, value: fmt::Arguments<'_>, expected: &'static str) -> BuildError {
    BuildError::new(setting, value.to_string(), expected)
}

/// Rejects the first value for which `test` returns `false`.
pub(crate) fn test_each<'a, T: fmt::Display + 'a>(
    setting: &'static str,
    expected: &'static str,
    values: impl IntoIterator<Item = &'a T>,
    test: impl Fn(&T) -> bool,
) -> Result<(), BuildError> {
    match values.into_iter().find(|value| !test(value)) {
        None => Ok(()),
        Some(value) => Err(rejected(setting, format_args!("{value}"), expected)),
    }
}

/// Defines a settings type from the table of its rows.
///
/// ```text
/// settings! {
///     /// Documentation of the type.
///     #[derive(Clone, Debug)]
///     pub struct Metrics {
///         path: PathBuf,           // fields that are no settings: arguments of `defaults`
///     }
///
///     #[cfg(feature = "metrics")]  // only if the setting needs a feature
///     series_limit: usize = 2_000, "2,000" {
///         /// Limits the series of a family.
///         fn series_limit(mut self, limit: usize) { self.series_limit = limit }
///         variable "OBS_SERIES_LIMIT": "a number between 1 and 1,000,000" => number;
///         valid "between 1 and 1,000,000" if |limit| (1..=1_000_000).contains(limit);
///     }
/// }
/// ```
/// A row has the field, its default as a value and in words, and then in this order:
///
/// - any number of methods. The table shows the first paragraph of a method's documentation, too.
/// - any number of variables, each with its valid values in words and a parser, a
///   `fn(&str) -> Option<T>`. A variable without a parser is read by hand-written code.
/// - at most one `valid` with the valid values in words and a test of the field, or `valid each`
///   with a test of each value in a `Vec` or an `Option`. Without a test, `valid` is only
///   documentation.
/// - at most one `check` for a condition that a test cannot express, a
///   `fn(&Self, setting: &'static str, expected: &'static str) -> Result<(), BuildError>`.
///
/// The type gets its methods and these:
///
/// - `fn defaults(..) -> Self`
/// - `fn read_variables(&mut self, &Environment) -> Result<(), BuildError>`
/// - `fn check_values(&self, &Environment) -> Result<(), BuildError>`, whose error names the
///   variable if the value came from it
/// - `const ROWS: &[Row]`
/// - `const VARIABLES: &[&[&str]]`, the names of the variables alone. A program that does not list
///   its settings contains only these, and not the texts of the rows.
macro_rules! settings {
    (
        $(#[$attribute:meta])*
        pub struct $name:ident { $($(#[$extra_attribute:meta])* $extra_vis:vis $extra:ident: $extra_type:ty,)* }
        $(
            $(#[cfg($cfg:meta)])*
            $vis:vis $field:ident: $type:ty = $value:expr, $default:literal {
                $(
                    $(#[doc = $doc:literal])+
                    fn $method:ident $(<$($generic:ident),+>)?
                    (mut $self:ident $(, $arg:ident: $arg_type:ty)* $(,)?)
                    $(where [$($bound:tt)+])? $body:block
                )*
                $(variable $variable:literal: $variable_value:literal $(=> $parse:expr)?;)*
                $(valid $valid:literal $(if $test:expr)?;)?
                $(valid each $valid_each:literal if $test_each:expr;)?
                $(check $check:path;)?
            }
        )*
    ) => {
        $(#[$attribute])*
        pub struct $name {
            $($(#[$extra_attribute])* $extra_vis $extra: $extra_type,)*
            $($(#[cfg($cfg)])* $vis $field: $type,)*
        }

        impl $name {
            $(
                $crate::base::settings::settings! {
                    @methods [$(#[cfg($cfg)])*]
                    concat!(
                        "Default: ", $default, "."
                        $(, " Environment: `", $variable, "`.")*
                        $(, " Valid: ", $valid, ".")?
                        $(, " Valid: ", $valid_each, ".")?
                    );
                    $({
                        $(#[doc = $doc])+
                        fn $method $(<$($generic),+>)? (mut $self $(, $arg: $arg_type)*)
                        $(where [$($bound)+])? $body
                    })*
                }
            )*
        }

        impl $name {
            /// The rows of the table.
            pub(crate) const ROWS: &[$crate::base::settings::Row] = &[
                $(
                    $(#[cfg($cfg)])*
                    $crate::base::settings::Row {
                        group: stringify!($name),
                        methods: &[$((stringify!($method), concat!($($doc, "\n"),+))),*],
                        variables: &[$($crate::base::settings::SettingVariable {
                            name: $variable,
                            value: $variable_value,
                        }),*],
                        default: $default,
                        valid: &[$($valid)? $($valid_each)?],
                    },
                )*
            ];

            /// The names of the variables of each row.
            pub(crate) const VARIABLES: &[&[&str]] = &[$($(#[cfg($cfg)])* &[$($variable),*],)*];

            /// Returns the default settings.
            fn defaults($($extra: $extra_type),*) -> Self {
                Self { $($extra,)* $($(#[cfg($cfg)])* $field: $value,)* }
            }

            /// Applies the environment variables that are set.
            pub(crate) fn read_variables(
                &mut self,
                environment: &$crate::base::environment::Environment,
            ) -> Result<(), $crate::base::build_error::BuildError> {
                let _read = environment;
                $(
                    $(#[cfg($cfg)])*
                    {
                        $($(
                            if let Some(value) = _read.parse($variable, $variable_value, $parse)? {
                                self.$field = value.into();
                            }
                        )?)*
                    }
                )*
                Ok(())
            }

            /// Rejects the first invalid value.
            pub(crate) fn check_values(
                &self,
                environment: &$crate::base::environment::Environment,
            ) -> Result<(), $crate::base::build_error::BuildError> {
                $(
                    $(#[cfg($cfg)])*
                    {
                        let _setting = environment.name_of(&[$($variable),*], &[$(stringify!($method)),*]);
                        let _expected = concat!($($valid)? $($valid_each)?);
                        $($($crate::base::settings::test_value(_setting, _expected, &self.$field, $test)?;)?)?
                        $($crate::base::settings::test_each(_setting, _expected, &self.$field, $test_each)?;)?
                        $($check(self, _setting, _expected)?;)?
                    }
                )*
                Ok(())
            }
        }
    };

    (@methods $cfg:tt $note:expr; $($method:tt)*) => {
        $($crate::base::settings::settings! { @method $cfg $note; $method })*
    };

    (
        @method [$(#[cfg($cfg:meta)])*] $note:expr;
        {
            $(#[doc = $doc:literal])+
            fn $method:ident $(<$($generic:ident),+>)? (mut $self:ident $(, $arg:ident: $arg_type:ty)*)
            $(where [$($bound:tt)+])? $body:block
        }
    ) => {
        $(#[cfg($cfg)])*
        $(#[doc = $doc])+
        #[doc = ""]
        #[doc = $note]
        pub fn $method $(<$($generic),+>)? (mut $self $(, $arg: $arg_type)*) -> Self
        $(where $($bound)+)?
        {
            $body
            $self
        }
    };
}
pub(crate) use settings;
