//! A page, and the pieces in which it is written.

use std::sync::Arc;

use bytes::Bytes;

use super::{Format, writer::Writer};
use crate::{
    http::answer_body::Pieces,
    outputs::metrics::family::{Family, Kind},
};

/// Which families are shown, and as what. Nothing of it changes any more, so it can be written at any time, and by several at once.
#[derive(Clone)]
pub(crate) struct Page {
    pub(super) families: Arc<[Family]>,
    pub(super) runs: Arc<[PageSection]>,
    pub(super) format: Format,
    pub(super) created: bool,
    pub(super) gzip: bool,
}

/// The lines of one name: its head, and its samples.
pub(super) struct PageSection {
    /// The family's number.
    pub(super) family: usize,
    pub(super) kind: Kind,
    pub(super) part: FamilyPart,
}

/// What of a family's samples is written: all of it, or one of its names where each name is a family.
pub(super) type FamilyPart = Option<&'static str>;

impl Page {
    /// Begins to write.
    pub(crate) fn pieces(&self) -> PagePieces {
        let writer = Writer::new(self.format, self.created, self.gzip);
        PagePieces { page: self.clone(), writer, run: 0, sample: 0, ended: false }
    }
}

/// A page that is being written: each piece when it is asked for, so that no more than one of them is ever there.
pub(crate) struct PagePieces {
    page: Page,
    writer: Writer,
    /// Numbers of what comes next.
    run: usize,
    sample: usize,
    ended: bool,
}

impl Pieces for PagePieces {
    /// Writes on for about 64 KiB, or to the end of the page, and hands over what can be: nothing sometimes, because a compressor
    /// keeps much before it gives any.
    fn next(&mut self) -> Bytes {
        while !self.ended && !self.writer.is_full() {
            self.step();
        }
        if self.ended { self.writer.finish() } else { self.writer.take() }
    }

    /// Whether the last piece has been handed over.
    fn has_ended(&self) -> bool {
        self.ended
    }
}

impl PagePieces {
    /// Writes a sample, and the head before the first one.
    fn step(&mut self) {
        let Self { page, writer, run, sample, ended } = self;
        let Some((now, family)) =
            page.runs.get(*run).and_then(|now| Some((now, page.families.get(now.family)?)))
        else {
            writer.end_page();
            *ended = true;
            return;
        };
        if *sample == 0 {
            writer.head(family, now);
        }
        if let Some(sample) = family.sample(*sample, writer.shows_exemplars()) {
            writer.sample(family, now, &sample);
        }
        *sample = sample.saturating_add(1);
        if *sample >= family.len() {
            (*run, *sample) = (run.saturating_add(1), 0);
        }
    }
}
