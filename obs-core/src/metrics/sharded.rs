//! Numbers that many threads add to and few read: one copy per shard, a thread always adds to its own.

use std::sync::atomic::AtomicUsize;

use crate::sync::{AtomicU64, Ordering};

/// Words of a line: two cache lines of 64 bytes, because processors fetch them in pairs.
const WORDS: usize = 16;

#[repr(align(128))]
#[derive(Debug)]
struct Line([AtomicU64; WORDS]);

/// A fixed set of numbers, each kept once per shard.
///
/// Additions are relaxed: a reader sees each number grow, and all of them once the writers are joined. It may
/// see one number of an observation before another.
#[derive(Debug)]
pub(crate) struct Sharded {
    lines: Box<[Line]>,
    lines_per_shard: usize,
    shards: usize,
}

impl Sharded {
    pub(crate) fn new(numbers: usize, shards: usize) -> Self {
        let lines_per_shard = numbers.div_ceil(WORDS).max(1);
        let shards = shards.max(1).next_power_of_two();
        let line = |_| Line(std::array::from_fn(|_| AtomicU64::new(0)));
        let lines = (0..lines_per_shard.saturating_mul(shards)).map(line).collect();
        Self { lines, lines_per_shard, shards }
    }

    /// Adds to a number; wraps around, so that adding `n.wrapping_neg()` takes `n` away.
    pub(crate) fn add(&self, number: usize, n: u64) {
        self.add_in(thread_shard(), number, n);
    }

    pub(crate) fn add_in(&self, shard: usize, number: usize, n: u64) {
        if let Some(word) = self.word(shard & self.shards.wrapping_sub(1), number) {
            word.fetch_add(n, Ordering::Relaxed);
        }
    }

    /// The number over all shards.
    pub(crate) fn sum(&self, number: usize) -> u64 {
        (0..self.shards)
            .filter_map(|shard| self.word(shard, number))
            .fold(0, |sum, word| sum.wrapping_add(word.load(Ordering::Relaxed)))
    }

    /// The same of a number that is added to and taken from: shards are read one after the other, so what
    /// started in one and ended in another meanwhile may seem to be less than nothing.
    pub(crate) fn level(&self, number: usize) -> u64 {
        u64::try_from(self.sum(number).cast_signed()).unwrap_or_default()
    }

    fn word(&self, shard: usize, number: usize) -> Option<&AtomicU64> {
        let line = shard.wrapping_mul(self.lines_per_shard).wrapping_add(number / WORDS);
        self.lines.get(line)?.0.get(number % WORDS)
    }
}

/// How many shards this machine is worth.
pub(crate) fn default_shards() -> usize {
    std::thread::available_parallelism().map_or(4, std::num::NonZero::get).clamp(1, 16)
}

/// Threads are numbered in the order of their first use.
fn thread_shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: usize = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
    SHARD.try_with(|shard| *shard).unwrap_or_default()
}

/// A cumulative histogram of durations.
///
/// The sum is kept in whole nanoseconds, which lasts for 584 years and needs no compare-and-swap loop; the
/// count is the sum of the buckets, so it always equals the `+Inf` bucket.
#[derive(Debug)]
pub(crate) struct Histogram {
    /// Upper bounds in nanoseconds, ascending.
    bounds: &'static [u64],
    /// The sum, then one number per bucket, the last one without bound.
    numbers: Sharded,
}

/// A histogram's state at a scrape.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// Cumulative, one per bound and one for `+Inf`.
    pub(crate) buckets: Vec<u64>,
    pub(crate) sum_nanos: u64,
}

impl Snapshot {
    pub(crate) fn count(&self) -> u64 {
        self.buckets.last().copied().unwrap_or_default()
    }
}

impl Histogram {
    const SUM: usize = 0;
    const FIRST_BUCKET: usize = 1;

