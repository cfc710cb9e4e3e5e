//! The service's own patterns: regular expressions, with the feature `patterns`.

use std::ops::Range;

#[cfg(feature = "patterns")]
use regex_lite::Regex;

#[cfg(feature = "patterns")]
use crate::redact::MASK;

/// The service's own patterns. Without the feature, there are none.
#[derive(Default)]
pub(in crate::redact) struct OwnPatterns {
    #[cfg(feature = "patterns")]
    pub(in crate::redact) all: Vec<Regex>,
}

#[cfg(feature = "patterns")]
impl OwnPatterns {
    pub(super) const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Adds all matches that are not part of a mask.
    pub(super) fn find(&self, text: &str, found: &mut Vec<Range<usize>>) {
        for pattern in &self.all {
            let matches = pattern.find_iter(text).map(|found| found.range());
            found.extend(matches.filter(|range| !range.is_empty() && !is_masked(text, range)));
        }
    }
}

#[cfg(not(feature = "patterns"))]
impl OwnPatterns {
    pub(super) const fn is_empty(&self) -> bool {
        true
    }

    pub(super) const fn find(&self, _: &str, _: &mut Vec<Range<usize>>) {}
}

/// Returns `true` if the range is part of a mask, which must not be masked again.
#[cfg(feature = "patterns")]
fn is_masked(text: &str, range: &Range<usize>) -> bool {
    let around = text.get(..range.end.saturating_add(MASK.len()).min(text.len())).unwrap_or(text);
    let from = range.end.saturating_sub(MASK.len());
    (from..=range.start).any(|at| around.get(at..).is_some_and(|rest| rest.starts_with(MASK)))
}
