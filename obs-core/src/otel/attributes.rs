//! A span's name and attributes, by OpenTelemetry's semantic conventions: HTTP server spans (stable) and gRPC server spans.

use std::{borrow::Cow, sync::Arc};

use opentelemetry::{Array, Key, KeyValue, StringValue, Value};

use crate::{
    Method, RequestRecord, RequestStart, UrlScheme, User, forwarded,
    grpc::{self, GrpcRequest},
    identity::IdentityPolicy,
    text,
};

/// Names that a handler's own fields must not take: a span has each attribute once.
const OURS: [&str; 22] = [
    "client.address",
    "error.type",
    "http.request.method",
    "http.request.method_original",
    "http.response.status_code",
    "http.route",
    "network.peer.address",
    "network.peer.port",
    "network.protocol.name",
    "network.protocol.version",
    "rpc.method",
    "rpc.method_original",
    "rpc.response.status_code",
    "rpc.system.name",
    "server.address",
    "server.port",
    "url.path",
    "url.query",
    "url.scheme",
    "user.hash",
    "user.id",
    "user_agent.original",
];

/// Where the headers go that the settings allow to tell.
const HTTP_HEADER: &str = "http.request.header.";
const RPC_METADATA: &str = "rpc.request.metadata.";

/// The name while only the head is known. A sampler may look at it.
pub(super) fn name_at_start(start: &RequestStart, grpc: Option<&GrpcRequest>) -> Cow<'static, str> {
    match grpc.and_then(|_| grpc::method(start.path())) {
        Some(method) => method.to_owned().into(),
        None => method_word(start.method).into(),
    }
}

/// `{method} {route}`, or the method of gRPC; never the path.
pub(super) fn name(record: &RequestRecord) -> Cow<'static, str> {
    if record.grpc.is_some() {
        return grpc::method_of(record.route.as_ref())
            .map_or("grpc".into(), |method| method.to_owned().into());
    }
    let method = method_word(record.request().method);
    match &record.route {
        Some(route) => {
            let route = route.as_str();
            let mut name = String::with_capacity(method.len().saturating_add(route.len()).saturating_add(1));
            name.push_str(method);
            name.push(' ');
            name.push_str(route);
            name.into()
        }
        None => method.into(),
    }
}

const fn method_word(method: Method) -> &'static str {
    match method {
        Method::Other => "HTTP",
        method => method.as_str(),
    }
}

/// What the head tells: everything that a sampler should see.
pub(super) fn at_start(
    start: &RequestStart,
    grpc: Option<&GrpcRequest>,
    identities: &IdentityPolicy,
) -> Vec<KeyValue> {
    // With what comes at the end, so that it seldom grows.
    let mut all = Vec::with_capacity(16);
    if grpc.is_some() {
        all.push(KeyValue::new("rpc.system.name", "grpc"));
        all.push(KeyValue::new("network.protocol.name", "http"));
    } else {
        http(&mut all, start);
    }
    if let Some(host) = start.host() {
        let (address, port) = forwarded::split_host(host);
        let default = match start.scheme {
            UrlScheme::Http => Some(80),
            UrlScheme::Https => Some(443),
            UrlScheme::Other => None,
        };
        all.push(KeyValue::new("server.address", address.to_owned()));
        all.extend(port.or(default).map(|port| KeyValue::new("server.port", i64::from(port))));
    }
    let told = |address| identities.client(address).map(|client| client.text());
    let client = start.client.and_then(told);
    if let Some(peer) = start.peer {
        let same = start.client == Some(peer.ip());
        if let Some(address) = if same { client.clone() } else { told(peer.ip()) } {
            all.push(KeyValue::new("network.peer.address", address));
            all.push(KeyValue::new("network.peer.port", i64::from(peer.port())));
        }
    }
    all.extend(client.map(|address| KeyValue::new("client.address", address)));
    all.extend(start.version.map(|version| KeyValue::new("network.protocol.version", version.as_str())));
    let prefix = if grpc.is_some() { RPC_METADATA } else { HTTP_HEADER };
    for (name, values) in &start.headers {
        let values = values.iter().map(|value| StringValue::from(value.clone())).collect();
        all.push(KeyValue::new(format!("{prefix}{name}"), Value::Array(Array::String(values))));
    }
    all
}

fn http(all: &mut Vec<KeyValue>, start: &RequestStart) {
    all.push(KeyValue::new("http.request.method", start.method.as_str()));
    if let Some(original) = &start.method_original {
        all.push(KeyValue::new("http.request.method_original", original.to_string()));
    }
    all.push(KeyValue::new("url.path", start.path().to_owned()));
    all.push(KeyValue::new("url.scheme", start.scheme.as_str()));
    all.extend(start.query().map(|query| KeyValue::new("url.query", query.to_owned())));
    all.extend(start.user_agent().map(|agent| KeyValue::new("user_agent.original", agent.to_owned())));
}

/// What the end tells.
pub(super) fn at_end(record: &RequestRecord, mut set: impl FnMut(KeyValue)) {
    match &record.grpc {
        Some(call) => {
            match (grpc::method_of(record.route.as_ref()), grpc::method(record.request().path())) {
                (Some(method), _) => set(KeyValue::new("rpc.method", method.to_owned())),
                (None, original) => {
                    set(KeyValue::new("rpc.method", "_OTHER"));
                    if let Some(original) = original {
                        set(KeyValue::new("rpc.method_original", original.to_owned()));
                    }
                }
            }
            if let Some(status) = call.status {
                set(KeyValue::new("rpc.response.status_code", status.as_str()));
            } else if let Some(status) = record.status.filter(|status| *status != 200) {
                // Not an answer of gRPC: something before the service has given it.
                set(KeyValue::new("http.response.status_code", i64::from(status)));
            }
        }
        None => {
            if let Some(route) = &record.route {
                set(KeyValue::new("http.route", Arc::clone(route.text())));
            }
            if let Some(status) = record.status {
                set(KeyValue::new("http.response.status_code", i64::from(status)));
            }
        }
    }
    let of_probe = || record.status.filter(|status| record.endpoint && *status >= 500).map(text::status);
    if let Some(error_type) = record.error_type().or_else(of_probe) {
        set(KeyValue::new("error.type", error_type));
    }
    match &record.user {
        Some(User::Id(id)) => set(KeyValue::new("user.id", id.clone())),
        Some(User::Hash(hash)) => set(KeyValue::new("user.hash", hash.clone())),
        None => {}
    }
    for (name, value) in record.fields.iter() {
        let header = name.starts_with(HTTP_HEADER) || name.starts_with(RPC_METADATA);
        if !header && !OURS.contains(&name) {
            set(KeyValue::new(Key::from(name.to_owned()), field(value)));
        }
    }
}

fn field(value: &crate::Value) -> Value {
    match value {
        crate::Value::Bool(value) => Value::Bool(*value),
        crate::Value::I64(value) => Value::I64(*value),
        // OpenTelemetry has no unsigned numbers.
        crate::Value::U64(value) => {
            i64::try_from(*value).map_or_else(|_| value.to_string().into(), Value::I64)
        }
        crate::Value::F64(value) => Value::F64(*value),
        crate::Value::Str(text) => text.to_string().into(),
    }
}
