//! The OTLP encoding of a span's attributes (`opentelemetry.proto.common.v1.KeyValue`).

use std::mem;

use opentelemetry::KeyValue;
use opentelemetry_proto::transform::common::tonic::Attributes as ProtoAttributes;
use prost::Message as _;

use crate::{
    base::value::Value,
    outputs::{
        facts::attributes::Attributes,
        otel::attributes,
        otlp::{attribute, protobuf::bytes},
    },
    record::identity::Client,
    write::buffer::BufferWriter,
};

/// The field number of a span's list of attributes.
const ATTRIBUTE: u8 = 9;

/// Writes attributes up to the limit. Each name is written once, with the value that is set last.
pub(super) struct SpanAttributes<'a, 'b> {
    out: &'a mut BufferWriter<'b>,
    /// The attributes that the application added. They replace those of the start, and those of the
    /// end replace them.
    added: &'a [KeyValue],
    /// The names that the end has set and that the application has added, too.
    written: Vec<String>,
    at_end: bool,
    left: u32,
    dropped: u32,
}

impl<'a, 'b> SpanAttributes<'a, 'b> {
    /// Returns a writer of at most `most` attributes, including those that the application added.
    pub(super) const fn new(out: &'a mut BufferWriter<'b>, added: &'a [KeyValue], most: u32) -> Self {
        Self { out, added, written: Vec::new(), at_end: false, left: most, dropped: 0 }
    }

    /// Begins the attributes of the request's end, which replace those that the application added.
    pub(super) const fn end(&mut self) {
        self.at_end = true;
    }

    /// Writes the attributes that the application added. Returns the number of all attributes
    /// beyond the limit.
    pub(super) fn finish(mut self) -> u32 {
        for attribute in mem::take(&mut self.added) {
            let name = attribute.key.as_str();
            if !self.written.iter().any(|written| written == name) && self.takes(name) {
                self.any(attribute.clone());
            }
        }
        self.dropped
    }

    #[inline]
    fn takes(&mut self, name: &str) -> bool {
        if !self.added.is_empty() && !self.is_first(name) {
            return false;
        }
        let Some(left) = self.left.checked_sub(1) else {
            self.dropped = self.dropped.saturating_add(1);
            return false;
        };
        self.left = left;
        true
    }

    /// Returns true if this attribute is written: no attribute of this name is set later.
    #[cold]
    fn is_first(&mut self, name: &str) -> bool {
        if !self.added.iter().any(|added| added.key.as_str() == name) {
            return true;
        }
        if self.at_end {
            self.written.push(name.to_owned());
        }
        self.at_end
    }

    /// Writes any attribute with the types of the SDK.
    fn any(&mut self, attribute: KeyValue) {
        for attribute in ProtoAttributes::from([attribute]).0 {
            bytes(self.out, ATTRIBUTE, &attribute.encode_to_vec());
        }
    }
}

impl Attributes for SpanAttributes<'_, '_> {
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn text(&mut self, name: &'static str, text: &str) {
        if self.takes(name) {
            attribute::text(self.out, ATTRIBUTE, name, text);
        }
    }

    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn number(&mut self, name: &'static str, number: i64) {
        if self.takes(name) {
            attribute::integer(self.out, ATTRIBUTE, name, number);
        }
    }

    fn client(&mut self, name: &'static str, client: &Client) {
        match client {
            Client::Hash(hash) => self.text(name, hash),
            Client::Address(address) => {
                if self.takes(name) {
                    attribute::address(self.out, ATTRIBUTE, name, *address);
                }
            }
        }
    }

    fn texts(&mut self, name: String, texts: &[String]) {
        if self.takes(&name) {
            self.any(KeyValue::new(name, attributes::array(texts)));
        }
    }

    fn field(&mut self, name: &str, value: &Value) {
        if self.takes(name) {
            attribute::value(self.out, ATTRIBUTE, name, value);
        }
    }
}
