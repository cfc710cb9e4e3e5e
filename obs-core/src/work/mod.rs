//! The handle of the work that runs on this thread, for all kinds of work alike.

pub(crate) mod call_guard;
pub(crate) mod handle;
pub(crate) mod not_observed;
pub(crate) mod scope;
