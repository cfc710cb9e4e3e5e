//! Cumulative histograms. All histograms of a time series share one block of numbers.

use std::sync::Arc;

use crate::base::sharded::{Shard, Sharded};

/// The unit of a histogram. Observations are whole numbers in a raw unit. Pages show the base unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Seconds, with nanoseconds as the raw unit.
    Seconds,
    Bytes,
}

impl Unit {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
        }
    }

    pub(crate) fn of_raw(self, raw: u64) -> f64 {
        match self {
            Self::Seconds => raw as f64 / 1e9,
            Self::Bytes => raw as f64,
        }
    }

    fn to_raw(self, value: f64) -> u64 {
        match self {
            Self::Seconds => (value * 1e9).round() as u64,
            Self::Bytes => value.floor() as u64,
        }
    }
}

/// The ascending upper bounds of a histogram's buckets, without `+Inf`.
#[derive(Debug)]
pub(crate) struct BucketBounds {
    pub(crate) unit: Unit,
    /// The bounds in the base unit.
    pub(crate) upper: Arc<[f64]>,
    raw: Box<[u64]>,
}

impl BucketBounds {
    pub(crate) fn new(unit: Unit, upper: &[f64]) -> Self {
        let raw = upper.iter().map(|bound| unit.to_raw(*bound)).collect();
        Self { unit, upper: upper.into(), raw }
    }

    /// Returns the bucket of `raw`. A bucket includes its upper bound.
    ///
    /// Most observations fall into the first buckets, so a linear search is faster than a binary
    /// one.
    pub(crate) fn bucket(&self, raw: u64) -> usize {
        self.raw.iter().take_while(|bound| **bound < raw).count()
    }

    /// Returns the number of buckets, including `+Inf`.
    pub(crate) fn buckets(&self) -> usize {
        self.upper.len().saturating_add(1)
    }
}

/// The layout of a block of histograms. Each histogram has its sum, followed by one number per
/// bucket.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    parts: Arc<[HistogramPart]>,
    numbers: usize,
}

#[derive(Debug)]
struct HistogramPart {
    bounds: BucketBounds,
    /// The place of the sum, or [`ABSENT`].
    sum: usize,
}

/// The place of a histogram that is switched off. It lies outside of every block, so nothing is
/// counted there.
const ABSENT: usize = usize::MAX / 2;

impl HistogramPart {
    const fn exists(&self) -> bool {
        self.sum != ABSENT
    }
}

impl Layout {
    /// Creates the layout of these histograms. `None` is a histogram that is switched off: it takes
    /// no memory, and the others keep their indexes.
    pub(crate) fn new(bounds: Vec<Option<BucketBounds>>) -> Self {
        let mut numbers = 0_usize;
        let part = |bounds: Option<BucketBounds>| {
            let Some(bounds) = bounds else {
                return HistogramPart { bounds: BucketBounds::new(Unit::Bytes, &[]), sum: ABSENT };
            };
            let sum = numbers;
            numbers = numbers.saturating_add(bounds.buckets()).saturating_add(1);
            HistogramPart { bounds, sum }
        };
        let parts = bounds.into_iter().map(part).collect();
        Self { parts, numbers }
    }

    fn part(&self, part: usize) -> Option<&HistogramPart> {
        self.parts.get(part).filter(|part| part.exists())
    }

    /// The bounds of a histogram; `None` if it is switched off.
    pub(crate) fn bounds(&self, part: usize) -> Option<&BucketBounds> {
        self.part(part).map(|part| &part.bounds)
    }
}

/// The histograms of one time series.
///
/// A sum is a whole number of raw units, which needs no compare-and-swap loop. Nanoseconds suffice
/// for 584 years. A count is the sum of the buckets, so it always equals the `+Inf` bucket.
#[derive(Debug)]
pub(crate) struct Histograms {
    layout: Layout,
    numbers: Sharded,
}

/// The numbers of all histograms of a block at a scrape, in the layout of the block.
#[derive(Debug)]
pub(crate) struct Snapshot(Box<[u64]>);

/// One histogram of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HistogramState<'a> {
    /// The sum in raw units.
    pub(crate) sum: u64,
    /// The cumulative counts: one per bound, and one for `+Inf`.
    pub(crate) buckets: &'a [u64],
}

impl HistogramState<'_> {
    pub(crate) fn count(&self) -> u64 {
        self.buckets.last().copied().unwrap_or_default()
    }
}

impl Histograms {
    pub(crate) fn new(layout: &Layout, shards: usize) -> Self {
        Self { layout: layout.clone(), numbers: Sharded::new(layout.numbers, shards) }
    }

    pub(crate) fn bounds(&self, part: usize) -> Option<&BucketBounds> {
        self.layout.bounds(part)
    }

