//! A search for the places in a text where a scanner must run.
//!
//! Almost no text of a service has such a place, and every request's path and user agent are
//! searched. So this search must be as fast as possible.

use super::kind::SecretPattern;

// The class of a byte: a secret may start at it or contain it.

/// The zero, so that the classes of several bytes are tested at once.
const HARMLESS: u8 = 0;
/// A digit of a number.
const DIGIT: u8 = 1;
/// The `B` of `Bearer` and `Basic`, in any case.
const SCHEME: u8 = 2;
/// The `J` of `eyJ`.
const JWT: u8 = 3;
/// A `-` before another one, or at the end of a prefix of keys.
const DASH: u8 = 4;
/// A `_` at the end of a prefix of keys.
const UNDERSCORE: u8 = 5;
/// A letter in a prefix of keys that has neither `-` nor `_`.
const LETTER: u8 = 6;
/// The `<` of the end of an element.
const TAG: u8 = 7;
/// The `%` of `%40` and `%3D`.
const PERCENT: u8 = 8;
/// A byte at which a scanner must always run.
const ANY: u8 = 9;

const fn class_of(trigger: u8) -> u8 {
    match trigger {
        b'0'..=b'9' => DIGIT,
        b'B' | b'b' => SCHEME,
        b'J' => JWT,
        b'-' => DASH,
        b'_' => UNDERSCORE,
        b'G' | b'I' | b'K' | b'v' => LETTER,
        b'<' => TAG,
        b'%' => PERCENT,
        _ => ANY,
    }
}

/// The bytes at which scanners run.
pub(super) struct Triggers([u8; 256]);

impl Triggers {
    pub(super) fn of(patterns: impl IntoIterator<Item = SecretPattern>) -> Self {
        let mut classes = [HARMLESS; 256];
        // Percent-encoding may hide any secret.
        classes[usize::from(b'%')] = PERCENT;
        for trigger in patterns.into_iter().flat_map(SecretPattern::triggers) {
            classes[usize::from(*trigger)] = class_of(*trigger);
        }
        Self(classes)
    }

    /// Returns the next position at which a scanner must run.
    pub(super) fn next(&self, text: &[u8], from: usize) -> Option<usize> {
        self.find::<false>(text, from)
    }

    /// Returns `true` if no scanner must run and nothing is percent-encoded.
    pub(super) fn finds_none(&self, text: &[u8]) -> bool {
        self.find::<true>(text, 0).is_none()
    }

    /// Returns a position before which all bytes are harmless. In prose, most bytes are: eight are
    /// tested at a time, without a branch for each.
    #[inline(never)]
    fn skip_prose(&self, text: &[u8], from: usize) -> usize {
        let class = |byte: u8| self.0[usize::from(byte)];
        let mut rest = text.get(from..).unwrap_or_default();
        while let [a, b, c, d, e, f, g, h, tail @ ..] = rest
            && class(*a) | class(*b) | class(*c) | class(*d) | class(*e) | class(*f) | class(*g) | class(*h)
                == HARMLESS
        {
            rest = tail;
        }
        text.len().wrapping_sub(rest.len())
    }

    #[inline(never)]
    fn find<const ANY_PERCENT: bool>(&self, text: &[u8], from: usize) -> Option<usize> {
        let class = |byte: u8| self.0[usize::from(byte)];
        let is_trigger = |byte: &u8| class(*byte) != HARMLESS;
        let mut next = from;
        loop {
            if text.len() >= LONG {
                next = self.skip_prose(text, next);
            }
            let rest = text.get(next..)?;
            // The compiler unrolls the search of eight bytes.
            let skipped = match rest.first_chunk::<8>() {
                Some(eight) => match eight.iter().position(is_trigger) {
                    Some(skipped) => skipped,
                    None => {
                        next = next.wrapping_add(8);
                        continue;
                    }
                },
                None => rest.iter().position(is_trigger)?,
            };
            let at = next.wrapping_add(skipped);
            let class = class(*text.get(at)?);
            next = at.wrapping_add(1);
            // Beyond both ends, the byte is 0, which starts and ends nothing.
            let byte = |at: usize| text.get(at).copied().unwrap_or_default();
            // The bytes beside it reject most letters.
            let asks = match class {
                DIGIT => {
                    while byte(next).is_ascii_digit() {
                        next = next.wrapping_add(1);
                    }
                    let length = next.wrapping_sub(at);
                    (length >= 4 || length > 1 && byte(at.wrapping_sub(1)).is_ascii_alphabetic())
                        && is_number(text, at, next)
                }
                LETTER => is_beside_prefix(byte(at.wrapping_sub(1))) && is_in_prefix(text, at),
                SCHEME => {
                    matches!(byte(next) | 0x20, b'e' | b'a')
                        && matches!(byte(next.wrapping_add(1)) | 0x20, b'a' | b's')
                        && !byte(at.wrapping_sub(1)).is_ascii_alphanumeric()
                }
                ANY => true,
                _ => asks::<ANY_PERCENT>(text, at, class),
            };
            if asks {
                return Some(at);
            }
        }
    }
}

