//! The model of the histograms: two threads observe while a third scrapes, in every order of their
//! steps.

use loom::{sync::Arc, thread};

use super::histogram::{BucketBounds, HistogramState, Histograms, Layout, Unit};
use crate::base::thread::set_number;

/// Checks that each observation is counted once and completely. `shards` are the shards of the two
/// observing threads.
pub fn lose_nothing(shards: [usize; 2]) {
    loom::model(move || {
        let layout = Layout::new(vec![Some(BucketBounds::new(Unit::Bytes, &[10.0]))]);
        let histograms = Arc::new(Histograms::new(&layout, 2));
        let writers = [(shards[0], 5), (shards[1], 50)].map(|(shard, value)| {
            let histograms = Arc::clone(&histograms);
            thread::spawn(move || {
                set_number(shard);
                histograms.current_shard().observe(0, value)
            })
        });
        let snapshot = histograms.snapshot();
        let during = histograms.state(&snapshot, 0).expect("a histogram");
        let [first, all] = during.buckets[..] else { panic!("two buckets") };
        assert!(first <= 1 && all <= 2 && first <= all, "never more than was observed");
        assert!([0, 5, 50, 55].contains(&during.sum), "never a torn sum");
        for writer in writers {
            writer.join().expect("no panic");
        }
        let snapshot = histograms.snapshot();
        let after = histograms.state(&snapshot, 0).expect("a histogram");
        assert_eq!(after, HistogramState { sum: 55, buckets: &[1, 2] }, "nothing is lost");
    });
}
