//! An error that ended work or that the work reported.

use std::{
    borrow::Cow,
    error::Error,
    fmt::{self, Write as _},
};

use crate::{
    base::{
        panic::{PanicReport, catch},
        text::{Bounded, bounded},
    },
    redact::Redactor,
};

/// The longest error message that a record keeps, in bytes.
const MAX_MESSAGE: usize = 4 * 1024;

const MAX_SOURCES: usize = 16;

/// The bytes of a message that are read beyond its limit, to find a secret that crosses the limit.
const BEHIND_THE_CUT: usize = 512;

/// An error that ended a request or that its handler reported, as texts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorReport {
    /// The kind that the handler set, otherwise the error's Rust type if it is known. The
    /// name changes if the type is renamed or moved to another module. For dashboards, set a
    /// [kind](crate::Work::error_kind).
    pub type_name: Option<&'static str>,
    /// The error's `Display` text, at most 4 KiB.
    pub message: String,
    /// The `Display` texts of its sources, outermost first, at most 16.
    pub sources: Vec<String>,
}

impl ErrorReport {
    /// Creates the report of an error, with its type and its sources.
    #[must_use]
    pub fn of<E: Error + ?Sized>(error: &E) -> Self {
        let mut sources = Vec::new();
        let mut next = error.source();
        while let Some(source) = next
            && sources.len() < MAX_SOURCES
        {
            sources.push(Self::text(&source));
            next = source.source();
        }
        // The type of a trait object is unknown.
        let type_name = Some(std::any::type_name::<E>()).filter(|name| !name.starts_with("dyn "));
        Self { type_name, message: Self::text(&error), sources }
    }

    /// Creates the report of an error from its text alone.
    #[must_use]
    pub fn of_text(error: &dyn fmt::Display) -> Self {
        Self { type_name: None, message: Self::text(error), sources: Vec::new() }
    }

    /// Masks secrets in the report's texts.
    pub(crate) fn redacted(mut self, redactor: &Redactor) -> Self {
        for text in std::iter::once(&mut self.message).chain(&mut self.sources) {
            mask(text, redactor);
        }
        self
    }

    fn text(error: &dyn fmt::Display) -> String {
        // An error's `Display` is user code: it may fail, panic, or never stop writing.
        let mut text = Bounded::new(MAX_MESSAGE.saturating_add(BEHIND_THE_CUT));
        let _ = catch(|| write!(text, "{error}"));
        text.into_text()
    }
}

impl PanicReport {
    /// Masks secrets in the report's message.
    pub(crate) fn redacted(mut self, redactor: &Redactor) -> Self {
        mask(&mut self.message, redactor);
        self
    }
}

/// Masks secrets in a message, then cuts it: a secret that is cut in half would not be recognised.
fn mask(text: &mut String, redactor: &Redactor) {
    if let Cow::Owned(masked) = redactor.text(text) {
        *text = masked;
    }
    if text.len() > MAX_MESSAGE {
        *text = bounded(text, MAX_MESSAGE).into_owned();
    }
}
