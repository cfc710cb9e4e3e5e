//! Hexadecimal digits of ids, eight at a time: both ways take a request several times, and byte by byte they cost more than all else
//! that is done to an id.

/// `0x01` in each byte.
const ONES: u64 = u64::MAX / 255;

/// The lower-case digits of some bytes; `M` is twice `N`, and both are multiples of four bytes' worth.
pub(crate) fn encode<const N: usize, const M: usize>(bytes: [u8; N]) -> [u8; M] {
    const { assert!(M == 2 * N && N.is_multiple_of(4)) };
    let mut text = [0; M];
    let (fours, _) = bytes.as_chunks::<4>();
    let (eights, _) = text.as_chunks_mut::<8>();
    for (eight, four) in eights.iter_mut().zip(fours) {
        *eight = digits(nibbles(u32::from_be_bytes(*four))).to_be_bytes();
    }
    text
}

/// The bytes of so many lower-case digits; `None` if there is anything else.
pub(crate) fn decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != N.checked_mul(2)? {
        return None;
    }
    let mut bytes = [0; N];
    let (eights, rest) = text.as_chunks::<8>();
    let (fours, last) = bytes.as_chunks_mut::<4>();
    for (four, eight) in fours.iter_mut().zip(eights) {
        *four = packed(u64::from_be_bytes(*eight))?.to_be_bytes();
    }
    // What is left is put behind zeros.
    if let Some(unused) = 8_usize.checked_sub(rest.len()).filter(|_| !rest.is_empty()) {
        let mut eight = [b'0'; 8];
        eight.get_mut(unused..)?.copy_from_slice(rest);
        let four = packed(u64::from_be_bytes(eight))?.to_be_bytes();
        last.copy_from_slice(four.get(unused / 2..)?);
    }
    Some(bytes)
}

/// The eight half bytes of a number, each in a byte.
const fn nibbles(number: u32) -> u64 {
    let mut x = number as u64;
    x = (x | x << 16) & 0x0000_ffff_0000_ffff;
    x = (x | x << 8) & 0x00ff_00ff_00ff_00ff;
    (x | x << 4) & 0x0f0f_0f0f_0f0f_0f0f
}

/// Each half byte's digit. Above 9, adding six carries into the upper half.
const fn digits(nibbles: u64) -> u64 {
    let letters = (nibbles.wrapping_add(ONES * 6) >> 4) & ONES;
    nibbles.wrapping_add(ONES * 0x30).wrapping_add(letters.wrapping_mul((b'a' - b'0' - 10) as u64))
}

/// The number that eight digits are.
const fn packed(text: u64) -> Option<u32> {
    // Letters have a bit that digits lack.
    let letters = (text >> 6) & ONES;
    let nibbles = (text & (ONES * 0x0f)).wrapping_add(letters.wrapping_mul(9));
    // What they are written as must be what was read: anything else is no digit.
    if nibbles & (ONES * 0xf0) != 0 || digits(nibbles) != text {
        return None;
    }
    let mut x = (nibbles | nibbles >> 4) & 0x00ff_00ff_00ff_00ff;
    x = (x | x >> 8) & 0x0000_ffff_0000_ffff;
    Some(((x | x >> 16) & 0xffff_ffff) as u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_byte_is_a_digit_or_is_not() {
        for byte in 0..=u8::MAX {
            let digit = char::from(byte).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
            for at in 0..8 {
                let mut text = *b"00000000";
                text[at] = byte;
                let number = digit.map(|digit| (digit << (4 * (7 - at))).to_be_bytes());
                assert_eq!(decode::<4>(&text), number, "{byte:#x} at {at}");
            }
            let number = digit.map(|digit| [digit as u8]);
            assert_eq!(decode::<1>(&[b'0', byte]), number, "{byte:#x} alone");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(bytes in any::<[u8; 16]>()) {
            let text: [u8; 32] = encode(bytes);
            prop_assert_eq!(text.to_vec(), format!("{:032x}", u128::from_be_bytes(bytes)).into_bytes());
            prop_assert_eq!(decode::<16>(&text), Some(bytes));
            prop_assert_eq!(decode::<15>(&text), None);
            prop_assert_eq!(decode::<1>(&text[..2]), Some([bytes[0]]));
            prop_assert_eq!(decode::<3>(&text[..6]), Some([bytes[0], bytes[1], bytes[2]]));
        }
    }
}
