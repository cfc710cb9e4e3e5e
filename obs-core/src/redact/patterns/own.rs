//! The service's own patterns: regular expressions, with the feature `patterns`.

use std::ops::Range;

#[cfg(feature = "patterns")]
use regex::Find;

/// The service's own patterns. Without the feature, there are none.
#[derive(Default)]
pub(in crate::redact) struct OwnPatterns {
    #[cfg(feature = "patterns")]
    pub(in crate::redact) all: Vec<Find>,
}

#[cfg(feature = "patterns")]
impl OwnPatterns {
    pub(super) const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Adds all matches that are not part of a mask.
    pub(super) fn find(&self, text: &str, found: &mut Vec<Range<usize>>) {
        self.all.iter().for_each(|find| find(text, found));
    }
}

#[cfg(not(feature = "patterns"))]
impl OwnPatterns {
    pub(super) const fn is_empty(&self) -> bool {
        true
    }

    pub(super) const fn find(&self, _: &str, _: &mut Vec<Range<usize>>) {}
}

/// Regular expressions. Only [`Redaction::pattern`](crate::Redaction::pattern) refers to
/// [`compile`](regex::compile), so the linker removes the engine from a program without patterns of
/// its own.
#[cfg(feature = "patterns")]
pub(in crate::redact) mod regex {
    use std::{
        fmt,
        ops::Range,
        panic::{RefUnwindSafe, UnwindSafe},
    };

    use regex_lite::Regex;

    use crate::{
        base::build_error::BuildError,
        redact::{MASK, settings::build_error},
    };

    /// A function that adds the matches in a text.
    pub(in crate::redact) type Find =
        Box<dyn Fn(&str, &mut Vec<Range<usize>>) + Send + Sync + UnwindSafe + RefUnwindSafe>;

    /// A pattern as text.
    #[derive(Clone)]
    pub(in crate::redact) struct PatternText {
        pub(in crate::redact) name: String,
        pub(in crate::redact) regex: String,
        pub(in crate::redact) compile: fn(&str, &str) -> Result<Find, BuildError>,
    }

    impl fmt::Debug for PatternText {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_tuple("Pattern").field(&self.name).field(&self.regex).finish()
        }
    }

    /// Compiles the regular expression of the pattern `name`.
    ///
    /// # Errors
    /// The pattern is not a regular expression, or it matches the empty text.
    pub(in crate::redact) fn compile(name: &str, regex: &str) -> Result<Find, BuildError> {
        let value = || format!("pattern {name}: {regex}");
        let pattern = Regex::new(regex).map_err(|error| {
            // The error has no place. The text after the longest valid beginning shows it.
            let starts = regex.char_indices().map(|(at, _)| regex.split_at(at)).rev();
            let rest = starts.filter(|(start, _)| Regex::new(start).is_ok()).map(|(_, rest)| rest).next();
            let value = format!("{}, at `{}` ({error})", value(), rest.unwrap_or(regex));
            build_error(value, "a regular expression of the crate `regex-lite`").with_source(error)
        })?;
        if pattern.is_match("") {
            // It would match everywhere, mostly without masking anything.
            return Err(build_error(value(), "a regular expression that does not match the empty text"));
        }
        Ok(Box::new(move |text, found| {
            let matches = pattern.find_iter(text).map(|found| found.range());
            found.extend(matches.filter(|range| !range.is_empty() && !is_masked(text, range)));
        }))
    }

    /// Returns `true` if the range is part of a mask, which must not be masked again.
    fn is_masked(text: &str, range: &Range<usize>) -> bool {
        let around = text.get(..range.end.saturating_add(MASK.len()).min(text.len())).unwrap_or(text);
        let from = range.end.saturating_sub(MASK.len());
        (from..=range.start).any(|at| around.get(at..).is_some_and(|rest| rest.starts_with(MASK)))
    }
}
