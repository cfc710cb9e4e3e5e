//! HTTP without a framework: heads, headers, methods, protocols, gRPC and forwarding proxies.

pub(crate) mod answer;
pub(crate) mod answer_body;
pub(crate) mod forwarded;
pub(crate) mod found_headers;
pub(crate) mod grpc;
pub(crate) mod head;
pub(crate) mod headers;
pub(crate) mod method;
pub(crate) mod protocol;
pub(crate) mod response_head;
pub(crate) mod thread_routes;
