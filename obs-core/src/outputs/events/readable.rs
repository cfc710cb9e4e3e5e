//! An event as a line for people: a summary in columns, with colours if the terminal has them.
//!
//! ```text
//! 18:01:24.650Z shop      201 POST   /orders           28.1ms  114B 63aa9f0 item.id=1 +3
//! ```
//! The columns are the time in UTC, the service, the status, the method, the path, the duration,
//! the size of the response, and the first digits of the trace id. A text that is too long for its
//! column is cut in the middle, so all services that share a terminal have the same columns. Then
//! the error follows, which is never cut. The details come last. Details that do not fit are only
//! counted (`+3`), except on a line with an error. The same event in JSON contains everything.

use std::{
    fmt::{Display, Write as _},
    time::Duration,
};

use super::line::Event;
use crate::{
    base::{printable::printable, value::Value},
    http::grpc::status::GrpcStatus,
    outputs::columns::{SERVICE, TRACE, characters, cut},
    record::{
        finished::{FinishedRequest, Record},
        identity::User,
        outcome::Outcome,
    },
    write::digits,
};

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const CYAN: &str = "\x1b[36m";

// The widths of the other columns, in characters.
/// The method and the path together: a long method takes space from the path.
const REQUEST: usize = 31;
/// All columns with the spaces between them: the time has 13 characters, the status 3, the duration
/// 6 and the size 5.
const ALL: usize = 13 + SERVICE + 3 + REQUEST + 6 + 5 + TRACE + 6;

/// The limit of a text among the details.
const DETAIL: usize = 20;

/// The width of a usual terminal window, within which the details of an event stay.
pub(super) const WIDTH: usize = 120;

/// The style of an output's readable lines.
pub(super) struct Style {
    colours: bool,
    /// The columns of the terminal.
    width: usize,
    /// The name of the service, cut to its column.
    service: String,
}

impl Style {
    pub(super) fn new(service: &str, width: usize, colours: bool) -> Self {
        Self { colours, width, service: cut(&printable(service), SERVICE) }
    }

