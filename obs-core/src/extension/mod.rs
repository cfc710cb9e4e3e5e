//! The contract with subsystems: what reads records, answers requests of its own, counts and reports installs itself through
//! one trait.

#[cfg(feature = "tokio")]
pub(crate) mod check;
pub(crate) mod installation;
pub(crate) mod internal_metrics;
pub(crate) mod report;
pub(crate) mod setup;
pub(crate) mod sink;
