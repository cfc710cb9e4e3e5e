//! Where in a text a scanner is worth asking. Nearly all of what services write has no such place, and every request's path and user
//! agent are looked through; so this is as tight as it can be.

use super::SecretPattern;

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
        for trigger in patterns.into_iter().flat_map(SecretPattern::triggers) {
            classes[usize::from(*trigger)] = Class::of(*trigger);
        }
        Self(classes)
    }

    /// The next place where a scanner is to be asked.
    pub(super) fn next(&self, text: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        while at < text.len() {
            let start = at;
            at = at.wrapping_add(EIGHT);
            let mut hits = self.hits(text.get(start..)?);
            while hits != 0 {
                let here = start.wrapping_add(hits.trailing_zeros() as usize);
                hits &= hits.wrapping_sub(1);
                match self.asks(text, here) {
                    Asked::Yes => return Some(here),
                    Asked::No => {}
                    // Of a number's digits the first one is enough.
                    Asked::NotBefore(end) => {
                        hits &= u8::MAX.checked_shl(end.wrapping_sub(start) as u32).unwrap_or_default();
                        at = at.max(end);
                    }
                }
            }
        }
        None
    }

    /// Which of the next eight bytes are triggers, as one bit for each: most have none, and none costs a branch.
    fn hits(&self, text: &[u8]) -> u8 {
        let mut eight = [0; EIGHT];
        let eight = text.first_chunk::<EIGHT>().unwrap_or_else(|| {
            eight.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
            &eight
        });
        let hit = |hits: u8, (place, byte): (usize, &u8)| {
            hits | u8::from(self.0[usize::from(*byte)] != Class::Plain) << place
        };
        eight.iter().enumerate().fold(0, hit)
    }

    fn asks(&self, text: &[u8], at: usize) -> Asked {
        let byte = |at: Option<usize>| at.and_then(|at| text.get(at)).copied().unwrap_or_default();
        let (before, next) = (at.checked_sub(1), at.checked_add(1));
        let asks = match self.0[usize::from(byte(Some(at)))] {
            Class::Plain => false,
            Class::Digit => {
                let rest = text.get(at..).unwrap_or_default();
                let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
                // Of a card or one of its groups, or behind the letters of an IBAN.
                let asks = digits == 4 || digits >= 13 || digits >= 2 && byte(before).is_ascii_alphabetic();
                return if asks { Asked::Yes } else { Asked::NotBefore(at.wrapping_add(digits)) };
            }
            Class::Scheme => {
                let letters = (byte(next) | 0x20, byte(at.checked_add(2)) | 0x20);
                matches!(letters, (b'e', b'a') | (b'a', b's'))
            }
            Class::Jwt => byte(before) == b'y',
            Class::Dash => byte(next) == b'-',
            Class::Percent => byte(next) == b'4',
            Class::Any => true,
        };
        if asks { Asked::Yes } else { Asked::No }
    }
}

/// How many bytes are looked at together.
const EIGHT: usize = 8;

/// Whether a scanner is to be asked somewhere.
enum Asked {
    Yes,
    No,
    NotBefore(usize),
}
