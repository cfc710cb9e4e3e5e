//! The OTLP encoding of attributes (`opentelemetry.proto.common.v1.KeyValue`), written directly
//! into a message.
//!
//! Each function takes the field number of the list of attributes: 1 in a resource, 9 in a span.

use std::net::IpAddr;

use super::protobuf::{bytes, bytes_head, bytes_key, bytes_length, fixed64, number, varint_length};
use crate::{
    base::value::Value,
    write::{
        buffer::{self, BufferWriter},
        digits,
    },
};

// The field numbers of an attribute's parts, and of the types of its value.
const KEY: u8 = 1;
const VALUE: u8 = 2;
const TEXT: u8 = 1;
const BOOL: u8 = 2;
const INTEGER: u8 = 3;
const DOUBLE: u8 = 4;
const ARRAY: u8 = 5;
/// The field of an array with its values.
const ITEM: u8 = 1;

/// The largest length whose encoding is one byte.
const ONE_BYTE: usize = 0x7f;

/// Writes an attribute with a text.
// If the name is known at compile time, inlining reduces everything around it to a few stores.
#[allow(clippy::inline_always)]
#[inline(always)]
pub(crate) fn text(out: &mut BufferWriter<'_>, list: u8, name: &str, text: &str) {
    let length = name.len().saturating_add(text.len()).saturating_add(6);
    if length > ONE_BYTE {
        head(out, list, name, bytes_length(text.len()));
        return bytes(out, TEXT, text.as_bytes());
    }
    short_head(out, list, name, length);
    let text_length = text.len() as u8;
    out.put(&[bytes_key(VALUE), text_length.wrapping_add(2), bytes_key(TEXT), text_length]);
    out.put(text.as_bytes());
}

/// Writes an attribute with an integer.
#[allow(clippy::inline_always)]
#[inline(always)]
pub(crate) fn integer(out: &mut BufferWriter<'_>, list: u8, name: &str, value: i64) {
    varint_of(out, list, name, INTEGER, value.cast_unsigned());
}

/// Writes an attribute with an address as text.
pub(crate) fn address(out: &mut BufferWriter<'_>, list: u8, name: &str, address: IpAddr) {
    // The lengths are set below, when they are known.
    let start = out.at();
    out.put(&[bytes_key(list), 0, bytes_key(KEY), name.len() as u8]);
    out.put(name.as_bytes());
    out.put(&[bytes_key(VALUE), 0, bytes_key(TEXT), 0]);
    let text = out.at();
    digits::address(out, address);
    let length = out.at().wrapping_sub(text) as u8;
    out.replace(start.wrapping_add(1), length.wrapping_add(6).wrapping_add(name.len() as u8));
    out.replace(text.wrapping_sub(3), length.wrapping_add(2));
    out.replace(text.wrapping_sub(1), length);
}

/// Writes an attribute with any value. An integer beyond the range of OTLP is written as text.
pub(crate) fn value(out: &mut BufferWriter<'_>, list: u8, name: &str, value: &Value) {
    match value {
        Value::Bool(value) => varint_of(out, list, name, BOOL, u64::from(*value)),
        Value::I64(value) => integer(out, list, name, *value),
        Value::U64(value) => match i64::try_from(*value) {
            Ok(value) => integer(out, list, name, value),
            Err(_) => text(out, list, name, itoa::Buffer::new().format(*value)),
        },
        Value::F64(value) => {
            head(out, list, name, 9);
            fixed64(out, DOUBLE, value.to_bits());
        }
        Value::Str(value) => text(out, list, name, value),
        Value::List(_) | Value::Absent => {
            let value = any_value(value);
            head(out, list, name, value.len());
            out.put(&value);
        }
    }
}

/// Encodes a value without its name (`AnyValue`).
#[cold]
#[inline(never)]
fn any_value(value: &Value) -> Vec<u8> {
    let array = match value {
        Value::List(items) => buffer::written(|out| {
            items.iter().for_each(|item| bytes(out, ITEM, &any_value(item)));
        }),
        _ => Vec::new(),
    };
    buffer::written(|out| match value {
        Value::Bool(value) => number(out, BOOL, u64::from(*value)),
        Value::I64(value) => number(out, INTEGER, value.cast_unsigned()),
        Value::U64(value) => match i64::try_from(*value) {
            Ok(value) => number(out, INTEGER, value.cast_unsigned()),
            Err(_) => bytes(out, TEXT, itoa::Buffer::new().format(*value).as_bytes()),
        },
        Value::F64(value) => fixed64(out, DOUBLE, value.to_bits()),
        Value::Str(value) => bytes(out, TEXT, value.as_bytes()),
        Value::List(_) => bytes(out, ARRAY, &array),
        Value::Absent => {}
    })
}

#[allow(clippy::inline_always)]
#[inline(always)]
fn varint_of(out: &mut BufferWriter<'_>, list: u8, name: &str, field: u8, value: u64) {
    let digits = varint_length(value);
    let length = name.len().saturating_add(digits).saturating_add(5);
    if length > ONE_BYTE {
        head(out, list, name, digits.saturating_add(1));
    } else {
        short_head(out, list, name, length);
        out.put(&[bytes_key(VALUE), (digits as u8).wrapping_add(1)]);
    }
    number(out, field, value);
}

/// Writes everything before the value of a short attribute. Its length is encoded in one byte, and
/// so are all lengths inside it.
#[allow(clippy::inline_always)]
#[inline(always)]
fn short_head(out: &mut BufferWriter<'_>, list: u8, name: &str, length: usize) {
    out.put(&[bytes_key(list), length as u8, bytes_key(KEY), name.len() as u8]);
    out.put(name.as_bytes());
}

/// Writes everything before a value of `value` bytes.
#[inline(never)]
fn head(out: &mut BufferWriter<'_>, list: u8, name: &str, value: usize) {
    bytes_head(out, list, bytes_length(name.len()).saturating_add(bytes_length(value)));
    bytes(out, KEY, name.as_bytes());
    bytes_head(out, VALUE, value);
}
