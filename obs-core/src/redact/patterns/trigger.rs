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
        let class = |b: u8| self.0[usize::from(b)];
        let mut at = from;
        loop {
            let rest = text.get(at..)?;
            // Eight at a time and without a branch for each: most have none.
            if let Some(eight) = rest.first_chunk::<8>()
                && eight.iter().fold(0, |all, b| all | class(*b) as u8) == Class::Plain as u8
            {
                at = at.saturating_add(8);
                continue;
            }
            let end = at.saturating_add(8);
            while at < end {
                let byte = *text.get(at)?;
                let follows = |n: usize| text.get(at.saturating_add(n)).copied().unwrap_or_default();
                let asks = match class(byte) {
                    Class::Plain => false,
                    Class::Digit => {
                        let digits = text.get(at..)?.iter().take_while(|b| b.is_ascii_digit()).count();
                        let before = at.checked_sub(1).and_then(|before| text.get(before));
                        // Of a card or one of its groups, or behind the letters of an IBAN.
                        if digits == 4
                            || digits >= 13
                            || digits >= 2 && before.is_some_and(u8::is_ascii_alphabetic)
                        {
                            return Some(at);
                        }
                        at = at.saturating_add(digits);
                        continue;
                    }
                    Class::Scheme => matches!((follows(1) | 0x20, follows(2) | 0x20), (b'e', b'a') | (b'a', b's')),
                    Class::Jwt => at.checked_sub(1).and_then(|before| text.get(before)) == Some(&b'y'),
                    Class::Dash => follows(1) == b'-',
                    Class::Percent => follows(1) == b'4',
                    Class::Any => true,
                };
                if asks {
                    return Some(at);
                }
                at = at.saturating_add(1);
            }
        }
    }
}
