//! A log line for people, in the columns of the readable events.
//!
//! ```text
//! 18:01:24.650Z shop      WARN  63aa9f0 order delayed order.id=7 shop::orders
//! ```
//! The columns are the time in UTC, the service, the level and the first digits of the trace id.
//! Then the message and its fields follow, and the target at the end.

use std::fmt::Write as _;

use super::{line::MaskedLine, value_text};
use crate::{
    base::printable::printable,
    outputs::columns::{SERVICE, TRACE, cut},
    record::{log_level::LogLevel, service::Service},
    write::rfc3339,
};

/// The columns of a terminal.
pub(super) struct Columns {
    pub(super) colours: bool,
}

impl Columns {
    const fn paint(&self, code: &'static str) -> &'static str {
        if self.colours { code } else { "" }
    }
}

/// Returns the line, with its line feed.
pub(super) fn line(line: &MaskedLine<'_>, columns: &Columns, service: &Service) -> Vec<u8> {
    let mut out = String::with_capacity(160);
    let (dim, reset) = (columns.paint("\x1b[2m"), columns.paint("\x1b[0m"));
    let (level, colour) = match line.level {
        LogLevel::Error => ("ERROR", "\x1b[31m"),
        LogLevel::Warn => ("WARN", "\x1b[33m"),
        LogLevel::Info => ("INFO", "\x1b[32m"),
        LogLevel::Debug => ("DEBUG", "\x1b[36m"),
        LogLevel::Trace => ("TRACE", "\x1b[2m"),
    };
    let colour = columns.paint(colour);
    let time = rfc3339::text(line.since_1970);
    let time = String::from_utf8_lossy(&time);
    let time = time.get(11..23).unwrap_or(&time);
    let trace = line.work.as_ref().map(|work| work.start.trace.trace_id.to_string());
    let trace = trace.as_deref().and_then(|trace| trace.get(..TRACE)).unwrap_or_default();
    // Writing to a string cannot fail, here and below.
    let _ = write!(
        out,
        "{dim}{time}Z{reset} {:<SERVICE$} {colour}{level:<5}{reset} {dim}{trace:<TRACE$}{reset} {}",
        cut(&printable(&service.name), SERVICE),
        printable(line.message),
    );
    for (name, value) in line.fields.iter() {
        let mut text = printable(&value_text::of(value));
        if text.is_empty() || (text.contains(char::is_whitespace) && !text.starts_with('[')) {
            text = format!("\"{text}\"");
        }
        let _ = write!(out, " {dim}{}={reset}{text}", printable(name));
    }
    if line.work.as_ref().is_some_and(|work| work.ended) {
        let _ = write!(out, " {dim}request_ended{reset}");
    }
    let _ = writeln!(out, " {dim}{}{reset}", printable(line.target));
    out.into_bytes()
}
