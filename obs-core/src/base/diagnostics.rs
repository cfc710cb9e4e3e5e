//! What obs has to say about itself: to `tracing` with the target `obs`, or to standard error if nobody listens.
//!
//! Callers say a thing once, so standard error is not flooded.

use std::{
    fmt,
    io::{self, Write as _},
};

use tracing::Level;

use crate::base::panic::catch;

pub(crate) fn warn(message: fmt::Arguments<'_>) {
    // A subscriber is user code.
    let _ = catch(|| {
        if tracing::enabled!(target: "obs", Level::WARN) {
            tracing::warn!(target: "obs", "{message}");
        } else {
            to_stderr(format_args!("obs: warning: {message}"));
        }
    });
}

pub(crate) fn info(message: fmt::Arguments<'_>) {
    let _ = catch(|| {
        if tracing::enabled!(target: "obs", Level::INFO) {
            tracing::info!(target: "obs", "{message}");
        } else {
            to_stderr(format_args!("obs: {message}"));
        }
    });
}

/// `eprintln!` would panic where standard error is closed.
fn to_stderr(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}
