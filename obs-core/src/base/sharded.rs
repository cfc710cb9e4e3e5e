//! Numbers that many threads change and few threads read. Each shard has a copy, and a thread
//! always adds to the same shard.

use crate::base::{
    sync::{AtomicU64, Ordering},
    thread,
};

/// The number of words in a line. A line is two cache lines of 64 bytes, because processors fetch
/// them in pairs.
const WORDS: usize = 16;

#[repr(align(128))]
#[derive(Debug)]
struct CacheLine([AtomicU64; WORDS]);

/// A fixed set of numbers with a copy per shard.
///
/// Additions are relaxed. A reader sees each number grow, and it sees all additions once the
/// writers are joined. It may see one number of an observation before another.
#[derive(Debug)]
pub(crate) struct Sharded {
    lines: Box<[CacheLine]>,
    lines_per_shard: usize,
    shards: usize,
}

impl Sharded {
    pub(crate) fn new(numbers: usize, shards: usize) -> Self {
        let lines_per_shard = numbers.div_ceil(WORDS).max(1);
        let shards = shards.max(1).next_power_of_two();
        let line = |_| CacheLine(std::array::from_fn(|_| AtomicU64::new(0)));
        let lines = (0..lines_per_shard.saturating_mul(shards)).map(line).collect();
        Self { lines, lines_per_shard, shards }
    }

    /// Adds to a number. The addition wraps around, so adding `n.wrapping_neg()` subtracts `n`.
    pub(crate) fn add(&self, number: usize, n: u64) {
        self.current_shard().add(number, n);
    }

    /// Returns the shard of this thread.
    pub(crate) fn current_shard(&self) -> Shard<'_> {
        self.shard(thread::number())
    }

    /// Returns a shard.
    fn shard(&self, shard: usize) -> Shard<'_> {
        let first = (shard & self.shards.wrapping_sub(1)).wrapping_mul(self.lines_per_shard);
        Shard(self.lines.get(first..first.wrapping_add(self.lines_per_shard)).unwrap_or_default())
    }

    /// Returns the sum of a number over all shards.
    pub(crate) fn sum(&self, number: usize) -> u64 {
        let shards = (0..self.shards).filter_map(|shard| self.shard(shard).word(number));
        shards.fold(0, |sum, word| sum.wrapping_add(word.load(Ordering::Relaxed)))
    }

    /// Returns the sums of the first `count` numbers over all shards.
    pub(crate) fn sums(&self, count: usize) -> Box<[u64]> {
        let mut sums = vec![0_u64; count].into_boxed_slice();
        for shard in 0..self.shards {
            let words = self.shard(shard).0.iter().flat_map(|CacheLine(words)| words);
            for (sum, word) in sums.iter_mut().zip(words) {
                *sum = sum.wrapping_add(word.load(Ordering::Relaxed));
            }
        }
        sums
    }

    /// Returns the sum of a number that grows and shrinks. The shards are read one after the other,
    /// so a request that moves between shards meanwhile could make the sum negative. Such a sum
    /// counts as 0.
    pub(crate) fn level(&self, number: usize) -> u64 {
        u64::try_from(self.sum(number).cast_signed()).unwrap_or_default()
    }
}

/// The copy of the numbers in one shard.
#[derive(Clone, Copy)]
pub(crate) struct Shard<'a>(&'a [CacheLine]);

impl<'a> Shard<'a> {
    pub(crate) fn add(self, number: usize, n: u64) {
        if let Some(word) = self.word(number) {
            word.fetch_add(n, Ordering::Relaxed);
        }
    }

    fn word(self, number: usize) -> Option<&'a AtomicU64> {
        self.0.get(number / WORDS)?.0.get(number % WORDS)
    }
}

/// Returns the number of shards for this machine.
pub(crate) fn default_shards() -> usize {
    std::thread::available_parallelism().map_or(4, std::num::NonZero::get).clamp(1, 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_several_cache_lines_are_independent() {
        let sharded = Sharded::new(40, 3);
        for number in 0..40 {
            sharded.add(number, number as u64);
        }
        assert!((0..40).all(|number| sharded.sum(number) == number as u64));
        assert!(sharded.sums(40).iter().copied().eq(0..40));
        sharded.add(7, 8_u64.wrapping_neg());
        assert_eq!(sharded.level(7), 0, "not negative");
        assert_eq!(sharded.level(8), 8);
    }
}
