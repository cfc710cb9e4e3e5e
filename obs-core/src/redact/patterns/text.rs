//! The text that the scanners read. Tests can count the bytes that are read.

/// A text whose bytes are read only through these methods, so that tests can count the reads.
#[derive(Clone, Copy)]
pub(super) struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self(text)
    }

    pub(super) const fn len(self) -> usize {
        self.0.len()
    }

    /// The byte at `at`. After the end it is 0, which is part of no secret.
    pub(super) fn at(self, at: usize) -> u8 {
        count_scanned(1);
        self.0.as_bytes().get(at).copied().unwrap_or_default()
    }

    /// The byte before `at`. Before the start it is 0.
    pub(super) fn before(self, at: usize) -> u8 {
        at.checked_sub(1).map_or(0, |at| self.at(at))
    }

    /// Returns the end of the run of matching bytes that starts at `from`.
    pub(super) fn run(self, from: usize, is: impl Fn(u8) -> bool) -> usize {
        let rest = self.0.as_bytes().get(from..).unwrap_or_default();
        let length = rest.iter().position(|b| !is(*b)).unwrap_or(rest.len());
        count_scanned(length.saturating_add(1));
        from.saturating_add(length)
    }

    /// Returns the same as [`run`](Self::run), but reads at most `most` bytes.
    pub(super) fn run_within(self, from: usize, most: usize, is: impl Fn(u8) -> bool) -> usize {
        let end = from.saturating_add(most).min(self.0.len());
        let rest = self.0.as_bytes().get(from..end).unwrap_or_default();
        let length = rest.iter().position(|b| !is(*b)).unwrap_or(rest.len());
        count_scanned(length.saturating_add(1));
        from.saturating_add(length)
    }

    /// Returns the start of the run of matching bytes that ends at `end`, but not before `floor`.
    pub(super) fn scan_back(self, end: usize, floor: usize, is: impl Fn(u8) -> bool) -> usize {
        let before = self.0.as_bytes().get(floor..end).unwrap_or_default();
        let length = before.iter().rev().position(|b| !is(*b)).unwrap_or(before.len());
        count_scanned(length.saturating_add(1));
        end.saturating_sub(length)
    }

    /// Returns the same as [`run`](Self::run), by characters.
    pub(super) fn scan_chars(self, from: usize, is: impl Fn(char) -> bool) -> usize {
        let rest = self.0.get(from..).unwrap_or_default();
        let length = rest.find(|c| !is(c)).unwrap_or(rest.len());
        count_scanned(length.saturating_add(1));
        from.saturating_add(length)
    }

    /// Returns the same as [`scan_back`](Self::scan_back), by characters.
    pub(super) fn scan_back_chars(self, end: usize, floor: usize, is: impl Fn(char) -> bool) -> usize {
        let before = self.0.get(floor..end).unwrap_or_default();
        let left = before.trim_end_matches(is).len();
        count_scanned(before.len().saturating_sub(left).saturating_add(1));
        floor.saturating_add(left)
    }

    pub(super) fn starts_with(self, at: usize, what: &str) -> bool {
        count_scanned(what.len());
        self.0.as_bytes().get(at..).is_some_and(|rest| rest.starts_with(what.as_bytes()))
    }

    pub(super) fn starts_with_ignoring_case(self, at: usize, what: &str) -> bool {
        count_scanned(what.len());
        let end = at.saturating_add(what.len());
        self.0.as_bytes().get(at..end).is_some_and(|there| there.eq_ignore_ascii_case(what.as_bytes()))
    }

    /// Returns the position of the next `what`.
    pub(super) fn find(self, from: usize, what: &str) -> Option<usize> {
        let found = self.0.get(from..)?.find(what);
        count_scanned(found.unwrap_or(self.0.len().saturating_sub(from)));
        found.map(|at| at.saturating_add(from))
    }

    /// Returns a part of the text, which is empty if the range is invalid.
    pub(super) fn slice(self, from: usize, to: usize) -> &'a str {
        self.0.get(from..to).unwrap_or_default()
    }
}

#[cfg(not(test))]
const fn count_scanned(_bytes: usize) {}

#[cfg(test)]
fn count_scanned(bytes: usize) {
    SCANNED.set(SCANNED.get().saturating_add(bytes));
}

#[cfg(test)]
thread_local! {
    /// The number of bytes that the scanners of this thread have read.
    pub(in crate::redact) static SCANNED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}
