//! A search for the places in a text where a scanner must run.
//!
//! Almost no text of a service has such a place, and every request's path and user agent are
//! searched. So this search must be as fast as possible.

use super::kind::SecretPattern;

/// The meaning of a byte: a secret may start at it or contain it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Harmless,
    /// A digit of a number.
    Digit,
    /// The `B` of `Bearer` and `Basic`, in any case.
    Scheme,
    /// The `J` of `eyJ`.
    Jwt,
    /// A `-` before another one.
    Dash,
    /// The `%` of `%40`.
    Percent,
    /// A byte at which a scanner must always run.
    Any,
}

impl Class {
    const fn of(trigger: u8) -> Self {
        match trigger {
            b'0'..=b'9' => Self::Digit,
            b'B' | b'b' => Self::Scheme,
            b'J' => Self::Jwt,
            b'-' => Self::Dash,
            b'%' => Self::Percent,
            _ => Self::Any,
        }
    }
}

/// The bytes at which scanners run.
pub(super) struct Triggers([Class; 256]);

impl Triggers {
    pub(super) fn of(patterns: impl IntoIterator<Item = SecretPattern>) -> Self {
        let mut classes = [Class::Harmless; 256];
        // Percent-encoding may hide any secret.
        classes[usize::from(b'%')] = Class::Percent;
        for trigger in patterns.into_iter().flat_map(SecretPattern::triggers) {
            classes[usize::from(*trigger)] = Class::of(*trigger);
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

    fn find<const ANY_PERCENT: bool>(&self, text: &[u8], from: usize) -> Option<usize> {
        // Beyond both ends, the byte is 0, which starts and ends nothing.
        let byte = |at: usize| text.get(at).copied().unwrap_or_default();
        let class = |byte: &u8| self.0[usize::from(*byte)];
        let is_harmless = |byte: &u8| class(byte) == Class::Harmless;
        let mut next = from;
        loop {
            // In prose, most bytes are harmless: tests eight at a time, without a branch for each.
            if text.len() >= LONG {
                while let Some(eight) = text.get(next..)?.first_chunk::<8>()
                    && eight.iter().fold(true, |harmless, byte| harmless & is_harmless(byte))
                {
                    next = next.wrapping_add(8);
                }
            }
            while text.get(next).is_some_and(is_harmless) {
                next = next.wrapping_add(1);
            }
            let class = class(text.get(next)?);
            let at = next;
            next = at.wrapping_add(1);
            let asks = match class {
                Class::Harmless => false,
                Class::Digit => {
                    while byte(next).is_ascii_digit() {
                        next = next.wrapping_add(1);
                    }
                    match next.wrapping_sub(at) {
                        1 => false,
                        // A card, or the first group of one. A `+` may stand for a space.
                        4 if matches!(byte(next), b' ' | b'-' | b'+') => true,
                        13.. => true,
                        // The check digits after the two letters of an IBAN.
                        _ => {
                            let before = |n| byte(at.wrapping_sub(n));
                            let letters = before(1).is_ascii_alphabetic() && before(2).is_ascii_alphabetic();
                            letters && !before(3).is_ascii_alphanumeric()
                        }
                    }
                }
                Class::Scheme => {
                    let letters = (byte(next) | 0x20, byte(next.wrapping_add(1)) | 0x20);
                    matches!(letters, (b'e', b'a') | (b'a', b's'))
                }
                Class::Jwt => byte(at.wrapping_sub(1)) == b'y',
                Class::Dash => byte(next) == b'-',
                Class::Percent => ANY_PERCENT || byte(next) == b'4',
                Class::Any => true,
            };
            if asks {
                return Some(at);
            }
        }
    }
}

/// The length from which testing eight bytes at a time is faster.
const LONG: usize = 48;
