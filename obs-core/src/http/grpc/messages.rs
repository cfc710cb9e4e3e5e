//! A counter of gRPC messages.

/// The length of a message's prefix: a byte of flags and four bytes of length (gRPC over HTTP/2,
/// "Length-Prefixed-Message").
const PREFIX: u8 = 5;

/// Counts the messages of a body while it passes, however it is split into frames.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    count: u64,
    /// The number of bytes of the current prefix that were read.
    prefix: u8,
    length: u32,
    /// The number of bytes that the current message still lacks.
    rest: u32,
}

impl Messages {
    /// Reads the next bytes of the body.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        while let Some((first, after)) = bytes.split_first() {
            if self.rest > 0 {
                let here = bytes.len().min(usize::try_from(self.rest).unwrap_or(usize::MAX));
                self.rest = self.rest.saturating_sub(u32::try_from(here).unwrap_or(u32::MAX));
                bytes = bytes.get(here..).unwrap_or_default();
                continue;
            }
            if self.prefix == 0 {
                self.count = self.count.saturating_add(1);
                self.length = 0;
            } else {
                self.length = self.length << 8 | u32::from(*first);
            }
            self.prefix = self.prefix.saturating_add(1);
            if self.prefix == PREFIX {
                (self.prefix, self.rest) = (0, self.length);
            }
            bytes = after;
        }
    }

    /// The number of messages that have started.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// Returns `true` if the last message is incomplete.
    pub(crate) const fn is_inside_message(&self) -> bool {
        self.prefix > 0 || self.rest > 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(lengths: &[u8]) -> Vec<u8> {
        let message = |length: &u8| {
            let mut message = vec![0, 0, 0, 0, *length];
            message.extend(std::iter::repeat_n(7, usize::from(*length)));
            message
        };
        lengths.iter().flat_map(message).collect()
    }

    #[test]
    fn incomplete_messages_are_counted() {
        let mut messages = Messages::default();
        messages.read(&body(&[3, 0]));
        assert_eq!((messages.count(), messages.is_inside_message()), (2, false));
        messages.read(&[0, 0]);
        assert_eq!((messages.count(), messages.is_inside_message()), (3, true));
        messages.read(&[0, 0, 2, 1]);
        assert_eq!((messages.count(), messages.is_inside_message()), (3, true));
        messages.read(&[1]);
        assert_eq!((messages.count(), messages.is_inside_message()), (3, false));
    }

    proptest! {
        #[test]
        fn messages_are_counted_in_pieces_of_any_size(lengths in prop::collection::vec(any::<u8>(), 0..8), cut in 1_usize..40) {
            let mut messages = Messages::default();
            body(&lengths).chunks(cut).for_each(|piece| messages.read(piece));
            prop_assert_eq!(messages.count(), lengths.len() as u64);
            prop_assert!(!messages.is_inside_message());
        }

        #[test]
        fn any_bytes_are_accepted(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            Messages::default().read(&bytes);
        }
    }
}
