//! The name and the attributes of a span. They follow OpenTelemetry's semantic conventions for HTTP
//! server spans (stable) and gRPC server spans. The attributes that are also fields of events come
//! from the table of [facts].

use std::borrow::Cow;

use opentelemetry::{Array, Key, KeyValue, StringValue, Value};

use crate::{
    http::{
        grpc::{self, GrpcRequest},
        method::Method,
        protocol::UrlScheme,
    },
    outputs::facts::{
        self,
        attributes::Attributes,
        request::{GrpcFacts, HeadFacts, OperationFacts},
        work::UserFacts,
    },
    record::{
        finished::{FinishedRequest, Record},
        identity::{Client, IdentityPolicy},
        outcome::Outcome,
        route::Route,
        start::RequestStart,
    },
    write::digits,
};

/// The attributes that only spans have.
const OF_SPANS: [&str; 7] = [
    "network.peer.address",
    "network.peer.port",
    "network.protocol.name",
    "rpc.method_original",
    "server.address",
    "server.port",
    "url.scheme",
];

/// The prefixes of the attributes of request headers.
const HTTP_HEADER: &str = "http.request.header.";
const RPC_METADATA: &str = "rpc.request.metadata.";

/// Passes attributes to a function as [`KeyValue`]s, for spans of the SDK.
pub(super) struct KeyValues<F>(pub(super) F);

impl<F: FnMut(KeyValue)> Attributes for KeyValues<F> {
    fn text(&mut self, name: &'static str, text: &str) {
        self.0(KeyValue::new(name, text.to_owned()));
    }

    fn word(&mut self, name: &'static str, word: &'static str) {
        self.0(KeyValue::new(name, word));
    }

    fn number(&mut self, name: &'static str, number: i64) {
        self.0(KeyValue::new(name, number));
    }

    fn client(&mut self, name: &'static str, client: &Client) {
        self.0(KeyValue::new(name, client.to_string()));
    }

    fn texts(&mut self, name: String, texts: &[String]) {
        self.0(KeyValue::new(name, array(texts)));
    }

    fn field(&mut self, name: &str, value: &crate::base::value::Value) {
        self.0(KeyValue::new(Key::from(name.to_owned()), of_field(value)));
    }
}

/// The name of a span: one word, or two words with a space between.
#[derive(Clone, Copy)]
pub(super) struct SpanName<'a>(pub(super) &'a str, pub(super) Option<&'a str>);

impl From<SpanName<'_>> for Cow<'static, str> {
    fn from(SpanName(first, second): SpanName<'_>) -> Self {
        second.map_or_else(|| first.to_owned(), |second| [first, second].join(" ")).into()
    }
}

/// Returns the name of a span at its start, when only the request's head is known. Samplers may
/// read it.
pub(super) fn name_at_start(start: &RequestStart, grpc: Option<&GrpcRequest>) -> Cow<'static, str> {
    match grpc.and_then(|_| grpc::method(start.path())) {
        Some(method) => method.to_owned().into(),
        None => method_word(start.method).into(),
    }
}

/// Returns the final name of a span: `{method} {route}`, or the gRPC method. It never contains the
/// path, because a name must have few values.
pub(super) fn name<'a>(request: &FinishedRequest<'a>) -> SpanName<'a> {
    let route = request.end.route.as_ref();
    if request.end.grpc.is_some() {
        return SpanName(route.and_then(Route::grpc_method).unwrap_or("grpc"), None);
    }
    SpanName(method_word(request.start.method), route.map(Route::as_str))
}

const fn method_word(method: Method) -> &'static str {
    match method {
        Method::Other => "HTTP",
        method => method.as_str(),
    }
}

/// Sets the attributes that come from the request's head. Samplers should see all of them.
pub(super) fn at_start(
    all: &mut impl Attributes,
    start: &RequestStart,
    grpc: Option<&GrpcRequest>,
    identities: &IdentityPolicy,
) {
    OperationFacts::at_start(all, grpc.is_some(), start);
    HeadFacts::at_start(all, grpc.is_some(), start);
    GrpcFacts::at_start(all, grpc.is_some());
    UserFacts::at_start(all, grpc.is_some());
    if grpc.is_some() {
        all.word("network.protocol.name", "http");
    } else {
        all.word("url.scheme", start.scheme.as_str());
    }
    if let Some(host) = start.host() {
        let default = match start.scheme {
            UrlScheme::Http => Some(80),
            UrlScheme::Https => Some(443),
            UrlScheme::Other => None,
        };
        all.text("server.address", host.name);
        if let Some(port) = host.port.or(default) {
            all.number("server.port", i64::from(port));
        }
    }
    // It is computed once for two attributes, because a hash is expensive.
    let client = start.client.and_then(|address| identities.client(address));
    if let Some(client) = &client {
        all.client("client.address", client);
    }
    if let Some(peer) = start.peer {
        let other = (start.client != Some(peer.ip())).then(|| identities.client(peer.ip()));
        if let Some(address) = other.as_ref().unwrap_or(&client) {
            all.client("network.peer.address", address);
            all.number("network.peer.port", i64::from(peer.port()));
        }
    }
    let prefix = if grpc.is_some() { RPC_METADATA } else { HTTP_HEADER };
    for (name, values) in &start.headers {
        all.texts(format!("{prefix}{name}"), values);
    }
}

