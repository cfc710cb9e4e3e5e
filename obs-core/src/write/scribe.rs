//! Writes text into memory that is there already.
//!
//! A vector asks before each piece whether it must grow, and growing could change all that is known of it. Here a piece that does not fit is
//! only counted; in the end the memory grows, and all is written once more. What is written at every request fits.

use std::fmt;

/// Where text is written to.
pub(crate) struct Scribe<'a> {
    memory: &'a mut [u8],
    at: usize,
}

/// The memory that a text begins with.
const FIRST: usize = 1024;

/// Writes a text to the beginning of `memory`, and says how long it is. `write` is called again where there was no room.
pub(crate) fn write(memory: &mut Vec<u8>, mut write: impl FnMut(&mut Scribe<'_>)) -> usize {
    loop {
        let mut scribe = Scribe { memory, at: 0 };
        write(&mut scribe);
        let length = scribe.at;
        if length <= memory.len() {
            return length;
        }
        memory.resize(length.max(FIRST).next_power_of_two(), 0);
    }
}

/// The same as a vector of its own.
pub(crate) fn written(text: impl FnMut(&mut Scribe<'_>)) -> Vec<u8> {
    let mut memory = Vec::new();
    let length = write(&mut memory, text);
    memory.truncate(length);
    memory
}

impl Scribe<'_> {
    /// How much was written so far.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    // A piece of which the length is known at compile time is then a few stores.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    pub(crate) fn put(&mut self, piece: &[u8]) {
        let end = self.at.wrapping_add(piece.len());
        if let Some(place) = self.memory.get_mut(self.at..end) {
            place.copy_from_slice(piece);
        }
        self.at = end;
    }

    /// The same for several pieces: whether there is room is asked once.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    pub(crate) fn put_all<const N: usize>(&mut self, pieces: [&[u8]; N]) {
        let end = pieces.iter().fold(self.at, |end, piece| end.wrapping_add(piece.len()));
        if let Some(mut rest) = self.memory.get_mut(self.at..end) {
            for piece in pieces {
                let Some((place, behind)) = rest.split_at_mut_checked(piece.len()) else { break };
                place.copy_from_slice(piece);
                rest = behind;
            }
        }
        self.at = end;
    }

    /// Puts another byte in the place of one.
    pub(crate) fn replace(&mut self, at: usize, byte: u8) {
        if let Some(place) = self.memory.get_mut(at) {
            *place = byte;
        }
    }
}

impl fmt::Write for Scribe<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_written_again() {
        let mut memory = Vec::new();
        for length in [0, 1, 1_000, 1_024, 1_025, 5_000, 3] {
            let text = "x".repeat(length);
            let text = |scribe: &mut Scribe<'_>| text.bytes().for_each(|byte| scribe.put(&[byte]));
            let written = write(&mut memory, text);
            assert_eq!((written, super::written(text).len()), (length, length));
            assert!(memory[..written].iter().all(|byte| *byte == b'x'));
        }
        assert_eq!(memory.len(), 8_192);
    }
}