/// Returns `true` for the byte before a letter in a prefix of keys.
const fn is_beside_prefix(byte: u8) -> bool {
    matches!(byte, b'A' | b'B' | b'K' | b'S' | b'f' | b'h' | b's')
}

/// Returns `true` if a scanner must run at the byte at `at`, for the less frequent classes.
#[inline(never)]
fn asks<const ANY_PERCENT: bool>(text: &[u8], at: usize, class: u8) -> bool {
    let byte = |at: usize| text.get(at).copied().unwrap_or_default();
    let (before, next) = (byte(at.wrapping_sub(1)), at.wrapping_add(1));
    match class {
        JWT => before == b'y',
        DASH => byte(next) == b'-' || may_end_prefix(text, at),
        UNDERSCORE => is_key(text, next),
        TAG => byte(next) == b'/',
        // `%`
        _ => ANY_PERCENT || matches!(byte(next), b'2'..=b'4'),
    }
}

/// Returns `true` if the digits from `at` to `next` may be a part of a secret.
#[inline(never)]
fn is_number(text: &[u8], at: usize, next: usize) -> bool {
    let byte = |at: usize| text.get(at).copied().unwrap_or_default();
    match next.wrapping_sub(at) {
        // A card, or the first group of one. A `+` may stand for a space.
        4 if matches!(byte(next), b' ' | b'-' | b'+') => true,
        4 if has_group_after(text, next) => true,
        13.. => true,
        // The check digits after the two letters of an IBAN, or `ya29`.
        _ => {
            let before = |n| byte(at.wrapping_sub(n));
            let letters = before(1).is_ascii_alphabetic() && before(2).is_ascii_alphabetic();
            letters && !before(3).is_ascii_alphanumeric()
        }
    }
}

/// Returns `true` if a separator and three digits follow, as after the first group of a card.
#[inline(never)]
fn has_group_after(text: &[u8], at: usize) -> bool {
    let separator = match text.get(at..).unwrap_or_default() {
        [b'.' | b'_' | b'/' | b'\t', ..] => 1,
        // Spaces and hyphens that do not break.
        [0xc2, 0xa0, ..] => 2,
        [0xe2, 0x80, 0x80..=0xaf, ..] => 3,
        _ => return false,
    };
    let group = text.get(at.saturating_add(separator)..).unwrap_or_default();
    group.len() >= 3 && group.iter().take(3).all(u8::is_ascii_digit)
}

/// Returns `true` if the `-` at `at` may end a prefix of keys: a key follows. Hexadecimal digits
/// before it are usually part of a UUID, and none of the prefixes ends with two of them.
#[inline(never)]
fn may_end_prefix(text: &[u8], at: usize) -> bool {
    let byte = |at: usize| text.get(at).copied().unwrap_or_default();
    let is_hex = |n| byte(at.wrapping_sub(n)).is_ascii_hexdigit();
    let next = at.wrapping_add(1);
    if is_hex(1) && is_hex(2) {
        // `0123456789abcdef0123456789abcdef-us12`
        return byte(next) == b'u' && byte(next.wrapping_add(1)) == b's';
    }
    is_key(text, next)
}

/// Returns `true` if the letter at `at` may be in a prefix of keys.
#[inline(never)]
fn is_in_prefix(text: &[u8], at: usize) -> bool {
    let byte = |at: usize| text.get(at).copied().unwrap_or_default();
    let (before, next) = (byte(at.wrapping_sub(1)), at.wrapping_add(1));
    match (byte(at), before) {
        // `hvs.`, `atlasv1.`
        (b'v', b'h' | b's') => byte(next.wrapping_add(1)) == b'.',
        // `AIza`, `LTAI`
        (b'I', b'A') => byte(next) == b'z' || byte(at.wrapping_sub(2)) == b'T',
        // `AKIA`, `ASIA`, `ABIA`, `AKID`
        (b'I', b'K' | b'S' | b'B') => byte(at.wrapping_sub(2)) == b'A',
        // `SG.`
        (b'G', b'S') => byte(next) == b'.',
        // `ATATT3xFfGF0`
        (b'G', b'f') => true,
        // `SK` and hexadecimal digits
        (b'K', b'S') => byte(next).is_ascii_hexdigit(),
        _ => false,
    }
}

/// Returns `true` if the bytes from `at` on look like the start of a key: 16 letters, digits, `_`
/// and `-`, among them a digit or a capital. Names in lower case have neither.
#[inline(never)]
fn is_key(text: &[u8], at: usize) -> bool {
    let Some(start) = text.get(at..).and_then(|rest| rest.first_chunk::<16>()) else { return false };
    start.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        && start.iter().any(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

/// The length from which testing eight bytes at a time is faster.
const LONG: usize = 192;
