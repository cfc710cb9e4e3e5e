//! The facts of requests.

use super::facts;
use crate::{
    http::grpc::{GrpcCall, status::GrpcStatus},
    record::{finished::RequestEnd, identity::IdentityPolicy, route::Route, start::RequestStart},
};

facts! {
    /// The requested operation: the method and the route.
    OperationFacts of request;
    #[inline]
    event(request: &RequestStart, end: &RequestEnd);
    attributes at_start(request: &RequestStart), at_end(end: &RequestEnd);
    {
        /// The method, or `_OTHER` if it is not one of `known_methods`.
        "http.request.method": word { "pattern": "^([A-Z-]+|_OTHER)$" }, at_start(http)
            = request.method.as_str();

        /// The method that the client sent.
        "http.request.method_original": text { "maxLength": 32 }
            if "the method is `_OTHER`", at_start(http)
            = &request.method_original;

        /// The route that matched, such as `/items/{id}`.
        "http.route": route if "a route matched", at_end(http) = &end.route;
    }
}

facts! {
    /// The rest of a request's head, and the status of its response.
    HeadFacts of request;
    #[inline]
    event(request: &RequestStart, end: &RequestEnd, identities: &IdentityPolicy, plain: bool);
    attributes at_start(request: &RequestStart), at_end();
    {
        /// The path. Secrets are masked, as in every other text.
        "url.path": text plain_if(plain), at_start(http) = request.path();

        /// The query of the URL, without the question mark.
        "url.query": text plain_if(plain) if "there is one", at_start(http) = request.query();

        /// The HTTP version.
        "network.protocol.version": word { "enum": ["0.9", "1.0", "1.1", "2", "3"] }
            if "it is known", at_start(any)
            = request.version.map(|version| version.as_str());

        /// The client's address: the one that trusted proxies report, or else the peer address. It
        /// is truncated unless the settings keep, hash or omit it.
        "client.address": client if "it is known, and the settings do not omit it", at_start(any, by_rules)
            = request.client.and_then(|address| identities.client(address));

        /// The `User-Agent` header.
        "user_agent.original": text plain_if(plain) if "it was sent", at_start(http)
            = request.user_agent();

        /// The values of the request header.
        "http.request.header.<name>": texts_by_name { "maxItems": 8 }
            if "the settings name the header, and it was sent", at_start(http, by_rules)
            = &request.headers;

        /// The status of the response.
        "http.response.status_code": number { "minimum": 100, "maximum": 999 }
            if "a head was sent", at_end(http, by_rules)
            = end.status;
    }
}

facts! {
    /// A gRPC call.
    GrpcFacts of request if "it is a gRPC call";
    #[inline(never)]
    event(end: &RequestEnd, call: &GrpcCall);
    attributes at_start(), at_end(call: &GrpcCall);
    {
        /// The RPC system.
        "rpc.system.name": word { "const": "grpc" }, at_start(grpc) = "grpc";

        /// The service and its method: `package.Service/Method`.
        "rpc.method": word
            if "it is a gRPC call of a method that the service knows", at_end(grpc, by_rules)
            = end.route.as_ref().and_then(Route::grpc_method);

        /// The status of the call: `OK`, `NOT_FOUND`.
        "rpc.response.status_code": word { "enum": GrpcStatus::ALL.map(|(_, name)| name) }
            if "it is a gRPC call, and a status was sent", at_end(grpc)
            = call.status.map(GrpcStatus::as_str);

        /// The number of messages that the service has read.
        "grpc.request.messages": number if "it is a gRPC call, and its messages could be counted"
            = call.request_messages;

        /// The number of messages that were handed to the transport.
        "grpc.response.messages": number = call.response_messages;

        /// The time limit that the caller has set.
        "grpc.timeout_ms": millis if "it is a gRPC call with a deadline" = call.timeout;
    }
}

facts! {
    /// Times and sizes of a request.
    TransferFacts of request;
    #[inline]
    event(end: &RequestEnd);
    {
        /// The time from the request's head to the head of the response.
        "time_to_head_ms": millis if "a head was sent" = end.time_to_head;

        /// The size of the request's body in bytes: the declared one, or the number of bytes that
        /// were read.
        "http.request.body.size": number { "minimum": 1 }
            if "there was a body, and its size is known"
            = end.request_bytes.filter(|bytes| *bytes > 0);

        /// The bytes of the response's body that were handed to the transport.
        "http.response.body.size": number = end.response_bytes;

        /// True for a long-lived response, such as server-sent events.
        "stream": flag if "it is true" = end.stream;

        /// True for a request that an endpoint of the observer answered, such as `/metrics` or
        /// `/readyz`. It emits an event only if it fails.
        "probe": flag if "it is true" = end.endpoint;
    }
}
