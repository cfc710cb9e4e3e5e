//! Sets of names, compared by their letters.

use super::words::is_word;

/// Returns the letters and digits of a name in lower case, without any other bytes.
pub(super) fn letters(name: &str) -> Vec<u8> {
    name.bytes().filter(|b| is_word(*b)).map(|b| b.to_ascii_lowercase()).collect()
}

/// A set of names, given by their letters and grouped by length. The length and the first letter
/// usually decide a look-up.
pub(super) struct LetterSet(Vec<SameLength>);

/// The names of one length.
#[derive(Default)]
struct SameLength {
    /// The first letters of all names, one bit for each. Other characters share a bit.
    firsts: u32,
    names: Vec<Box<[u8]>>,
}

/// The bit of a first letter.
const fn bit(letters: &[u8]) -> u32 {
    match letters.first() {
        Some(first) => 1 << (*first & 31),
        None => 0,
    }
}

impl LetterSet {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn of(names: &[&str]) -> Self {
        let mut set = Self(Vec::new());
        for name in names.iter().flat_map(|names| names.split(' ')) {
            set.insert(name.as_bytes());
        }
        set
    }

    pub(super) fn insert(&mut self, letters: &[u8]) {
        if self.has(letters) {
            return;
        }
        if self.0.len() <= letters.len() {
            self.0.resize_with(letters.len().saturating_add(1), SameLength::default);
        }
        if let Some(same) = self.0.get_mut(letters.len()) {
            same.firsts |= bit(letters);
            same.names.push(letters.into());
        }
    }

    pub(super) fn remove(&mut self, letters: &[u8]) {
        if let Some(same) = self.0.get_mut(letters.len()) {
            same.names.retain(|name| **name != *letters);
        }
    }

    pub(super) fn has(&self, letters: &[u8]) -> bool {
        let Some(same) = self.0.get(letters.len()) else { return false };
        same.firsts & bit(letters) != 0
            && same.names.iter().any(|name| name.first() == letters.first() && **name == *letters)
    }

    /// Returns `true` if the set has the name, or the name without a plural `s` or a number at its
    /// end: `passwords`, `token2`.
    pub(super) fn has_variant_of(&self, letters: &[u8]) -> bool {
        if self.has(letters) {
            return true;
        }
        match letters.last() {
            Some(b's') => self.has(letters.get(..letters.len().saturating_sub(1)).unwrap_or_default()),
            Some(b'0'..=b'9') => {
                let digits = letters.iter().rev().take_while(|b| b.is_ascii_digit()).count();
                self.has(letters.get(..letters.len().saturating_sub(digits)).unwrap_or_default())
            }
            _ => false,
        }
    }
}
