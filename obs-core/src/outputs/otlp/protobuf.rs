//! The parts of the Protocol Buffers wire format that OTLP needs.

use crate::write::buffer::BufferWriter;

/// Returns the key of a field with bytes, a text or a message.
pub(crate) const fn bytes_key(field: u8) -> u8 {
    field << 3 | 2
}

/// Writes a number with seven bits per byte, the lowest bits first.
#[inline]
pub(crate) fn varint(out: &mut BufferWriter<'_>, mut value: u64) {
    while value >= 0x80 {
        out.put(&[value as u8 | 0x80]);
        value >>= 7;
    }
    out.put(&[value as u8]);
}

/// Returns the number of bytes that [`varint`] writes.
pub(crate) const fn varint_length(value: u64) -> usize {
    (64_u32.saturating_sub((value | 1).leading_zeros())).div_ceil(7) as usize
}

/// Returns the encoded length of a field with a content of `bytes` bytes. Its field number must be
/// below 16.
pub(crate) const fn bytes_length(bytes: usize) -> usize {
    bytes.saturating_add(varint_length(bytes as u64)).saturating_add(1)
}

/// Writes the key and the length of a field with a content of `length` bytes. Its field number must
/// be below 16.
#[inline]
pub(crate) fn bytes_head(out: &mut BufferWriter<'_>, field: u8, length: usize) {
    out.put(&[bytes_key(field)]);
    varint(out, length as u64);
}

/// Writes a field with bytes, a text or a message. Its field number must be below 16.
#[inline]
pub(crate) fn bytes(out: &mut BufferWriter<'_>, field: u8, value: &[u8]) {
    bytes_head(out, field, value.len());
    out.put(value);
}

/// Writes a field with a number of eight bytes. Its field number must be below 16.
pub(crate) fn fixed64(out: &mut BufferWriter<'_>, field: u8, value: u64) {
    out.put(&[field << 3 | 1]);
    out.put(&value.to_le_bytes());
}

/// Writes a field with a number of four bytes. Its field number must be below 16.
#[cfg(feature = "logs")]
pub(crate) fn fixed32(out: &mut BufferWriter<'_>, field: u8, value: u32) {
    out.put(&[field << 3 | 5]);
    out.put(&value.to_le_bytes());
}

/// Writes a field with a varint. Its field number must be below 16.
pub(crate) fn number(out: &mut BufferWriter<'_>, field: u8, value: u64) {
    out.put(&[field << 3]);
    varint(out, value);
}

/// The value of a field.
pub(super) enum Field<'a> {
    Number(u64),
    /// Bytes, a text or a message.
    Bytes(&'a [u8]),
    /// A number of four or eight bytes, whose value is ignored.
    Fixed,
}

/// Reads the fields of a message.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    /// Returns the next field with its number, `Some(None)` at the end, and `None` if the message
    /// is invalid.
    pub(super) fn next(&mut self) -> Option<Option<(u64, Field<'a>)>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Number(self.varint()?),
            1 => self.take(8).map(|_| Field::Fixed)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Field::Fixed)?,
            _ => return None,
        };
        Some(Some((key >> 3, field)))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(all(test, feature = "otel"))]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::write::buffer;

    proptest! {
        #[test]
        fn fields_are_encoded_as_prost_encodes_them(bits in 0..64, value in any::<u64>(), text in ".{0,200}") {
            let value = value >> bits;
            let mut expected = Vec::new();
            prost::encoding::uint64::encode(1, &value, &mut expected);
            prost::encoding::fixed64::encode(2, &value, &mut expected);
            prost::encoding::string::encode(15, &text, &mut expected);
            let written = buffer::written(|out| {
                number(out, 1, value);
                fixed64(out, 2, value);
                bytes(out, 15, text.as_bytes());
            });
            prop_assert_eq!(&written, &expected);
            let length = 1 + varint_length(value) + 9 + bytes_length(text.len());
            prop_assert_eq!(written.len(), length);
        }
    }
}