/// Sets the attributes that are known at the end.
pub(super) fn at_end(all: &mut impl Attributes, record: &Record, request: &FinishedRequest<'_>) {
    let FinishedRequest { start, end, .. } = *request;
    OperationFacts::at_end(all, end.grpc.is_some(), end);
    HeadFacts::at_end(all, end.grpc.is_some());
    match &end.grpc {
        Some(call) => {
            GrpcFacts::at_end(all, true, call);
            match (end.route.as_ref().and_then(Route::grpc_method), grpc::method(start.path())) {
                (Some(method), _) => all.text("rpc.method", method),
                (None, original) => {
                    all.word("rpc.method", "_OTHER");
                    if let Some(original) = original {
                        all.text("rpc.method_original", original);
                    }
                }
            }
            // Without a gRPC status, something in front of the service has sent the response.
            if call.status.is_none() {
                status(all, end.status.filter(|status| *status != 200));
            }
        }
        None => status(all, end.status),
    }
    let of_probe = || end.status.filter(|status| end.endpoint && *status >= 500).map(digits::status);
    if let Some(error_type) = record.error_type().or_else(of_probe) {
        all.word("error.type", Outcome::rpc_error_type(error_type, end.grpc_status()));
    }
    if let Some(user) = &record.user {
        UserFacts::at_end(all, end.grpc.is_some(), user);
    }
    for (name, value) in record.fields.iter() {
        let header = name.starts_with(HTTP_HEADER) || name.starts_with(RPC_METADATA);
        if !header && !facts::has_attribute(name) && !OF_SPANS.contains(&name) {
            all.field(name, value);
        }
    }
}

/// Sets the attributes of a span of the application.
pub(super) fn of_span(all: &mut impl Attributes, record: &Record) {
    if let Some(error_type) = record.error_type() {
        all.word("error.type", error_type);
    }
    for (name, value) in record.fields.iter().filter(|(name, _)| *name != "error.type") {
        all.field(name, value);
    }
}

fn status(all: &mut impl Attributes, status: Option<u16>) {
    if let Some(status) = status {
        all.number("http.response.status_code", i64::from(status));
    }
}

pub(super) fn array(texts: &[String]) -> Value {
    Value::Array(Array::String(texts.iter().map(|text| StringValue::from(text.clone())).collect()))
}

pub(super) fn of_field(value: &crate::base::value::Value) -> Value {
    match value {
        crate::base::value::Value::Bool(value) => Value::Bool(*value),
        crate::base::value::Value::I64(value) => Value::I64(*value),
        crate::base::value::Value::U64(value) => {
            signed(*value).map_or_else(|| value.to_string().into(), Value::I64)
        }
        crate::base::value::Value::F64(value) => Value::F64(*value),
        crate::base::value::Value::Str(text) => text.to_string().into(),
        crate::base::value::Value::List(items) => of_list(items),
        crate::base::value::Value::Absent => "".into(),
    }
}

/// Converts a list. The values of a list in the SDK have one type, so others become texts.
#[cold]
#[inline(never)]
fn of_list(items: &[crate::base::value::Value]) -> Value {
    let items: Vec<Value> = items.iter().map(of_field).collect();
    let numbers = items.iter().map(|item| if let Value::I64(number) = item { Some(*number) } else { None });
    if let Some(numbers) = numbers.collect() {
        return Value::Array(Array::I64(numbers));
    }
    let numbers = items.iter().map(|item| if let Value::F64(number) = item { Some(*number) } else { None });
    if let Some(numbers) = numbers.collect() {
        return Value::Array(Array::F64(numbers));
    }
    let flags = items.iter().map(|item| if let Value::Bool(flag) = item { Some(*flag) } else { None });
    if let Some(flags) = flags.collect() {
        return Value::Array(Array::Bool(flags));
    }
    let text = |item: &Value| StringValue::from(item.as_str().into_owned());
    Value::Array(Array::String(items.iter().map(text).collect()))
}

/// Returns the number as a signed one, or `None` if it is too large. OpenTelemetry has no unsigned
/// numbers, so callers record such a number as text.
pub(super) fn signed(number: u64) -> Option<i64> {
    i64::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_keeps_its_type_if_it_has_one() {
        let list = |list: crate::base::value::Value| of_field(&list);
        assert_eq!(list([1_u64, 2].into()), Value::Array(vec![1, 2].into()));
        assert_eq!(list([0.5, 2.0].into()), Value::Array(vec![0.5, 2.0].into()));
        assert_eq!(list([true, false].into()), Value::Array(vec![true, false].into()));
        let texts = |texts: &[&'static str]| {
            Value::Array(Array::String(texts.iter().map(|text| StringValue::from(*text)).collect()))
        };
        assert_eq!(list(["a", "b"].into()), texts(&["a", "b"]));
        assert_eq!(list([1_u64, u64::MAX].into()), texts(&["1", "18446744073709551615"]));
    }

    #[test]
    fn the_document_lists_the_attributes_that_only_spans_have() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/opentelemetry.md");
        let document = std::fs::read_to_string(file).expect("the document");
        let rows = document.lines().skip_while(|line| !line.starts_with("| attribute of spans only")).skip(2);
        let cells = rows.take_while(|row| row.starts_with('|')).filter_map(|row| row.split('|').nth(1));
        let mut named: Vec<_> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
        named.retain(|name| !name.ends_with("<name>"));
        named.sort_unstable();
        assert_eq!(named, OF_SPANS);
    }
}
