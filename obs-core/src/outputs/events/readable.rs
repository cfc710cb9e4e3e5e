//! An event as a line for people: aligned, and in colours where the terminal has them.

use std::fmt::Write as _;

use super::line::Event;
use crate::{
    base::value::Value,
    record::{finished::FinishedRequest, identity::User, outcome::Outcome},
};

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const CYAN: &str = "\x1b[36m";

/// The event's line, with its line feed: `14:30:46.940 200 GET    /items/7   2.1ms   217B item.id=7 id=01a1…`.
#[inline(never)]
pub(super) fn line(event: &Event<'_>, colours: bool) -> Vec<u8> {
    let record = event.record;
    let start = record.start();
    let request = record.request();
    let paint = |code: &'static str| if colours { code } else { "" };
    let reset = paint(RESET);
    let mut out = String::new();
    // Writing to a string cannot fail, here and below.
    let time = crate::write::rfc3339::text(start.since_1970);
    let time = String::from_utf8_lossy(&time);
    let _ = write!(out, "{}{}{reset} ", paint(DIM), time.get(11..23).unwrap_or(&time));

    let failed = record.error_type();
    let left = matches!(record.outcome, Outcome::CancelledBeforeResponse | Outcome::CancelledInBody);
    let status = request.and_then(|request| request.end.status);
    let colour = match status {
        // A client that leaves is no trouble of ours.
        _ if left => YELLOW,
        _ if failed.is_some() => RED,
        Some(400..) => YELLOW,
        Some(300..400) => CYAN,
        Some(_) => GREEN,
        None => YELLOW,
    };
    let status = status.map_or_else(|| "---".to_owned(), |status| status.to_string());
    let took = record.duration.as_secs_f64() * 1e3;
    if let Some(FinishedRequest { start, end, .. }) = request {
        let path = match start.query() {
            Some(query) => format!("{}?{query}", start.path()),
            None => start.path().to_owned(),
        };
        let (method, path, size) = (start.method.as_str(), printable(&path), size(end.response_bytes));
        let _ =
            write!(out, "{}{status}{reset} {method:<6} {path:<28} {took:>8.1}ms {size:>8}", paint(colour));
    } else {
        let _ = write!(out, "{}{:<39}{reset} {took:>8.1}ms", paint(colour), start.kind.as_str());
    }

    // An error below 500 is no failure, but worth reading.
    let reported = record.error.as_ref().map(|error| error.type_name.unwrap_or("error"));
    let outcome = Some(record.outcome.as_str()).filter(|_| record.outcome != Outcome::Completed);
    if let Some(what) = failed.or(reported).or(outcome) {
        let _ = write!(out, " {}{}{reset}", paint(colour), printable(what));
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
    match &record.user {
        Some(User::Id(user) | User::Hash(user)) => {
            let _ = write!(out, " {}user={reset}{}", paint(DIM), printable(user));
        }
        None => {}
    }
    for calls in record.calls.by_dependency() {
        let name = printable(&calls.dependency);
        let total = calls.total.as_secs_f64() * 1e3;
        let _ = write!(out, " {}{name}={reset}{}x{total:.1}ms", paint(DIM), calls.count);
    }
    for (key, value) in record.fields.iter() {
        let _ = write!(out, " {}{}={reset}", paint(DIM), printable(key));
        let _ = match value {
            Value::Bool(value) => write!(out, "{value}"),
            Value::I64(value) => write!(out, "{value}"),
            Value::U64(value) => write!(out, "{value}"),
            Value::F64(value) => write!(out, "{value}"),
            Value::Str(text) => write!(out, "{}", printable(text)),
        };
    }
    let _ = writeln!(out, " {}id={}{reset}", paint(DIM), start.id);
    out.into_bytes()
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes}B"),
        10_000..10_000_000 => format!("{}kB", bytes / 1_000),
        _ => format!("{}MB", bytes / 1_000_000),
    }
}

/// Without what would move the cursor, change colours or directions, or begin a new line: texts come from anywhere.
fn printable(text: &str) -> String {
    let hidden = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if hidden(c) { '·' } else { c }).collect()
}
