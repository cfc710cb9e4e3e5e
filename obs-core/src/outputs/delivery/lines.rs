//! A store of event lines: bytes one behind the other, which the worker takes by swapping vectors.

use std::mem;

use super::{
    batch::{Batch, EntryFacts, Mark},
    memory::Room,
    store::{Store, Taken},
};

/// Lines, and beside them their facts.
#[derive(Default)]
pub(crate) struct LineStore {
    bytes: Vec<u8>,
    marks: Vec<Mark>,
}

impl LineStore {
    const fn weight_of(bytes: usize, lines: usize) -> usize {
        bytes.saturating_add(lines.saturating_mul(size_of::<Mark>()))
    }
}

impl Store for LineStore {
    type Entry<'a> = (&'a [u8], &'a EntryFacts);
    type Batch = LineBatch;

    #[inline]
    fn weight((line, _): &(&[u8], &EntryFacts)) -> usize {
        Self::weight_of(line.len(), 1)
    }

    #[inline]
    fn len(&self) -> usize {
        self.marks.len()
    }

    #[inline]
    fn bytes(&self) -> usize {
        Self::weight_of(self.bytes.len(), self.marks.len())
    }

    #[inline]
    fn push(&mut self, (line, facts): (&[u8], &EntryFacts)) {
        self.bytes.extend_from_slice(line);
        self.marks.push(Mark { end: self.bytes.len(), facts: *facts });
    }

    /// Takes all of them: a swap costs the same for any number, and a sink may take as many as it
    /// likes.
    fn take(&mut self, batch: &mut LineBatch, _: usize) {
        self.exchange(batch);
    }

    fn exchange(&mut self, batch: &mut LineBatch) {
        mem::swap(self, &mut batch.lines);
        batch.settled = 0;
    }
}

/// Lines that the worker has taken.
#[derive(Default)]
pub(crate) struct LineBatch {
    lines: LineStore,
    /// The number of the first lines that are settled.
    settled: usize,
    bytes: Room,
    marks: Room,
}

impl LineBatch {
    /// The end of the settled lines.
    fn base(&self) -> usize {
        let last = self.settled.checked_sub(1).and_then(|last| self.lines.marks.get(last));
        last.map_or(0, |last| last.end)
    }

    /// The lines that are not settled.
    pub(super) fn rest(&self) -> Batch<'_> {
        let base = self.base();
        let bytes = self.lines.bytes.get(base..).unwrap_or_default();
        Batch::new(bytes, self.lines.marks.get(self.settled..).unwrap_or_default(), base)
    }
}

impl Taken for LineBatch {
    fn len(&self) -> usize {
        self.lines.marks.len().saturating_sub(self.settled)
    }

    fn bytes(&self) -> usize {
        self.lines.bytes()
    }

    fn settle(&mut self, entries: usize) -> usize {
        let before = self.base();
        let entries = entries.min(self.len());
        self.settled = self.settled.saturating_add(entries);
        LineStore::weight_of(self.base().saturating_sub(before), entries)
    }

    fn recycle(&mut self) {
        self.settled = 0;
        self.bytes.after(&mut self.lines.bytes);
        self.marks.after(&mut self.lines.marks);
    }

    fn idle(&mut self) {
        self.bytes.idle(&mut self.lines.bytes);
        self.marks.idle(&mut self.lines.marks);
    }
}
