//! Numbers that many threads add to and few read: one copy per shard, a thread always adds to its own.

use crate::base::{
    sync::{AtomicU64, Ordering},
    thread,
};

/// Words of a line: two cache lines of 64 bytes, because processors fetch them in pairs.
const WORDS: usize = 16;

#[repr(align(128))]
#[derive(Debug)]
struct CacheLine([AtomicU64; WORDS]);

/// A fixed set of numbers, each kept once per shard.
///
/// Additions are relaxed: a reader sees each number grow, and all of them once the writers are joined. It may
/// see one number of an observation before another.
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

    /// Adds to a number; wraps around, so that adding `n.wrapping_neg()` takes `n` away.
    pub(crate) fn add(&self, number: usize, n: u64) {
        self.current_shard().add(number, n);
    }

    /// The numbers that this thread adds to.
    pub(crate) fn current_shard(&self) -> Shard<'_> {
        self.shard(thread::number())
    }

    /// The numbers of a shard.
    fn shard(&self, shard: usize) -> Shard<'_> {
        let first = (shard & self.shards.wrapping_sub(1)).wrapping_mul(self.lines_per_shard);
        Shard(self.lines.get(first..first.wrapping_add(self.lines_per_shard)).unwrap_or_default())
    }

    /// The number over all shards.
    pub(crate) fn sum(&self, number: usize) -> u64 {
        let shards = (0..self.shards).filter_map(|shard| self.shard(shard).word(number));
        shards.fold(0, |sum, word| sum.wrapping_add(word.load(Ordering::Relaxed)))
    }

    /// The first `count` numbers, each over all shards.
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

    /// The sum of a number that is added to and taken from: shards are read one after the other, so what
    /// started in one and ended in another meanwhile may seem to be less than nothing.
    pub(crate) fn level(&self, number: usize) -> u64 {
        u64::try_from(self.sum(number).cast_signed()).unwrap_or_default()
    }
}

/// A thread's own copy of the numbers.
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

/// How many shards this machine is worth.
pub(crate) fn default_shards() -> usize {
    std::thread::available_parallelism().map_or(4, std::num::NonZero::get).clamp(1, 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_beyond_one_line_are_kept_apart() {
        let sharded = Sharded::new(40, 3);
        for number in 0..40 {
            sharded.add(number, number as u64);
        }
        assert!((0..40).all(|number| sharded.sum(number) == number as u64));
        assert!(sharded.sums(40).iter().copied().eq(0..40));
        sharded.add(7, 8_u64.wrapping_neg());
        assert_eq!(sharded.level(7), 0, "not less than nothing");
        assert_eq!(sharded.level(8), 8);
    }
}
