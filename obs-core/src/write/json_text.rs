//! The strings of JSON (RFC 8259) and their escapes.

use std::fmt::Write as _;

use crate::write::buffer::BufferWriter;

/// The bytes that JSON strings must escape. A table look-up is cheaper than comparisons.
static ESCAPED: [bool; 256] = {
    let mut escaped = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        escaped[byte] = true;
        byte += 1;
    }
    escaped[b'"' as usize] = true;
    escaped[b'\\' as usize] = true;
    escaped
};

/// Returns `true` if no byte of the text needs an escape.
pub(crate) fn is_plain(text: &str) -> bool {
    first_special(text.as_bytes()).is_none()
}

/// Returns the position of the first byte that needs an escape. Eight bytes without such a byte are
/// skipped at once.
fn first_special(text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    // In the result, the highest bit of a byte is set if the byte was 0. Bytes after the first zero
    // byte may be wrong.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let plain = |eight: &&[u8; 8]| {
        let word = u64::from_le_bytes(**eight);
        let below_space = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        below_space | zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\'))) == 0
    };
    let (eights, rest) = text.as_chunks::<8>();
    let start = eights.iter().take_while(plain).count().saturating_mul(8);
    // The last fewer than eight bytes are checked together with some of the bytes before them.
    let last = || rest.is_empty() || text.last_chunk::<8>().is_some_and(|last| plain(&last));
    if start.saturating_add(rest.len()) == text.len() && last() {
        return None;
    }
    let at = text.get(start..)?.iter().position(|byte| ESCAPED[usize::from(*byte)])?;
    Some(start.saturating_add(at))
}

/// Writes a JSON string.
pub(super) fn string(out: &mut BufferWriter<'_>, text: &str) {
    out.put(b"\"");
    escaped(out, text);
}

/// Writes a JSON string without its opening quote. Runs of bytes that need no escape are copied
/// unchanged.
pub(super) fn escaped(out: &mut BufferWriter<'_>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(at) = first_special(rest) {
        let (plain, special) = rest.split_at(at);
        out.put(plain);
        let Some((byte, after)) = special.split_first() else { break };
        match byte {
            b'"' => out.put(br#"\""#),
            b'\\' => out.put(br"\\"),
            b'\n' => out.put(br"\n"),
            b'\r' => out.put(br"\r"),
            b'\t' => out.put(br"\t"),
            _ => {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
        rest = after;
    }
    out.put(rest);
    out.put(b"\"");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::write::buffer::written;

    #[test]
    fn characters_that_need_an_escape_are_found_at_any_position() {
        for special in ['"', '\\', '\n', '\u{0}', '\u{1f}'] {
            for at in 0..40 {
                let text = format!(
                    "{}{special}{}",
                    "ä~ \u{7f}".repeat(10).split_at(at / 5 * 5).0,
                    "plain".repeat(at % 5)
                );
                let out = written(|out| string(out, &text));
                assert_eq!(serde_json::from_slice::<String>(&out).expect("valid JSON"), text);
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_as_it_was_written(text in any::<String>()) {
            let out = written(|out| string(out, &text));
            let read: String = serde_json::from_slice(&out).expect("valid JSON");
            prop_assert_eq!(read, text);
        }
    }
}
