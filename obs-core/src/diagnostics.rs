//! What obs has to say about itself: to `tracing` with the target `obs`, or to standard error if nobody listens.
//!
//! Callers say a thing once, so standard error is not flooded.

use std::fmt;

use tracing::Level;

pub(crate) fn warn(message: fmt::Arguments<'_>) {
    if tracing::enabled!(target: "obs", Level::WARN) {
        tracing::warn!(target: "obs", "{message}");
    } else {
        eprintln!("obs: warning: {message}");
    }
}

#[cfg(feature = "tokio")]
pub(crate) fn info(message: fmt::Arguments<'_>) {
    if tracing::enabled!(target: "obs", Level::INFO) {
        tracing::info!(target: "obs", "{message}");
    } else {
        eprintln!("obs: {message}");
    }
}
