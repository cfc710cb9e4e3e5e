//! The wire format of Protocol Buffers, as far as a span of a request needs it.

use crate::write::scribe::Scribe;

/// The key of a field with bytes, a text or a message.
pub(super) const fn bytes_key(field: u8) -> u8 {
    field << 3 | 2
}

/// A number of seven bits a byte, the lowest first.
#[inline]
pub(super) fn varint(out: &mut Scribe<'_>, mut value: u64) {
    while value >= 0x80 {
        out.put(&[value as u8 | 0x80]);
        value >>= 7;
    }
    out.put(&[value as u8]);
}

/// How many bytes [`varint`] writes.
pub(super) const fn varint_length(value: u64) -> usize {
    (64_u32.saturating_sub((value | 1).leading_zeros())).div_ceil(7) as usize
}

/// How many bytes a field with so many bytes takes, if its number is below 16.
pub(super) const fn bytes_length(bytes: usize) -> usize {
    bytes.saturating_add(varint_length(bytes as u64)).saturating_add(1)
}

/// What stands before so many bytes of a field whose number is below 16.
#[inline]
pub(super) fn bytes_head(out: &mut Scribe<'_>, field: u8, length: usize) {
    out.put(&[bytes_key(field)]);
    varint(out, length as u64);
}

/// A field with bytes, a text or a message, whose number is below 16.
#[inline]
pub(super) fn bytes(out: &mut Scribe<'_>, field: u8, value: &[u8]) {
    bytes_head(out, field, value.len());
    out.put(value);
}

/// A field with a number of eight bytes, whose own number is below 16.
pub(super) fn fixed64(out: &mut Scribe<'_>, field: u8, value: u64) {
    out.put(&[field << 3 | 1]);
    out.put(&value.to_le_bytes());
}

/// A field with a number, whose own number is below 16.
pub(super) fn number(out: &mut Scribe<'_>, field: u8, value: u64) {
    out.put(&[field << 3]);
    varint(out, value);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::write::scribe;

    proptest! {
        #[test]
        fn as_the_library_writes_it(bits in 0..64, value in any::<u64>(), text in ".{0,200}") {
            let value = value >> bits;
            let mut expected = Vec::new();
            prost::encoding::uint64::encode(1, &value, &mut expected);
            prost::encoding::fixed64::encode(2, &value, &mut expected);
            prost::encoding::string::encode(15, &text, &mut expected);
            let written = scribe::written(|out| {
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
