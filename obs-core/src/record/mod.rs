//! Everything that is known of a piece of work, and the immutable record that outputs read.

pub(crate) mod calls;
pub(crate) mod enrichment;
pub(crate) mod fields;
pub(crate) mod finished;
pub(crate) mod head_text;
pub(crate) mod identity;
pub(crate) mod request_id;
pub(crate) mod route;
pub(crate) mod service;
pub(crate) mod shared;
#[cfg(feature = "otel")]
pub(crate) mod span;
