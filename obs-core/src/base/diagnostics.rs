//! The log messages of obs about itself: to `tracing` with the target `obs`, or to standard error
//! if no subscriber is enabled for this target.
//!
//! Callers log a message once, so that standard error is not flooded.

use std::{
    fmt,
    io::{self, Write as _},
};

use tracing::Level;

use crate::base::panic::catch;

/// Logs a warning.
pub(crate) fn warn(message: fmt::Arguments<'_>) {
    log(&|| {
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
        if tracing::enabled!(target: "obs", Level::INFO) {
            tracing::info!(target: "obs", "{message}");
        } else {
            to_stderr(format_args!("obs: {message}"));
        }
    });
}

/// Calls `log` and ignores its panic: a subscriber is user code and may panic.
fn log(log: &dyn Fn()) {
    let _ = catch(log);
}

/// Writes a line to standard error. `eprintln!` would panic if standard error is closed.
fn to_stderr(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}
