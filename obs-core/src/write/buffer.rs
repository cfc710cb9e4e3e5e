//! A writer of text into memory that is already allocated.
//!
//! A vector checks before each piece if it must grow. Because it may grow, the compiler can assume
//! nothing about its memory after the check. A [`BufferWriter`] only counts a piece that does not
//! fit. In the end, the memory grows and the whole text is written again. The text of a request
//! usually fits at once.

#[cfg(feature = "logs")]
use std::cell::Cell;
use std::fmt;

/// A writer into a piece of memory.
pub(crate) struct BufferWriter<'a> {
    memory: &'a mut [u8],
    at: usize,
}

/// The minimum size of the memory, in bytes.
const FIRST: usize = 1024;

/// Writes a text to the beginning of `memory` and returns its length. Calls `write` again if the
/// memory was too small.
pub(crate) fn write(memory: &mut Vec<u8>, mut write: impl FnMut(&mut BufferWriter<'_>)) -> usize {
    loop {
        let mut buffer = BufferWriter { memory, at: 0 };
        write(&mut buffer);
        let length = buffer.at;
        if length <= memory.len() {
            return length;
        }
        memory.resize(length.max(FIRST).next_power_of_two(), 0);
    }
}

/// Passes a written text to `read`. The text is in memory that the thread reuses.
#[cfg(feature = "logs")]
pub(crate) fn with_written<R>(text: impl FnMut(&mut BufferWriter<'_>), read: impl FnOnce(&[u8]) -> R) -> R {
    /// The limit of memory that a thread keeps, in bytes.
    const KEPT: usize = 64 * 1024;
    thread_local! {
        static MEMORY: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    // The thread-local is gone while its thread ends. A call within `read` finds it empty.
    let mut memory = MEMORY.try_with(Cell::take).unwrap_or_default();
    let length = write(&mut memory, text);
    let result = read(memory.get(..length).unwrap_or_default());
    if memory.len() <= KEPT {
        let _ = MEMORY.try_with(|shared| shared.set(memory));
    }
    result
}

/// Returns a written text in a new vector.
pub(crate) fn written(text: impl FnMut(&mut BufferWriter<'_>)) -> Vec<u8> {
    // Most texts fit at once, and are then written only once.
    let mut memory = vec![0; FIRST];
    let length = write(&mut memory, text);
    memory.truncate(length);
    memory
}

impl BufferWriter<'_> {
    /// The number of bytes written so far.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    // Inlined: a piece whose length is known at compile time becomes a few stores.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    pub(crate) fn put(&mut self, piece: &[u8]) {
        let end = self.at.wrapping_add(piece.len());
        if let Some(place) = self.memory.get_mut(self.at..end) {
            place.copy_from_slice(piece);
        }
        self.at = end;
    }

    /// Writes several pieces, with one check of the remaining size.
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

    /// Replaces the byte at `at`.
    pub(crate) fn replace(&mut self, at: usize, byte: u8) {
        if let Some(place) = self.memory.get_mut(at) {
            *place = byte;
        }
    }
}

impl fmt::Write for BufferWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_does_not_fit_is_written_again() {
        let mut memory = Vec::new();
        for length in [0, 1, 1_000, 1_024, 1_025, 5_000, 3] {
            let text = "x".repeat(length);
            let text = |buffer: &mut BufferWriter<'_>| text.bytes().for_each(|byte| buffer.put(&[byte]));
            let written = write(&mut memory, text);
            assert_eq!((written, super::written(text).len()), (length, length));
            assert!(memory[..written].iter().all(|byte| *byte == b'x'));
        }
        assert_eq!(memory.len(), 8_192);
    }
}