    /// Returns the numbers of this thread.
    pub(crate) fn current_shard(&self) -> CurrentHistograms<'_> {
        CurrentHistograms { parts: &self.layout.parts, numbers: self.numbers.current_shard() }
    }

    /// Reads the current numbers of all histograms.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut numbers = self.numbers.sums(self.layout.numbers);
        for part in self.layout.parts.iter().filter(|part| part.exists()) {
            let buckets = numbers.iter_mut().skip(part.sum.saturating_add(1)).take(part.bounds.buckets());
            buckets.fold(0_u64, |below, bucket| {
                *bucket = bucket.saturating_add(below);
                *bucket
            });
        }
        Snapshot(numbers)
    }

    /// Returns the number of all observations of a histogram.
    pub(crate) fn observations(&self, part: usize) -> u64 {
        self.state(&self.snapshot(), part).map_or(0, |state| state.count())
    }

    /// Returns one histogram of a snapshot.
    pub(crate) fn state<'a>(&self, snapshot: &'a Snapshot, part: usize) -> Option<HistogramState<'a>> {
        let part = self.layout.part(part)?;
        let (sum, rest) = snapshot.0.get(part.sum..)?.split_first()?;
        Some(HistogramState { sum: *sum, buckets: rest.get(..part.bounds.buckets())? })
    }
}

/// The numbers of one time series in one shard.
#[derive(Clone, Copy)]
pub(crate) struct CurrentHistograms<'a> {
    parts: &'a [HistogramPart],
    numbers: Shard<'a>,
}

impl CurrentHistograms<'_> {
    /// Returns `false` for a histogram that is switched off.
    pub(crate) fn has(self, part: usize) -> bool {
        self.parts.get(part).is_some_and(HistogramPart::exists)
    }

    /// Counts an observation and returns its bucket.
    pub(crate) fn observe(self, part: usize, raw: u64) -> usize {
        let Some(part) = self.parts.get(part) else { return 0 };
        let bucket = part.bounds.bucket(raw);
        self.numbers.add(part.sum.wrapping_add(bucket).wrapping_add(1), 1);
        self.numbers.add(part.sum, raw);
        bucket
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn bytes(upper: &[f64]) -> Option<BucketBounds> {
        Some(BucketBounds::new(Unit::Bytes, upper))
    }

    /// Returns the sum and the buckets of each histogram.
    fn states(histograms: &Histograms) -> Vec<(u64, Vec<u64>)> {
        let snapshot = histograms.snapshot();
        let states = (0..).map_while(|part| histograms.state(&snapshot, part));
        states.map(|state| (state.sum, state.buckets.to_vec())).collect()
    }

    #[test]
    fn bounds_are_inclusive() {
        let histograms = Histograms::new(&Layout::new(vec![bytes(&[10.0, 20.0])]), 2);
        let buckets = [0, 10, 11, 20, 21].map(|value| histograms.current_shard().observe(0, value));
        assert_eq!(buckets, [0, 0, 1, 1, 2]);
        assert_eq!(states(&histograms), [(62, vec![2, 4, 5])]);
    }

    #[test]
    fn seconds_are_compared_as_nanoseconds() {
        let bounds = BucketBounds::new(Unit::Seconds, &[0.005, 0.3]);
        assert_eq!([5_000_000, 5_000_001, 300_000_000, 300_000_001].map(|n| bounds.bucket(n)), [0, 1, 1, 2]);
        assert!((Unit::Seconds.of_raw(5_000_000) - 0.005).abs() < f64::EPSILON);
    }

    #[test]
    fn histograms_of_one_block_are_independent() {
        let histograms =
            Histograms::new(&Layout::new(vec![bytes(&[1.0; 11]), bytes(&[10.0]), bytes(&[])]), 2);
        histograms.current_shard().observe(1, 5);
        histograms.current_shard().observe(2, 7);
        assert_eq!(states(&histograms), [(0, vec![0; 12]), (5, vec![1, 1]), (7, vec![1])]);
    }

    #[test]
    fn a_histogram_that_is_switched_off_takes_no_place() {
        let layout = Layout::new(vec![bytes(&[1.0]), None, bytes(&[10.0])]);
        let histograms = Histograms::new(&layout, 1);
        let here = histograms.current_shard();
        assert_eq!([0, 1, 2, 3].map(|part| here.has(part)), [true, false, true, false]);
        for (part, value) in [(0, 3), (1, 4), (2, 5)] {
            here.observe(part, value);
        }
        let snapshot = histograms.snapshot();
        let sums = [0, 1, 2].map(|part| histograms.state(&snapshot, part).map(|state| state.sum));
        assert_eq!((sums, layout.numbers), ([Some(3), None, Some(5)], 6));
        assert!(layout.bounds(1).is_none());
    }

    #[test]
    fn no_observation_of_concurrent_threads_is_lost() {
        let histograms = Arc::new(Histograms::new(&Layout::new(vec![bytes(&[10.0])]), 4));
        let threads: Vec<_> = (0..8)
            .map(|n| {
                let histograms = Arc::clone(&histograms);
                thread::spawn(move || {
                    for _ in 0..10_000 {
                        histograms.current_shard().observe(0, n * 2);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert_eq!(states(&histograms), [(560_000, vec![60_000, 80_000])]);
    }
}
