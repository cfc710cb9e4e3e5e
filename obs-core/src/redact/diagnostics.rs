//! The log messages of obs about itself: to `tracing` with the target `obs`, or to standard error
//! if no subscriber is enabled for this target.
//!
//! All messages pass through here. Secrets in them are masked by the built-in rules, whatever the
//! redaction of an observer is, because standard error is usually stored, too. Characters that a
//! terminal does not show are replaced. A caller that has an observer first masks foreign texts
//! with the observer's own rules.
//!
//! Callers log a message once, so that standard error is not flooded.

use std::{
    fmt,
    fmt::Write as _,
    io::{self, Write as _},
    sync::LazyLock,
    time::Duration,
};

use tracing::{Level, dispatcher};

use super::{Redactor, settings::Redaction};
use crate::base::{
    panic::catch,
    printable::printable,
    text::{Bounded, bounded},
    thread::spawn,
    thread_timeout::run_with_timeout,
};

/// The limit of a message, in bytes.
const MAX_MESSAGE: usize = 4 * 1024;

/// The built-in rules.
static RULES: LazyLock<Option<Redactor>> = LazyLock::new(|| Redaction::new().build().ok());

/// Logs a warning.
pub(crate) fn warn(message: fmt::Arguments<'_>) {
    log(&|| {
        let message = shown(message);
        if tracing::enabled!(target: "obs", Level::WARN) {
            tracing::warn!(target: "obs", "{message}");
        } else {
            to_stderr(format_args!("obs: warning: {message}"));
        }
    });
}

/// Logs a message that is not a warning.
pub(crate) fn info(message: fmt::Arguments<'_>) {
    log(&|| {
        let message = shown(message);
        if tracing::enabled!(target: "obs", Level::INFO) {
            tracing::info!(target: "obs", "{message}");
        } else {
            to_stderr(format_args!("obs: {message}"));
        }
    });
}

/// Logs a warning on another thread, with the subscriber of this one. It does not wait for that
/// thread, because logging may block.
pub(crate) fn warn_on_thread(message: String) {
    // Without a thread, the message is lost. The losses are counted in any case.
    let _ = spawn("obs-log", warning(message));
}

/// Logs a warning, and waits at most for `time`.
pub(crate) fn warn_within(time: Duration, message: String) {
    run_with_timeout("obs-log", time, warning(message));
}

fn warning(message: String) -> Box<dyn FnOnce() + Send> {
    let subscriber = dispatcher::get_default(Clone::clone);
    Box::new(move || dispatcher::with_default(&subscriber, || warn(format_args!("{message}"))))
}

/// Calls `log` and ignores its panic: a subscriber is user code and may panic.
fn log(log: &dyn Fn()) {
    let _ = catch(log);
}

/// Returns the message without secrets, in characters that a terminal shows, cut to its limit.
fn shown(message: fmt::Arguments<'_>) -> String {
    // Mask first, cut last: a secret that is cut in half would not be recognised.
    let mut text = Bounded::new(MAX_MESSAGE.saturating_mul(2));
    let _ = text.write_fmt(message);
    bounded(&printable(&masked(&text.into_text())), MAX_MESSAGE).into_owned()
}

/// Masks secrets by the built-in rules.
pub(crate) fn masked(text: &str) -> String {
    RULES.as_ref().map(|rules| rules.text(text).into_owned()).unwrap_or_default()
}

/// Writes a line to standard error. `eprintln!` would panic if standard error is closed.
fn to_stderr(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_no_secrets_and_one_line() {
        for (message, expected) in [
            ("plain: 3 of 4", "plain: 3 of 4"),
            ("postgres://app:hunter2@db/shop\n\u{1b}[31mred", "postgres://[REDACTED]@db/shop··[31mred"),
            ("rejected: \"Bearer mF_9.B5f-4.1JqM\"", "rejected: \"Bearer [REDACTED]\""),
        ] {
            assert_eq!(shown(format_args!("{message}")), expected);
        }
        let long = shown(format_args!("{}", "ä".repeat(1 << 20)));
        assert!(long.len() <= MAX_MESSAGE && long.ends_with('…'));
    }
}
