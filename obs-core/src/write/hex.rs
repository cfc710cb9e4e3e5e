//! Hexadecimal digits of ids. The loops have no branches, so that compilers vectorise them: each
//! request writes and reads more than a hundred digits.

/// Returns the lower-case digits of `bytes`; `M` is twice `N`. The argument is a reference, because
/// bytes passed in a register are not vectorised.
#[inline]
pub(crate) fn encode<const N: usize, const M: usize>(bytes: &[u8; N]) -> [u8; M] {
    const { assert!(M == 2 * N) };
    let digit = |half: u8| half.wrapping_add(b'0').wrapping_add(if half > 9 { b'a' - b'0' - 10 } else { 0 });
    let mut text = [0; M];
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 0xf)];
    }
    text
}

/// Returns the bytes of `M` lower-case digits; `None` if any other character occurs.
pub(crate) fn decode<const N: usize, const M: usize>(text: &[u8; M]) -> Option<[u8; N]> {
    const { assert!(M == 2 * N) };
    let (mut halves, mut valid) = ([0; M], true);
    for (half, byte) in halves.iter_mut().zip(text) {
        let (digit, letter) = (byte.wrapping_sub(b'0'), byte.wrapping_sub(b'a'));
        *half = if digit < 10 { digit } else { letter.wrapping_add(10) };
        valid &= (digit < 10) | (letter < 6);
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(halves.as_chunks::<2>().0) {
        *byte = high << 4 | low;
    }
    valid.then_some(bytes)
}

/// Counts the bytes that are hexadecimal digits, in upper or lower case.
pub(crate) fn digits<const N: usize>(text: &[u8; N]) -> usize {
    const { assert!(N < 256) };
    let is_digit = |byte: &u8| (byte.wrapping_sub(b'0') < 10) | ((byte | 0x20).wrapping_sub(b'a') < 6);
    usize::from(text.iter().fold(0_u8, |count, byte| count.wrapping_add(u8::from(is_digit(byte)))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_hexadecimal_digits_are_decoded() {
        for byte in 0..=u8::MAX {
            assert_eq!(digits(&[byte]) == 1, byte.is_ascii_hexdigit(), "{byte:#x}");
            let digit = char::from(byte).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
            for at in 0..8 {
                let mut text = *b"00000000";
                text[at] = byte;
                let number = digit.map(|digit| (digit << (4 * (7 - at))).to_be_bytes());
                assert_eq!(decode::<4, 8>(&text), number, "{byte:#x} at {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn encoded_bytes_are_decoded_to_the_same_bytes(bytes in any::<[u8; 16]>()) {
            let text: [u8; 32] = encode(&bytes);
            prop_assert_eq!(text.to_vec(), format!("{:032x}", u128::from_be_bytes(bytes)).into_bytes());
            prop_assert_eq!(decode(&text), Some(bytes));
            prop_assert_eq!(digits(&text), 32);
        }
    }
}
