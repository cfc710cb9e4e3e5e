//! A page and its pieces.

use std::sync::Arc;

use bytes::Bytes;

use super::{format::Format, writer::Writer};
use crate::{
    http::answer_body::Pieces,
    outputs::metrics::family::{Family, Kind},
};

/// The families that are shown, and their kinds. A page is immutable, so several threads can write
/// it at any time.
#[derive(Clone)]
pub(crate) struct Page {
    pub(super) families: Arc<[Family]>,
    pub(super) runs: Arc<[PageSection]>,
    pub(super) format: Format,
    pub(super) created: bool,
    pub(super) gzip: bool,
}

/// A section of the page: the head and the samples of one name.
pub(super) struct PageSection {
    /// The index of the family.
    pub(super) family: usize,
    pub(super) kind: Kind,
    pub(super) part: FamilyPart,
}

/// The written part of a family's samples: everything, or only the samples with one suffix.
pub(super) type FamilyPart = Option<&'static str>;

impl Page {
    /// Starts to write the page.
    pub(crate) fn pieces(&self) -> PagePieces {
        let writer = Writer::new(self.format, self.created, self.gzip);
        PagePieces { page: self.clone(), writer, run: 0, sample: 0, ended: false }
    }
}

/// A writer of a page. It creates each piece on demand, so only one piece exists at a time.
pub(crate) struct PagePieces {
    page: Page,
    writer: Writer,
    /// The indices of the next section and sample.
    run: usize,
    sample: usize,
    ended: bool,
}

impl Pieces for PagePieces {
    /// Writes about 64 KiB more, or the rest of the page, and returns the available bytes. They can
    /// be empty, because a compressor buffers much data before it returns any.
    fn next(&mut self) -> Bytes {
        while !self.ended && !self.writer.is_full() {
            self.step();
        }
        if self.ended { self.writer.finish() } else { self.writer.take() }
    }

    /// Returns true if the last piece was returned.
    fn has_ended(&self) -> bool {
        self.ended
    }
}

impl PagePieces {
    /// Writes a sample, and before the first one also the head.
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
