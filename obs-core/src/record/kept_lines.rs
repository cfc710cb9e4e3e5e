//! The log lines that are collected in memory until their request ends (feature `logs`).

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::record::{fields::Fields, log_level::LogLevel};

/// A collected line without secrets.
#[derive(Debug)]
pub(crate) struct KeptLine {
    pub(crate) since_1970: Duration,
    pub(crate) level: LogLevel,
    pub(crate) target: Box<str>,
    pub(crate) message: Box<str>,
    pub(crate) fields: Fields,
    pub(crate) source: Option<(Box<str>, Option<u32>)>,
    /// True if the level allows the line, and only the sampling of its trace holds it back.
    pub(crate) sampled_out: bool,
}

/// The memory of a line beside its texts and fields.
const LINE: usize = size_of::<KeptLine>();

impl KeptLine {
    fn bytes(&self) -> usize {
        let source = self.source.as_ref().map_or(0, |(file, _)| file.len());
        [LINE, self.target.len(), self.message.len(), self.fields.memory(), source]
            .into_iter()
            .fold(0, usize::saturating_add)
    }
}

/// The bytes that the collected lines of all requests may still take.
#[derive(Debug)]
pub(crate) struct LinesBudget(AtomicUsize);

impl LinesBudget {
    pub(crate) const fn new(bytes: usize) -> Self {
        Self(AtomicUsize::new(bytes))
    }

    fn take(&self, bytes: usize) -> bool {
        let take = |left: usize| left.checked_sub(bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(crate) fn left(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// The numbers of lines for which a request had no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DroppedLines {
    /// The lines below their level.
    pub(crate) below_level: u64,
    /// The lines that the sampling of their trace held back.
    pub(crate) sampled_out: u64,
}

impl DroppedLines {
    const NONE: Self = Self { below_level: 0, sampled_out: 0 };

    fn count(&mut self, line: &KeptLine) {
        let number = if line.sampled_out { &mut self.sampled_out } else { &mut self.below_level };
        *number = number.saturating_add(1);
    }
}

/// The newest collected lines of a request, within a limit of bytes.
#[derive(Debug)]
pub(crate) struct KeptLines {
    lines: VecDeque<KeptLine>,
    bytes: usize,
    /// The lines for which there was no room.
    dropped: DroppedLines,
    /// True if the application wants the lines in any case.
    wanted: bool,
    budget: Option<Arc<LinesBudget>>,
}

impl KeptLines {
    pub(crate) const fn new() -> Self {
        Self { lines: VecDeque::new(), bytes: 0, dropped: DroppedLines::NONE, wanted: false, budget: None }
    }

    /// Adds a line. The oldest lines make room for it. If the budget of all requests is used up,
    /// the line is dropped.
    pub(crate) fn push(&mut self, line: KeptLine, limit: usize, budget: &Arc<LinesBudget>) {
        let bytes = line.bytes();
        while self.bytes.saturating_add(bytes) > limit {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.dropped.count(&oldest);
            self.give_back(oldest.bytes());
        }
        if bytes > limit || !budget.take(bytes) {
            self.dropped.count(&line);
            return;
        }
        self.budget.get_or_insert_with(|| Arc::clone(budget));
        self.bytes = self.bytes.saturating_add(bytes);
        self.lines.push_back(line);
    }

    fn give_back(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
        if let Some(budget) = &self.budget {
            budget.give_back(bytes);
        }
    }

    /// Writes the lines at the end of the request in any case.
    pub(crate) fn want(&mut self) {
        self.wanted = true;
    }

    pub(crate) const fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// The lines, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &KeptLine> {
        self.lines.iter()
    }

    pub(crate) const fn dropped(&self) -> DroppedLines {
        self.dropped
    }
}

impl Drop for KeptLines {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(message: &str) -> KeptLine {
        KeptLine {
            since_1970: Duration::ZERO,
            level: LogLevel::Debug,
            target: "shop".into(),
            message: message.into(),
            fields: Fields::default(),
            source: None,
            sampled_out: false,
        }
    }

    #[test]
    fn the_newest_lines_are_kept_within_the_limits() {
        let budget = Arc::new(LinesBudget::new(10_000));
        let mut kept = KeptLines::new();
        let limit = 3 * line("1").bytes();
        for message in ["1", "2", "3", "4", "5"] {
            kept.push(line(message), limit, &budget);
        }
        let messages: Vec<_> = kept.iter().map(|line| &*line.message).collect();
        assert_eq!((messages, kept.dropped().below_level), (vec!["3", "4", "5"], 2));
        assert_eq!(budget.left(), 10_000 - limit);
        kept.push(line(&"x".repeat(limit)), limit, &budget);
        let dropped = DroppedLines { below_level: 6, sampled_out: 0 };
        assert_eq!((kept.iter().count(), kept.dropped()), (0, dropped), "a line that is too long");
        kept.push(line("6"), limit, &budget);
        drop(kept);
        assert_eq!(budget.left(), 10_000, "the budget is complete again");
    }

    #[test]
    fn all_requests_together_stay_within_the_budget() {
        let budget = Arc::new(LinesBudget::new(5 * line("1").bytes()));
        let mut all: Vec<_> = (0..10).map(|_| KeptLines::new()).collect();
        all.iter_mut().for_each(|kept| kept.push(line("1"), 10_000, &budget));
        assert_eq!(all.iter().map(|kept| kept.iter().count()).sum::<usize>(), 5);
        assert_eq!(budget.left(), 0);
        drop(all);
        assert_eq!(budget.left(), 5 * line("1").bytes());
    }
}
