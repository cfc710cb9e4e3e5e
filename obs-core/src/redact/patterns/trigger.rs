//! Where in a text a scanner is worth asking. Nearly all of what services write has no such place, and every request's path and user
//! agent are looked through; so this is as tight as it can be.

use super::kind::SecretPattern;

/// What a byte may be the start or the middle of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Plain,
    /// One of a number's digits.
    Digit,
    /// `B` of `Bearer` and `Basic`, in any case.
    Scheme,
    /// `J` of `eyJ`.
    Jwt,
    /// `-` before another one.
    Dash,
    /// `%` of `%40`.
    Percent,
    /// A scanner has to look.
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

/// The bytes at which scanners are asked.
pub(super) struct Triggers([Class; 256]);

impl Triggers {
    pub(super) fn of(patterns: impl IntoIterator<Item = SecretPattern>) -> Self {
        let mut classes = [Class::Plain; 256];
        // Whatever is looked for may be hidden by it.
        classes[usize::from(b'%')] = Class::Percent;
        for trigger in patterns.into_iter().flat_map(SecretPattern::triggers) {
            classes[usize::from(*trigger)] = Class::of(*trigger);
        }
        Self(classes)
    }

    /// The next place where a scanner is to be asked.
    pub(super) fn next(&self, text: &[u8], from: usize) -> Option<usize> {
        self.find::<false>(text, from)
    }

    /// Whether there is none, nor anything that is percent-encoded.
    pub(super) fn none_in(&self, text: &[u8]) -> bool {
        self.find::<true>(text, 0).is_none()
    }

    fn find<const ANY_PERCENT: bool>(&self, text: &[u8], from: usize) -> Option<usize> {
        // 0 beyond both ends, where nothing begins or ends.
        let byte = |at: usize| text.get(at).copied().unwrap_or_default();
        let class = |byte: &u8| self.0[usize::from(*byte)];
        let is_plain = |byte: &u8| class(byte) == Class::Plain;
        let mut next = from;
        loop {
            // In prose most are plain: eight at a time and without a branch for each.
            if text.len() >= LONG {
                while let Some(eight) = text.get(next..)?.first_chunk::<8>()
                    && eight.iter().fold(true, |plain, byte| plain & is_plain(byte))
                {
                    next = next.wrapping_add(8);
                }
            }
            while text.get(next).is_some_and(is_plain) {
                next = next.wrapping_add(1);
            }
            let class = class(text.get(next)?);
            let at = next;
            next = at.wrapping_add(1);
            let asks = match class {
                Class::Plain => false,
                Class::Digit => {
                    while byte(next).is_ascii_digit() {
                        next = next.wrapping_add(1);
                    }
                    match next.wrapping_sub(at) {
                        1 => false,
                        // A card, or a group of one: a `+` may stand for a space.
                        4 if matches!(byte(next), b' ' | b'-' | b'+') => true,
                        13.. => true,
                        // Behind the two letters of an IBAN.
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

/// From which length on it is worth to look at eight bytes together.
const LONG: usize = 48;
