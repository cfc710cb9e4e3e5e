//! A statement as telemetry shows it.

use super::{dialect::Dialect, masked::Masked, summary::Summary, token::Tokens};

/// The maximum number of bytes of a query that are read.
pub(super) const MAX_READ: usize = 8 * 1024;

/// The summary and the text of a query, both without values.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    summary: Box<str>,
    text: Box<str>,
}

impl Statement {
    /// Reads a query that [`read_part`] returned.
    pub(super) fn read(query: &str, is_cut: bool, dialect: Dialect) -> Self {
        let mut summary = Summary::new(query);
        let mut masked = Masked::new(query.len());
        for token in Tokens::new(query, dialect) {
            let is_target = summary.take(token);
            let next = query.as_bytes().get(token.start + token.text.len()).copied();
            masked.take(token, is_target, next);
            if masked.is_full() && summary.is_full() {
                break;
            }
        }
        Self { summary: summary.finish(), text: masked.finish(is_cut) }
    }

    /// The operations and their targets, such as `SELECT songs artists`: at most 255 bytes. It is
    /// empty if the text has no operation that is known.
    pub(crate) fn summary(&self) -> &str {
        &self.summary
    }

    /// The text with a `?` for each literal: at most 2 KiB.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// Returns the part of a query that is read, and true if it is not all of it.
pub(super) fn read_part(query: &str) -> (&str, bool) {
    let query = query.trim();
    let mut end = query.len().min(MAX_READ);
    while !query.is_char_boundary(end) {
        end -= 1;
    }
    (query.get(..end).unwrap_or_default(), end < query.len())
}
