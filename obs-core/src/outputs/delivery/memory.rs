//! The memory that a batch keeps for the next batch.

/// The bytes of memory that a vector keeps, even if its batches are small.
pub(super) const KEPT: usize = 256 * 1024;

/// The decay of the remembered batch size: one part in `FORGETS` with each batch.
const FORGETS: usize = 64;

/// The capacity that a vector keeps. Memory that every batch needs is kept. Memory of a burst is
/// freed.
#[derive(Default)]
pub(super) struct Room {
    /// The length of the largest recent batch.
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

    /// Frees the memory beyond the minimum, because no entries arrive.
    pub(super) fn idle<T>(&mut self, empty: &mut Vec<T>) {
        self.largest = 0;
        empty.shrink_to(kept::<T>());
    }
}

/// The number of items for which a vector keeps capacity.
pub(super) const fn kept<T>() -> usize {
    KEPT / if size_of::<T>() == 0 { 1 } else { size_of::<T>() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_a_burst_is_freed_and_memory_of_usual_batches_is_kept() {
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
