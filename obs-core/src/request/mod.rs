//! The life of one request, from its head to the end of its response.

pub(crate) mod body;
pub(crate) mod current;
pub(crate) mod grpc_end;
pub(crate) mod handle;
pub(crate) mod in_flight;
pub(crate) mod masked_field;
pub(crate) mod observation;
pub(crate) mod observed;
#[cfg(feature = "otel")]
pub(crate) mod otel_propagator;
pub(crate) mod recycled;
pub(crate) mod request_body;
pub(crate) mod user_agents;
