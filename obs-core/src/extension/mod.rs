//! The contract with extensions: one trait to install sinks, endpoints, counters and report rows.

#[cfg(feature = "tokio")]
pub(crate) mod check;
#[cfg(feature = "tokio")]
pub(crate) mod check_thread;
pub(crate) mod installation;
pub(crate) mod internal_metrics;
pub(crate) mod report;
pub(crate) mod setup;
pub(crate) mod sink;
