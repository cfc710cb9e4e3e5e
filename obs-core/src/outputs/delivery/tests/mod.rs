//! Tests of the whole delivery, with both stores and a scripted destination.

mod bytes;
mod destination;
mod endings;
mod losses;
mod queues;
mod reports;
mod tries;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    batch::EntryFacts,
    items::{ItemStore, Weigh},
    lines::LineStore,
    problem::Subject,
    queue::{
        Queue,
        counts::DeliveryCounts,
        limits::{Pace, QueueBounds},
    },
    retry::RetryPolicy,
    store::Store,
    test_counts::counts,
    worker::{Outlet, Worker},
};
use crate::{
    redact::settings::Redaction,
    trace::ids::{SpanId, TraceId},
};
use destination::{Bytes, Destination, Numbers};

/// A time longer than any test.
const LONG: Duration = Duration::from_secs(120);

/// A pace without delays.
const AT_ONCE: Pace = Pace { delay: Duration::ZERO, batch: usize::MAX, park_after: Duration::ZERO };

/// A retry policy without a limit.
const PATIENT: RetryPolicy =
    RetryPolicy { first: Duration::from_millis(1), longest: Duration::from_millis(4), give_up: None };

/// Limits that no test reaches.
const ROOM: QueueBounds = QueueBounds { entries: usize::MAX, bytes: usize::MAX, patience: Duration::ZERO };

/// An item with a number and a size.
struct Item {
    number: u64,
    weight: usize,
}

impl Weigh for Item {
    fn weight(&self) -> usize {
        self.weight
    }
}

/// A store whose entries are numbers.
trait Numbered: Store + Sized {
    type Outlet: Outlet<Self::Batch>;

    fn push_number(queue: &Queue<Self>, number: u64);

    fn outlet(destination: Destination) -> Self::Outlet;
}

impl Numbered for LineStore {
    type Outlet = Box<dyn super::sink::BatchSink>;

    fn push_number(queue: &Queue<Self>, number: u64) {
        queue.push((format!("{number}\n").as_bytes(), Some(&facts(number))));
    }

    fn outlet(destination: Destination) -> Self::Outlet {
        Box::new(Bytes(destination))
    }
}

impl Numbered for ItemStore<Item> {
    type Outlet = Numbers;

    fn push_number(queue: &Queue<Self>, number: u64) {
        queue.push(Item { number, weight: 100 });
    }

    fn outlet(destination: Destination) -> Self::Outlet {
        Numbers { destination, encoded: Vec::new() }
    }
}

fn facts(number: u64) -> EntryFacts {
    EntryFacts {
        since_1970: Duration::from_secs(number),
        trace_id: TraceId::from_bytes([1; 16]).expect("valid"),
        span_id: SpanId::from_bytes([2; 8]).expect("valid"),
        kind: "request",
        route: Some("/items/{id}"),
    }
}

/// A queue with its worker.
struct Delivery<S: Store> {
    queue: Arc<Queue<S>>,
    worker: Worker<S>,
    destination: Destination,
}

impl<S: Numbered> Delivery<S> {
    fn start(bounds: QueueBounds, pace: Pace, policy: RetryPolicy) -> Self {
        Self::start_with(bounds, pace, policy, |destination| S::outlet(destination))
    }

    fn start_with<O: Outlet<S::Batch>>(
        bounds: QueueBounds,
        pace: Pace,
        policy: RetryPolicy,
        outlet: impl FnOnce(Destination) -> O + Send + 'static,
    ) -> Self {
        let queue = Arc::new(Queue::<S>::new(bounds, pace, counts()));
        let destination = Destination::default();
        let subject = Subject {
            entries: "numbers",
            destination: "the test".to_owned(),
            counter: "lost_total",
            redactor: Redaction::new().build().expect("valid"),
        };
        let shared = destination.clone();
        let worker =
            Worker::start("test".to_owned(), subject, Arc::clone(&queue), policy, move || outlet(shared))
                .expect("a thread");
        Self { queue, worker, destination }
    }

    /// A queue whose worker has no delays and retries without a limit.
    fn patient() -> Self {
        Self::start(ROOM, AT_ONCE, PATIENT)
    }

    fn push(&self, numbers: impl IntoIterator<Item = u64>) {
        numbers.into_iter().for_each(|number| S::push_number(&self.queue, number));
    }

    /// Ends the worker.
    fn close(self) -> Destination {
        self.queue.close();
        let Self { queue, worker, destination } = self;
        drop(worker);
        // The worker's thread holds the other reference.
        until("the thread ends", || Arc::strong_count(&queue) == 1);
        destination
    }

    /// The counts in this order: delivered, full, failed, rejected, closed.
    fn counted(&self) -> [u64; 5] {
        let DeliveryCounts { delivered, full, failed, rejected, closed } = &self.queue.counts;
        [delivered, full, failed, rejected, closed].map(|counter| counter.get())
    }
}

/// Waits for another thread.
fn until(what: &str, happened: impl Fn() -> bool) {
    let began = Instant::now();
    while !happened() {
        assert!(began.elapsed() < LONG, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Runs cases over both stores.
macro_rules! on_both_stores {
    ($($case:ident)*) => {$(
        mod $case {
            use crate::outputs::delivery::{items::ItemStore, lines::LineStore, tests::Item};
            #[test]
            fn lines() { super::cases::$case::<LineStore>(); }
            #[test]
            fn items() { super::cases::$case::<ItemStore<Item>>(); }
        }
    )*};
}
use on_both_stores;
