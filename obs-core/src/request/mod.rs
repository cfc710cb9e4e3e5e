//! The life of one request, from its head to the end of its response.

pub(crate) mod begin;
pub(crate) mod body;
pub(crate) mod body_rule;
pub(crate) mod end;
pub(crate) mod grpc_end;
pub(crate) mod in_flight;
pub(crate) mod observation;
pub(crate) mod observed;
#[cfg(feature = "otel")]
pub(crate) mod otel_propagator;
pub(crate) mod panic_answer;
pub(crate) mod panic_hook;
pub(crate) mod recycled;
pub(crate) mod request_body;
pub(crate) mod start;
