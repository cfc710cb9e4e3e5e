//! A Bloom filter that recognises most new names without comparing them.

/// A Bloom filter with one bit for each hash. A name whose bit is not set is new and need not be
/// compared with the others. Even with as many names as a request may have, it recognises three of
/// four new names.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct NameFilter([u64; 4]);

impl NameFilter {
    /// Returns `false` if no name with this hash was added.
    pub(crate) fn may_have(&self, hash: u64) -> bool {
        let (word, bit) = Self::place(hash);
        self.0[word] & bit != 0
    }

    pub(crate) fn add(&mut self, hash: u64) {
        let (word, bit) = Self::place(hash);
        self.0[word] |= bit;
    }

    /// Returns the word and the bit of a hash, taken from its lowest bits, which are mixed best.
    const fn place(hash: u64) -> (usize, u64) {
        ((hash >> 6 & 3) as usize, 1 << (hash & 63))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_names_are_found_and_most_new_names_are_not() {
        let mut filter = NameFilter::default();
        let hash = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        (0..64).for_each(|n| filter.add(hash(n)));
        assert!((0..64).all(|n| filter.may_have(hash(n))));
        let taken_for_old = (64..1064).filter(|n| filter.may_have(hash(*n))).count();
        assert!(taken_for_old < 300, "{taken_for_old}");
    }
}
