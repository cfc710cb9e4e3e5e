//! A batch of spans as it is sent: an `ExportTraceServiceRequest` of OTLP.

use opentelemetry::InstrumentationScope;
use opentelemetry_proto::{
    tonic::trace::v1::ScopeSpans,
    transform::{
        common::tonic::ResourceAttributesWithSchema, trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::trace::SpanData;
use prost::{
    Message as _,
    encoding::{WireType, encode_key, encode_varint},
};

// Numbers of fields.
const RESOURCE_SPANS: u32 = 1;
const SCOPE_SPANS: u32 = 2;
const SPANS: u32 = 2;

/// What is around all spans of an observer.
pub(super) struct Envelope {
    resource: ResourceAttributesWithSchema,
    /// The scope of the requests' spans, encoded.
    scope: Vec<u8>,
}

impl Envelope {
    pub(super) fn new(resource: ResourceAttributesWithSchema, scope: &InstrumentationScope) -> Self {
        let schema_url = scope.schema_url().map(ToOwned::to_owned).unwrap_or_default();
        let scope = ScopeSpans { scope: Some((scope, None).into()), schema_url, spans: Vec::new() };
        Self { resource, scope: scope.encode_to_vec() }
    }

    /// A message with requests' spans, which are encoded already, and with others.
    pub(super) fn message(&self, requests: &[Vec<u8>], others: Vec<SpanData>) -> Vec<u8> {
        let mut message = Vec::new();
        for of_resource in group_spans_by_resource_and_scope(others, &self.resource) {
            let mut of_resource = of_resource.encode_to_vec();
            if !requests.is_empty() {
                let mut of_scope = self.scope.clone();
                of_scope.reserve(requests.iter().map(|span| span.len().saturating_add(8)).sum());
                for span in requests {
                    field(&mut of_scope, SPANS, span);
                }
                field(&mut of_resource, SCOPE_SPANS, &of_scope);
            }
            field(&mut message, RESOURCE_SPANS, &of_resource);
        }
        message
    }
}

/// Adds a field with an encoded message.
fn field(to: &mut Vec<u8>, number: u32, message: &[u8]) {
    encode_key(number, WireType::LengthDelimited, to);
    encode_varint(message.len() as u64, to);
    to.extend_from_slice(message);
}