    pub(crate) fn new(bounds: &'static [u64], shards: usize) -> Self {
        let numbers = bounds.len().saturating_add(Self::FIRST_BUCKET).saturating_add(1);
        Self { bounds, numbers: Sharded::new(numbers, shards) }
    }

    pub(crate) fn observe(&self, nanos: u64) {
        self.observe_in(thread_shard(), nanos);
    }

    fn observe_in(&self, shard: usize, nanos: u64) {
        // A bound belongs to its own bucket.
        let bucket = self.bounds.partition_point(|bound| *bound < nanos);
        self.numbers.add_in(shard, bucket.saturating_add(Self::FIRST_BUCKET), 1);
        self.numbers.add_in(shard, Self::SUM, nanos);
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut total = 0_u64;
        let buckets = (0..=self.bounds.len())
            .map(|bucket| {
                let own = self.numbers.sum(bucket.saturating_add(Self::FIRST_BUCKET));
                total = total.saturating_add(own);
                total
            })
            .collect();
        Snapshot { buckets, sum_nanos: self.numbers.sum(Self::SUM) }
    }
}

#[cfg(all(test, not(obs_loom)))]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    #[test]
    fn bounds_are_inclusive() {
        let histogram = Histogram::new(&[10, 20], 2);
        for nanos in [0, 10, 11, 20, 21] {
            histogram.observe(nanos);
        }
        assert_eq!(histogram.snapshot(), Snapshot { buckets: vec![2, 4, 5], sum_nanos: 62 });
    }

    #[test]
    fn numbers_beyond_one_line_are_kept_apart() {
        let sharded = Sharded::new(40, 3);
        for number in 0..40 {
            sharded.add(number, number as u64);
        }
        assert!((0..40).all(|number| sharded.sum(number) == number as u64));
        sharded.add(7, 8_u64.wrapping_neg());
        assert_eq!(sharded.level(7), 0, "not less than nothing");
        assert_eq!(sharded.level(8), 8);
    }

    #[test]
    fn threads_lose_nothing() {
        let histogram = Arc::new(Histogram::new(&[10], 4));
        let threads: Vec<_> = (0..8)
            .map(|n| {
                let histogram = Arc::clone(&histogram);
                thread::spawn(move || (0..10_000).for_each(|_| histogram.observe(n * 2)))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        let snapshot = histogram.snapshot();
        assert_eq!(snapshot.buckets, [60_000, 80_000]);
        assert_eq!(snapshot.sum_nanos, 560_000);
    }
}

/// Every interleaving of two writers, in one shard and in two, and a reader, under the memory model.
/// `RUSTFLAGS="--cfg obs_loom" cargo test -p obs-core --lib --release loom`
#[cfg(all(test, obs_loom))]
mod loom_tests {
    use loom::{sync::Arc, thread};

    use super::*;

    /// Two threads observe, each in its shard, while a third scrapes.
    fn check(shards: [usize; 2]) {
        loom::model(move || {
            let histogram = Arc::new(Histogram::new(&[10], 2));
            let writers = [(shards[0], 5), (shards[1], 50)].map(|(shard, nanos)| {
                let histogram = Arc::clone(&histogram);
                thread::spawn(move || histogram.observe_in(shard, nanos))
            });
            let during = histogram.snapshot();
            let [first, all] = during.buckets[..] else { panic!("two buckets") };
            assert!(first <= 1 && all <= 2 && first <= all, "never more than was observed");
            assert!([0, 5, 50, 55].contains(&during.sum_nanos), "never a torn sum");
            for writer in writers {
                writer.join().expect("no panic");
            }
            let last = histogram.snapshot();
            assert_eq!(last, Snapshot { buckets: vec![1, 2], sum_nanos: 55 }, "nothing is lost");
        });
    }

    #[test]
    fn loom_one_shard() {
        check([0, 0]);
    }

    #[test]
    fn loom_two_shards() {
        check([0, 1]);
    }
}
