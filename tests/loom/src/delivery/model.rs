//! A model of two requests, a worker and a flush. It checks every order with up to three
//! preemptions.

use std::time::Duration;

use loom::{sync::Arc, thread};

use super::{
    batch::EntryFacts,
    items::{ItemStore, Weigh},
    lines::LineStore,
    queue::{
        Queue, Task,
        counts::Settled,
        limits::{Pace, QueueBounds},
    },
    store::{Store, Taken as _},
    test_counts::counts,
};
use crate::{
    base::sync,
    trace::ids::{SpanId, TraceId},
};

pub use crate::base::sync::Waits;

/// An item that has only a size.
struct Unit;

impl Weigh for Unit {
    fn weight(&self) -> usize {
        1
    }
}

fn line(queue: &Queue<LineStore>) {
    let facts = EntryFacts {
        since_1970: Duration::ZERO,
        trace_id: TraceId,
        span_id: SpanId,
        kind: "request",
        route: None,
    };
    queue.push((b"a\n", Some(&facts)));
}

/// Checks three properties. Each entry is delivered once, or dropped and counted. A flush returns
/// only when all entries that were pushed before it are settled. A destination that fails once
/// loses nothing.
fn model<S: Store>(waits: Waits, push: fn(&Queue<S>)) {
    sync::set_waits(waits);
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        // Two of the three entries fit until the worker takes some.
        let bounds = QueueBounds { entries: 2, bytes: usize::MAX, patience: Duration::ZERO };
        let pace = Pace { delay: Duration::ZERO, batch: usize::MAX, park_after: Duration::ZERO };
        let queue = Arc::new(Queue::<S>::new(bounds, pace, counts()));
        let worker = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                let (mut all, mut batch, mut fails) = (0, S::Batch::default(), true);
                loop {
                    match queue.take(&mut batch) {
                        Task::Deliver => {
                            if std::mem::take(&mut fails) {
                                // After the close there is no further attempt. The result is
                                // ignored, because this model delivers in any case.
                                let _ = queue.pause(Duration::ZERO);
                            }
                            let entries = batch.len();
                            assert!(entries > 0, "no empty batch");
                            all += entries as u64;
                            let bytes = batch.settle(entries);
                            queue.settle(&Settled { bytes, delivered: entries as u64, ..Settled::default() });
                            batch.recycle();
                        }
                        Task::Flush(number) => queue.flushed(number, true),
                        Task::Tick => {}
                        Task::Closed => return all,
                    }
                }
            })
        };
        let other = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || push(&queue))
        };
        push(&queue);
        push(&queue);
        let flush = queue.ask_to_flush(Duration::MAX);
        assert!(queue.wait_for(&flush));
        let refused = queue.counts.full.get() + queue.counts.failed.get();
        assert!(
            queue.counts.delivered.get() + refused >= 2,
            "all entries pushed before the flush are settled"
        );
        other.join().expect("no panic");
        queue.close();
        let all = worker.join().expect("no panic");
        let (delivered, lost) = queue.counts.delivered_and_lost();
        assert_eq!(delivered, all, "each taken entry is delivered once");
        assert_eq!(delivered + lost, 3, "or dropped and counted");
        assert!(delivered >= 2, "there was room for two");
    });
}

/// The model with lines.
pub fn deliver_lines(waits: Waits) {
    model::<LineStore>(waits, line);
}

/// The model with items.
pub fn deliver_items(waits: Waits) {
    model::<ItemStore<Unit>>(waits, |queue| queue.push(Unit));
}