    fn paint(&self, code: &'static str) -> &'static str {
        if self.colours { code } else { "" }
    }

    /// Returns the line of the event, with its line feed.
    #[inline(never)]
    pub(super) fn line(&self, event: &Event<'_>) -> Vec<u8> {
        let record = event.record;
        let start = record.start();
        let mut out = String::with_capacity(256);
        let (dim, reset) = (self.paint(DIM), self.paint(RESET));
        // Writing to a string cannot fail, here and below.
        let time = crate::write::rfc3339::text(start.since_1970);
        let time = String::from_utf8_lossy(&time);
        let time = time.get(11..23).unwrap_or(&time);
        let _ = write!(out, "{dim}{time}Z{reset} {:<SERVICE$} ", self.service);

        let colour = self.paint(colour(record));
        let took = duration(record.duration);
        if let Some(request) = record.request() {
            let (status, request_text) = (status(&request), cut(&request_text(&request), REQUEST));
            let size = size(request.end.response_bytes);
            let _ = write!(out, "{colour}{status:<3}{reset} {request_text:<REQUEST$} {took:>6} {size:>5}");
        } else {
            let (kind, width) = (start.kind.as_str(), REQUEST.saturating_add(4));
            let _ = write!(out, "{colour}{kind:<width$}{reset} {took:>6} {:>5}", "");
        }
        let trace = start.trace.trace_id.hex();
        let _ = write!(out, " {dim}{}{reset}", trace.get(..TRACE).unwrap_or(&trace));

        let end_of_columns = out.len();
        self.failure(&mut out, record, colour);
        // A line with an error may be longer, and shows all details.
        let width = if out.len() == end_of_columns { self.width } else { usize::MAX };
        self.details(&mut out, record, width);
        out.push('\n');
        out.into_bytes()
    }

    /// Writes the kind and the texts of the error or panic, or else an outcome other than
    /// `completed`.
    fn failure(&self, out: &mut String, record: &Record, colour: &str) {
        let grpc = record.request().and_then(|request| request.end.grpc.as_ref()?.status);
        let status = grpc.filter(|status| *status != GrpcStatus::Ok).map(GrpcStatus::as_str);
        let http_status = record.request().and_then(|request| request.end.status).map(digits::status);
        // An error below 500 is not a failure, but it is shown.
        let reported = record.error.as_ref().and_then(|error| error.type_name);
        let kind = record.error_type().or(reported);
        let kind = kind.filter(|kind| Some(*kind) != status && Some(*kind) != http_status);
        let named = kind.is_some() || status.is_some();
        let unnamed = (!named && record.error.is_some()).then_some("error");
        let ended = !named && unnamed.is_none() && record.outcome != Outcome::Completed;
        let outcome = ended.then(|| record.outcome.as_str());
        for word in [status, kind, unnamed, outcome].into_iter().flatten() {
            self.word(out, colour, word);
        }
        if let Some(panic) = &record.panic {
            let _ = write!(out, ": {}", printable(&panic.message));
            if let Some(location) = &panic.location {
                let _ = write!(out, " at {location}");
            }
        } else if let Some(error) = &record.error {
            for (n, text) in std::iter::once(&error.message).chain(&error.sources).enumerate() {
                let _ = write!(out, "{} {}", if n == 0 { ":" } else { " <-" }, printable(text));
            }
        }
    }

    #[inline(never)]
    fn word(&self, out: &mut String, colour: &str, word: &str) {
        let _ = write!(out, " {colour}{}{}", printable(word), self.paint(RESET));
    }

    /// Writes the details that fit into the width, and the number of the others.
    fn details(&self, out: &mut String, record: &Record, line_width: usize) {
        let details = details(record);
        let width = |(name, value): &(String, String)| {
            characters(name).saturating_add(characters(value)).saturating_add(2)
        };
        let mut room = line_width.saturating_sub(ALL);
        if details.iter().map(width).sum::<usize>() > room {
            room = room.saturating_sub(" +99".len());
        }
        let mut skipped = 0_usize;
        for detail in &details {
            let Some(left) = room.checked_sub(width(detail)) else {
                skipped = skipped.saturating_add(1);
                continue;
            };
            room = left;
            let _ = write!(out, " {}{}={}{}", self.paint(DIM), detail.0, self.paint(RESET), detail.1);
        }
        if skipped > 0 {
            let _ = write!(out, " {}+{skipped}{}", self.paint(DIM), self.paint(RESET));
        }
    }
}

fn colour(record: &Record) -> &'static str {
    let request = record.request();
    let status = request.as_ref().and_then(|request| request.end.status);
    let grpc = request.and_then(|request| request.end.grpc.as_ref()?.status);
    match status {
        // A client that disconnects is not a failure of the service.
        _ if matches!(record.outcome, Outcome::CancelledBeforeResponse | Outcome::CancelledInBody) => YELLOW,
        _ if record.error_type().is_some() => RED,
        _ if grpc.is_some_and(|status| status != GrpcStatus::Ok) => YELLOW,
        Some(400..) | None => YELLOW,
        Some(300..400) => CYAN,
        Some(_) => GREEN,
    }
}

/// Returns the HTTP status, or `OK` or `ERR` for a gRPC call, whose HTTP status is nearly always
/// 200.
fn status(request: &FinishedRequest<'_>) -> String {
    match (request.end.grpc.as_ref().and_then(|call| call.status), request.end.status) {
        (Some(GrpcStatus::Ok), _) => "OK".to_owned(),
        (Some(_), _) => "ERR".to_owned(),
        (None, Some(status)) => status.to_string(),
        (None, None) => "---".to_owned(),
    }
}

/// Returns the method and the path with its query. For a gRPC call: `gRPC`, and the gRPC method
/// without its package.
fn request_text(FinishedRequest { start, end, .. }: &FinishedRequest<'_>) -> String {
    let method = if end.grpc.is_some() { "gRPC" } else { start.method.as_str() };
    let path = if end.grpc.is_some() { without_package(start.path()) } else { start.path() };
    let mut text = format!("{method:<6} {path}");
    if let Some(query) = start.query() {
        text.extend(["?", query]);
    }
    printable(&text)
}

