//! A span's attributes as OTLP has them (`opentelemetry.proto.common.v1.KeyValue`).

use std::mem;

use opentelemetry::KeyValue;
use opentelemetry_proto::transform::common::tonic::Attributes as ProtoAttributes;
use prost::Message as _;

use crate::{
    base::value::Value,
    outputs::{
        facts::attributes::Attributes,
        otel::{
            attributes,
            protobuf::{bytes, bytes_head, bytes_key, bytes_length, fixed64, number, varint_length},
        },
    },
    record::identity::Client,
    write::{digits, scribe::Scribe},
};

// Numbers of fields: a span's attribute, what it has, and what its value may be.
const ATTRIBUTE: u8 = 9;
const KEY: u8 = 1;
const VALUE: u8 = 2;
const TEXT: u8 = 1;
const BOOL: u8 = 2;
const INTEGER: u8 = 3;
const DOUBLE: u8 = 4;

/// The greatest length that takes one byte.
const ONE_BYTE: usize = 0x7f;

/// Writes attributes, as many as the limits allow, each once: what is set later wins.
pub(super) struct SpanAttributes<'a, 'b> {
    out: &'a mut Scribe<'b>,
    /// The application's own: set later than those of the start, and before those of the end.
    added: &'a [KeyValue],
    /// What the end has set, if there is anything else of that name.
    told: Vec<String>,
    at_end: bool,
    left: u32,
    dropped: u32,
}

impl<'a, 'b> SpanAttributes<'a, 'b> {
    /// At most so many, with those that the application has added.
    pub(super) const fn new(out: &'a mut Scribe<'b>, added: &'a [KeyValue], most: u32) -> Self {
        Self { out, added, told: Vec::new(), at_end: false, left: most, dropped: 0 }
    }

    /// What comes from now on is set at the request's end, and wins over what the application has added.
    pub(super) const fn end(&mut self) {
        self.at_end = true;
    }

    /// Writes what the application has added, and says how many of all there was no room for.
    pub(super) fn finish(mut self) -> u32 {
        for attribute in mem::take(&mut self.added) {
            let name = attribute.key.as_str();
            if !self.told.iter().any(|told| told == name) && self.takes(name) {
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

    /// Whether nothing that is set later has this name.
    #[cold]
    fn is_first(&mut self, name: &str) -> bool {
        if !self.added.iter().any(|added| added.key.as_str() == name) {
            return true;
        }
        if self.at_end {
            self.told.push(name.to_owned());
        }
        self.at_end
    }

    // Where a name is known at compile time, what stands before and behind it is a few stores.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn text_of(&mut self, name: &str, text: &str) {
        let length = name.len().saturating_add(text.len()).saturating_add(6);
        if length > ONE_BYTE {
            self.head(name, bytes_length(text.len()));
            return bytes(self.out, TEXT, text.as_bytes());
        }
        self.short_head(name, length);
        let text_length = text.len() as u8;
        self.out.put(&[bytes_key(VALUE), text_length.wrapping_add(2), bytes_key(TEXT), text_length]);
        self.out.put(text.as_bytes());
    }

    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn varint_of(&mut self, name: &str, field: u8, value: u64) {
        let digits = varint_length(value);
        let length = name.len().saturating_add(digits).saturating_add(5);
        if length > ONE_BYTE {
            self.head(name, digits.saturating_add(1));
        } else {
            self.short_head(name, length);
            self.out.put(&[bytes_key(VALUE), (digits as u8).wrapping_add(1)]);
        }
        number(self.out, field, value);
    }

    /// What stands before the value of an attribute whose length, and so all lengths within it, is one byte.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn short_head(&mut self, name: &str, length: usize) {
        self.out.put(&[bytes_key(ATTRIBUTE), length as u8, bytes_key(KEY), name.len() as u8]);
        self.out.put(name.as_bytes());
    }

    /// What stands before a value of so many bytes.
    #[inline(never)]
    fn head(&mut self, name: &str, value: usize) {
        bytes_head(self.out, ATTRIBUTE, bytes_length(name.len()).saturating_add(bytes_length(value)));
        bytes(self.out, KEY, name.as_bytes());
        bytes_head(self.out, VALUE, value);
    }

    /// Any, by the SDK's types.
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
            self.text_of(name, text);
        }
    }

    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn number(&mut self, name: &'static str, number: i64) {
        if self.takes(name) {
            self.varint_of(name, INTEGER, number.cast_unsigned());
        }
    }

    fn client(&mut self, name: &'static str, client: &Client) {
        let address = match client {
            Client::Hash(hash) => return self.text(name, hash),
            Client::Address(address) => *address,
        };
        if !self.takes(name) {
            return;
        }
        // Its length is set when it is there.
        let out = &mut *self.out;
        let start = out.at();
        out.put(&[bytes_key(ATTRIBUTE), 0, bytes_key(KEY), name.len() as u8]);
        out.put(name.as_bytes());
        out.put(&[bytes_key(VALUE), 0, bytes_key(TEXT), 0]);
        let text = out.at();
        digits::address(out, address);
        let length = out.at().wrapping_sub(text) as u8;
        out.replace(start.wrapping_add(1), length.wrapping_add(6).wrapping_add(name.len() as u8));
        out.replace(text.wrapping_sub(3), length.wrapping_add(2));
        out.replace(text.wrapping_sub(1), length);
    }

    fn texts(&mut self, name: String, texts: &[String]) {
        if self.takes(&name) {
            self.any(KeyValue::new(name, attributes::array(texts)));
        }
    }

    fn field(&mut self, name: &str, value: &Value) {
        if !self.takes(name) {
            return;
        }
        match value {
            Value::Bool(value) => self.varint_of(name, BOOL, u64::from(*value)),
            Value::I64(value) => self.varint_of(name, INTEGER, value.cast_unsigned()),
            Value::U64(value) => match attributes::signed(*value) {
                Some(signed) => self.varint_of(name, INTEGER, signed.cast_unsigned()),
                None => self.text_of(name, itoa::Buffer::new().format(*value)),
            },
            Value::F64(value) => {
                self.head(name, 9);
                fixed64(self.out, DOUBLE, value.to_bits());
            }
            Value::Str(text) => self.text_of(name, text),
        }
    }
}
