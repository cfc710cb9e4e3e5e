//! The fields of a line, collected from an event of `tracing`.

use std::{
    borrow::Cow,
    error::Error,
    fmt::{self, Write as _},
};

use obs_core::Value;
use tracing::field::{Field, Visit};

/// The limit of a text that is formatted, in bytes. The rest is not formatted.
const MAX_TEXT: usize = 16 * 1024;

/// The maximum number of sources of an error that are written.
const MAX_SOURCES: usize = 16;

/// The message and the fields of an event.
#[derive(Default)]
pub(crate) struct Collected {
    pub(crate) message: String,
    pub(crate) fields: Vec<(Cow<'static, str>, Value)>,
}

impl Collected {
    /// Makes room for this number of fields, one of which is usually the message.
    pub(crate) fn with_room(fields: usize) -> Self {
        Self { message: String::new(), fields: Vec::with_capacity(fields.saturating_sub(1)) }
    }

    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        // The bridge of `log` writes the place of a record into such fields.
        if !field.name().starts_with("log.") {
            self.fields.push((Cow::Borrowed(field.name()), value.into()));
        }
    }

    fn add_text(&mut self, field: &Field, text: fmt::Arguments<'_>) {
        let mut bounded = BoundedText(String::new());
        // An error is the limit, or an error of the value's own formatting. The text until then is
        // kept.
        let _ = bounded.write_fmt(text);
        if field.name() == "message" {
            self.message = bounded.0;
        } else {
            self.add(field, bounded.0);
        }
    }
}

impl Visit for Collected {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let text = within(value, MAX_TEXT).to_owned();
        if field.name() == "message" {
            self.message = text;
        } else {
            self.add(field, text);
        }
    }

    /// Writes the error and its sources: `cannot save: disk full: no space left`.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = BoundedText(String::new());
        let mut next = Some(value);
        for n in 0..MAX_SOURCES {
            let Some(error) = next else { break };
            let _ = write!(text, "{}{error}", if n == 0 { "" } else { ": " });
            next = error.source();
        }
        self.add(field, text.0);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add_text(field, format_args!("{value:?}"));
    }
}

/// A text that stops at its limit.
struct BoundedText(String);

impl fmt::Write for BoundedText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let fits = within(text, MAX_TEXT.saturating_sub(self.0.len()));
        self.0.push_str(fits);
        if fits.len() < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

/// Returns the beginning of the text that has at most `most` bytes.
fn within(text: &str, most: usize) -> &str {
    let fits = |end: &usize| text.is_char_boundary(*end);
    let end = (0..=most.min(text.len())).rev().find(fits).unwrap_or_default();
    text.get(..end).unwrap_or_default()
}
