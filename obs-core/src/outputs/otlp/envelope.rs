//! The message around the items of a signal: `ExportTraceServiceRequest` and those of other
//! signals, which have the same form.

use std::borrow::Cow;

use super::{
    attribute,
    protobuf::{bytes, bytes_head, bytes_length},
};
use crate::{base::value::Value, write::buffer};

// Field numbers, which are the same for all signals.
const OF_RESOURCE: u8 = 1;
const RESOURCE: u8 = 1;
const RESOURCE_ATTRIBUTE: u8 = 1;
const OF_SCOPE: u8 = 2;
const SCOPE: u8 = 1;
const SCOPE_NAME: u8 = 1;
const SCOPE_VERSION: u8 = 2;
const ITEM: u8 = 2;
const SCHEMA_URL: u8 = 3;

/// A name and a value.
pub(crate) type Attribute = (Cow<'static, str>, Value);

/// The instrumentation scope of items, which names the code that creates them.
pub(crate) struct ItemScope {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// The conventions that the items follow.
    pub(crate) schema_url: &'static str,
}

/// The message parts around the items of an observer.
pub(crate) struct Envelope {
    /// The encoded resource and, below, the encoded scope of our own items.
    resource: Vec<u8>,
    scope: Vec<u8>,
}

impl Envelope {
    pub(crate) fn new(resource: &[Attribute], scope: &ItemScope) -> Self {
        let attributes = buffer::written(|out| {
            resource.iter().for_each(|(name, value)| attribute::value(out, RESOURCE_ATTRIBUTE, name, value));
        });
        let instrumentation = buffer::written(|out| {
            bytes(out, SCOPE_NAME, scope.name.as_bytes());
            bytes(out, SCOPE_VERSION, scope.version.as_bytes());
        });
        Self {
            resource: buffer::written(|out| bytes(out, RESOURCE, &attributes)),
            scope: buffer::written(|out| {
                bytes(out, SCOPE, &instrumentation);
                bytes(out, SCHEMA_URL, scope.schema_url.as_bytes());
            }),
        }
    }

    /// Returns a message with our own encoded items, and with other scopes that are encoded with
    /// their items.
    pub(crate) fn message(&self, items: &[Vec<u8>], others: &[Vec<u8>]) -> Vec<u8> {
        let lengths = |all: &[Vec<u8>]| -> usize { all.iter().map(|one| bytes_length(one.len())).sum() };
        let of_scope = self.scope.len().saturating_add(lengths(items));
        let ours = if items.is_empty() { 0 } else { bytes_length(of_scope) };
        let of_resource = self.resource.len().saturating_add(ours).saturating_add(lengths(others));
        let mut message = vec![0; bytes_length(of_resource)];
        buffer::write(&mut message, |out| {
            bytes_head(out, OF_RESOURCE, of_resource);
            out.put(&self.resource);
            if !items.is_empty() {
                bytes_head(out, OF_SCOPE, of_scope);
                out.put(&self.scope);
                items.iter().for_each(|item| bytes(out, ITEM, item));
            }
            others.iter().for_each(|other| bytes(out, OF_SCOPE, other));
        });
        message
    }
}

#[cfg(all(test, feature = "otel"))]
mod tests {
    use opentelemetry_proto::tonic::{
        collector::trace::v1::ExportTraceServiceRequest,
        common::v1::{AnyValue, ArrayValue, any_value::Value as Any},
        trace::v1::{ScopeSpans, Span},
    };
    use prost::Message as _;

    use super::*;

    #[test]
    fn prost_decodes_the_message() {
        let resource = [
            ("service.name".into(), Value::Str("shop".into())),
            ("process.pid".into(), Value::I64(7)),
            ("large".into(), Value::U64(u64::MAX)),
            ("text".into(), Value::Str("x".repeat(300).into())),
            (
                "list".into(),
                vec![Value::from("a"), 7.into(), u64::MAX.into(), true.into(), 0.5.into()].into(),
            ),
            ("lists".into(), [["b"], ["c"]].into()),
        ];
        let scope = ItemScope { name: "obs", version: "1", schema_url: "https://schema" };
        let envelope = Envelope::new(&resource, &scope);
        let span = |name: &str| Span { name: name.to_owned(), ..Span::default() };
        let other = ScopeSpans { spans: vec![span("c")], ..ScopeSpans::default() };
        let items = [span("a").encode_to_vec(), span(&"b".repeat(200)).encode_to_vec()];
        let read = |message: Vec<u8>| {
            let mut message = ExportTraceServiceRequest::decode(&*message).expect("valid");
            assert_eq!(message.resource_spans.len(), 1);
            message.resource_spans.remove(0)
        };
        let message = read(envelope.message(&items, &[other.encode_to_vec()]));
        let text = |text: &str| Any::StringValue(text.to_owned());
        let list = |items: &[Any]| {
            let values = items.iter().map(|item| AnyValue { value: Some(item.clone()) });
            Any::ArrayValue(ArrayValue { values: values.collect() })
        };
        let attributes = message.resource.expect("a resource").attributes;
        let values: Vec<_> = attributes.into_iter().filter_map(|attribute| attribute.value?.value).collect();
        let expected = [
            Any::StringValue("shop".to_owned()),
            Any::IntValue(7),
            Any::StringValue(u64::MAX.to_string()),
            Any::StringValue("x".repeat(300)),
            list(&[
                text("a"),
                Any::IntValue(7),
                text(&u64::MAX.to_string()),
                Any::BoolValue(true),
                Any::DoubleValue(0.5),
            ]),
            list(&[list(&[text("b")]), list(&[text("c")])]),
        ];
        assert_eq!(values, expected);
        let [ours, theirs] = &message.scope_spans[..] else { panic!("{:?}", message.scope_spans) };
        let instrumentation = ours.scope.as_ref().expect("a scope");
        assert_eq!((instrumentation.name.as_str(), instrumentation.version.as_str()), ("obs", "1"));
        assert_eq!((ours.schema_url.as_str(), ours.spans.len()), ("https://schema", 2));
        assert_eq!(theirs, &other);
        assert_eq!(read(envelope.message(&[], &[other.encode_to_vec()])).scope_spans, [other]);
    }
}
