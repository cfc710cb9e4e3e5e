//! The data of a piece of work, and the immutable record that outputs read.

pub(crate) mod calls;
pub(crate) mod endpoint;
pub(crate) mod enrichment;
pub(crate) mod error;
pub(crate) mod fields;
pub(crate) mod finished;
#[cfg(feature = "hash")]
pub(crate) mod hash_key;
pub(crate) mod head_text;
pub(crate) mod hook;
pub(crate) mod id_policy;
pub(crate) mod identity;
pub(crate) mod outcome;
pub(crate) mod policy;
pub(crate) mod received;
pub(crate) mod request_id;
pub(crate) mod route;
pub(crate) mod service;
#[cfg(feature = "otel")]
pub(crate) mod span;
pub(crate) mod start;
pub(crate) mod state;
pub(crate) mod user_agents;
