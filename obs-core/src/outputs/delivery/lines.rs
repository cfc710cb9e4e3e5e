//! A store of event lines in one vector of bytes, which the worker takes by a swap.

use std::mem;

use super::{
    batch::{Batch, EntryFacts},
    memory::Room,
    store::{Store, Taken},
};

/// Lines, the ends of the lines, and their facts if the sink reads them.
#[derive(Default)]
pub(crate) struct LineStore {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// The facts: one for each line, or none.
    facts: Vec<EntryFacts>,
}

impl Store for LineStore {
    type Entry<'a> = (&'a [u8], Option<&'a EntryFacts>);
    type Batch = LineBatch;

    #[inline]
    fn weight((line, facts): &(&[u8], Option<&EntryFacts>)) -> usize {
        weight(line.len(), 1, facts.is_some())
    }

    #[inline]
    fn len(&self) -> usize {
        self.ends.len()
    }

    #[inline]
    fn push(&mut self, (line, facts): (&[u8], Option<&EntryFacts>)) {
        self.bytes.extend_from_slice(line);
        self.ends.push(self.bytes.len());
        if let Some(facts) = facts {
            self.facts.push(*facts);
        }
    }

    /// Takes all lines. A swap costs the same for any number, and the sink decides how many it
    /// accepts.
    fn take(&mut self, batch: &mut LineBatch, _: usize) {
        self.exchange(batch);
    }

    fn exchange(&mut self, batch: &mut LineBatch) {
        mem::swap(self, &mut batch.lines);
        batch.settled = 0;
    }
}

/// Returns the bytes for which lines count in the queue.
const fn weight(bytes: usize, lines: usize, with_facts: bool) -> usize {
    let each = size_of::<usize>() + if with_facts { size_of::<EntryFacts>() } else { 0 };
    bytes.saturating_add(lines.saturating_mul(each))
}

/// A batch of lines that the worker has taken.
#[derive(Default)]
pub(crate) struct LineBatch {
    lines: LineStore,
    /// The number of settled lines, which are the first ones.
    settled: usize,
    bytes: Room,
    ends: Room,
    facts: Room,
}

impl LineBatch {
    /// Returns the end position of the settled lines.
    fn base(&self) -> usize {
        let last = self.settled.checked_sub(1).and_then(|last| self.lines.ends.get(last));
        last.copied().unwrap_or_default()
    }

    /// Returns the lines that are not settled.
    pub(super) fn rest(&self) -> Batch<'_> {
        let base = self.base();
        Batch {
            bytes: self.lines.bytes.get(base..).unwrap_or_default(),
            ends: self.lines.ends.get(self.settled..).unwrap_or_default(),
            facts: self.lines.facts.get(self.settled..).unwrap_or_default(),
            base,
        }
    }
}

impl Taken for LineBatch {
    fn len(&self) -> usize {
        self.lines.ends.len().saturating_sub(self.settled)
    }

    fn settle(&mut self, entries: usize) -> usize {
        let before = self.base();
        let entries = entries.min(self.len());
        self.settled = self.settled.saturating_add(entries);
        weight(self.base().saturating_sub(before), entries, !self.lines.facts.is_empty())
    }

    fn recycle(&mut self) {
        self.settled = 0;
        self.bytes.after(&mut self.lines.bytes);
        self.ends.after(&mut self.lines.ends);
        self.facts.after(&mut self.lines.facts);
    }

    fn idle(&mut self) {
        self.bytes.idle(&mut self.lines.bytes);
        self.ends.idle(&mut self.lines.ends);
        self.facts.idle(&mut self.lines.facts);
    }
}
