//! The memory that a batch keeps for the next one.

/// The bytes of memory that a vector keeps, however small its batches are.
pub(super) const KEPT: usize = 256 * 1024;

/// The speed with which a large batch is forgotten: by one part in so many with each batch since.
const FORGETS: usize = 64;

/// The room that a vector keeps: memory that every batch needs stays, memory that a burst has taken
/// is freed.
#[derive(Default)]
pub(super) struct Room {
    /// The length of the largest batch of late.
    largest: usize,
}

impl Room {
    /// Empties the vector after a batch.
    pub(super) fn after<T>(&mut self, batch: &mut Vec<T>) {
        self.largest = batch.len().max(self.largest.saturating_sub(self.largest.div_ceil(FORGETS)));
        batch.clear();
        let enough = self.largest.saturating_mul(2).max(kept::<T>());
        if batch.capacity() > enough {
            batch.shrink_to(enough);
        }
    }

    /// Frees what is more than the least, because nothing comes any more.
    pub(super) fn idle<T>(&mut self, empty: &mut Vec<T>) {
        self.largest = 0;
        empty.shrink_to(kept::<T>());
    }
}

/// The items that a vector keeps room for.
pub(super) const fn kept<T>() -> usize {
    KEPT / if size_of::<T>() == 0 { 1 } else { size_of::<T>() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bursts_room_is_given_back_and_a_batchs_is_kept() {
        const BATCH: usize = 3 * KEPT;
        let (mut room, mut bytes) = (Room::default(), vec![0_u8; 8 * BATCH]);
        room.after(&mut bytes);
        assert_eq!((bytes.len(), bytes.capacity()), (0, 8 * BATCH), "the next may be as large");
        for _ in 0..FORGETS * 8 {
            bytes.resize(BATCH, 0);
            room.after(&mut bytes);
            assert!(bytes.capacity() >= BATCH);
        }
        assert!(bytes.capacity() <= 2 * BATCH, "{}", bytes.capacity());
        room.idle(&mut bytes);
        assert_eq!(bytes.capacity(), KEPT);
    }
}