/// Turns `/shop.v1.Stock/Reserve` into `Stock/Reserve`.
fn without_package(path: &str) -> &str {
    let name = path.strip_prefix('/').unwrap_or(path);
    let service = name.split('/').next().unwrap_or(name);
    let package = service.rfind('.').map_or(0, |dot| dot.saturating_add(1));
    name.get(package..).unwrap_or(name)
}

/// Returns the user, the calls and the fields, as names and values.
fn details(record: &Record) -> Vec<(String, String)> {
    let mut details = Vec::new();
    if let Some(User::Id(user) | User::Hash(user)) = &record.user {
        details.push(("user".to_owned(), short(user)));
    }
    for calls in record.calls.by_dependency() {
        let mut value = duration(calls.total);
        let _ = match (calls.count, calls.errors) {
            (1, 0) => Ok(()),
            (1, _) => write!(value, "(failed)"),
            (count, 0) => write!(value, "({count})"),
            (count, errors) => write!(value, "({count}, {errors} failed)"),
        };
        details.push((short(calls.dependency.as_str()), value));
    }
    for (name, value) in record.fields.iter() {
        details.push((printable(name), shown(value)));
    }
    details
}

fn short(text: &str) -> String {
    cut(&printable(text), DETAIL)
}

/// Formats the value of a field.
fn shown(value: &Value) -> String {
    let value: &dyn Display = match value {
        Value::Bool(value) => value,
        Value::I64(value) => value,
        Value::U64(value) => value,
        Value::F64(value) => value,
        Value::Str(value) => return short(value),
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(shown).collect();
            return format!("[{}]", cut(&items.join(", "), DETAIL));
        }
        Value::Absent => &"",
    };
    value.to_string()
}

/// Formats a duration in at most 6 characters, for up to a day.
#[inline(never)]
fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let (number, decimals, unit) = match seconds {
        ..0.099_95 => (seconds * 1e3, 1, "ms"),
        ..0.999_5 => (seconds * 1e3, 0, "ms"),
        ..99.995 => (seconds, 2, "s"),
        _ => (seconds, 0, "s"),
    };
    format!("{number:.decimals$}{unit}")
}

/// Formats a number of bytes in at most 5 characters, up to a terabyte.
fn size(bytes: u64) -> String {
    let (one, unit, decimal) = match bytes {
        0..10_000 => (1, "B", false),
        10_000..1_000_000 => (1_000, "kB", false),
        1_000_000..1_000_000_000 => (1_000_000, "MB", bytes < 10_000_000),
        _ => (1_000_000_000, "GB", bytes < 10_000_000_000),
    };
    let mut size = (bytes / one).to_string();
    if decimal {
        let tenth = bytes / (one / 10) % 10;
        let _ = write!(size, ".{tenth}");
    }
    size + unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_fit_into_their_columns() {
        let took = |micros| duration(Duration::from_micros(micros));
        let all = [0, 400, 99_940, 99_960, 483_800, 999_400, 999_600, 1_002_800, 99_990_000, 99_996_000];
        let expected =
            ["0.0ms", "0.4ms", "99.9ms", "100ms", "484ms", "999ms", "1.00s", "1.00s", "99.99s", "100s"];
        assert_eq!(all.map(took), expected);
        let all = [0, 9_999, 10_000, 999_999, 1_000_000, 9_999_999, 10_000_000, 999_999_999, 1_250_000_000];
        let expected = ["0B", "9999B", "10kB", "999kB", "1.0MB", "9.9MB", "10MB", "999MB", "1.2GB"];
        assert_eq!(all.map(size), expected);
    }

    #[test]
    fn methods_of_grpc_have_no_package() {
        assert_eq!(without_package("/shop.v1.Stock/Reserve"), "Stock/Reserve");
        assert_eq!(without_package("/Stock/Reserve.x"), "Stock/Reserve.x");
        assert_eq!(without_package("/"), "");
    }
}
