//! A text, as the scanners look at it.

/// Every look at the text goes through here, so that tests can count how many there are.
#[derive(Clone, Copy)]
pub(super) struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self(text)
    }

    pub(super) const fn len(self) -> usize {
        self.0.len()
    }

    /// The byte at `at`; 0 behind the end, which no scanner takes for a part of a secret.
    pub(super) fn at(self, at: usize) -> u8 {
        looked(1);
        self.0.as_bytes().get(at).copied().unwrap_or_default()
    }

    /// The byte before `at`; 0 before the start.
    pub(super) fn before(self, at: usize) -> u8 {
        at.checked_sub(1).map_or(0, |at| self.at(at))
    }

    /// The end of the bytes from `from` on that are so.
    pub(super) fn run(self, from: usize, is: impl Fn(u8) -> bool) -> usize {
        let rest = self.0.as_bytes().get(from..).unwrap_or_default();
        let length = rest.iter().position(|b| !is(*b)).unwrap_or(rest.len());
        looked(length.saturating_add(1));
        from.saturating_add(length)
    }

    /// The start of the bytes before `end`, and not before `floor`, that are so.
    pub(super) fn back(self, end: usize, floor: usize, is: impl Fn(u8) -> bool) -> usize {
        let before = self.0.as_bytes().get(floor..end).unwrap_or_default();
        let length = before.iter().rev().position(|b| !is(*b)).unwrap_or(before.len());
        looked(length.saturating_add(1));
        end.saturating_sub(length)
    }

    /// As [`run`](Self::run), by characters.
    pub(super) fn run_of_chars(self, from: usize, is: impl Fn(char) -> bool) -> usize {
        let rest = self.0.get(from..).unwrap_or_default();
        let length = rest.find(|c| !is(c)).unwrap_or(rest.len());
        looked(length.saturating_add(1));
        from.saturating_add(length)
    }

    /// As [`back`](Self::back), by characters.
    pub(super) fn back_by_chars(self, end: usize, floor: usize, is: impl Fn(char) -> bool) -> usize {
        let before = self.0.get(floor..end).unwrap_or_default();
        let left = before.trim_end_matches(is).len();
        looked(before.len().saturating_sub(left).saturating_add(1));
        floor.saturating_add(left)
    }

    pub(super) fn starts_with(self, at: usize, what: &str) -> bool {
        looked(what.len());
        self.0.as_bytes().get(at..).is_some_and(|rest| rest.starts_with(what.as_bytes()))
    }

    pub(super) fn starts_with_ignoring_case(self, at: usize, what: &str) -> bool {
        looked(what.len());
        let end = at.saturating_add(what.len());
        self.0.as_bytes().get(at..end).is_some_and(|there| there.eq_ignore_ascii_case(what.as_bytes()))
    }

    /// Where `what` is next.
    pub(super) fn find(self, from: usize, what: &str) -> Option<usize> {
        let found = self.0.get(from..)?.find(what);
        looked(found.unwrap_or(self.0.len().saturating_sub(from)));
        found.map(|at| at.saturating_add(from))
    }

    /// Empty where there is no such piece.
    pub(super) fn slice(self, from: usize, to: usize) -> &'a str {
        self.0.get(from..to).unwrap_or_default()
    }
}

#[cfg(not(test))]
const fn looked(_bytes: usize) {}

#[cfg(test)]
fn looked(bytes: usize) {
    LOOKED.set(LOOKED.get().saturating_add(bytes));
}

#[cfg(test)]
thread_local! {
    /// At how many bytes the scanners of this thread have looked.
    pub(in crate::redact) static LOOKED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}
