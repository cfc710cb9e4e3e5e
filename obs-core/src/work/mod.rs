//! The handle of the work that runs on the current thread, for all kinds of work.

pub(crate) mod call;
pub(crate) mod handle;
pub(crate) mod not_observed;
pub(crate) mod scope;
pub(crate) mod scoped;
pub(crate) mod span_guard;
