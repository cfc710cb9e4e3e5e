//! Tests of the queue without a worker thread: the test takes the entries.

use std::time::Duration;

use super::{AT_ONCE, Item, LONG, Numbered, ROOM, counts, on_both_stores};
use crate::outputs::delivery::{
    items::BATCH_BYTES,
    queue::{Task, counts::Settled},
    store::Taken as _,
};
use crate::outputs::delivery::{
    items::{ItemBatch, ItemStore},
    lines::{LineBatch, LineStore},
    queue::{
        Queue,
        limits::{Pace, QueueBounds},
    },
};

mod cases {
    use super::*;

    /// One entry wakes a sleeping worker.
    pub(super) fn an_entry_wakes_a_parked_worker<S: Numbered>() {
        let queue = Queue::<S>::new(ROOM, Pace { delay: Duration::from_millis(1), ..AT_ONCE }, counts());
        std::thread::scope(|scope| {
            let taken = scope.spawn(|| {
                let mut batch = S::Batch::default();
                loop {
                    match queue.take(&mut batch) {
                        Task::Tick => {}
                        task => return task,
                    }
                }
            });
            while !queue.is_parked() {
                std::thread::yield_now();
            }
            S::push_number(&queue, 1);
            assert_eq!(taken.join().expect("no panic"), Task::Deliver);
        });
    }

    /// A flush comes after the entries that were pushed before it, and before later entries.
    pub(super) fn a_flush_precedes_later_entries<S: Numbered>() {
        let queue = Queue::<S>::new(ROOM, Pace { delay: LONG, ..AT_ONCE }, counts());
        let mut batch = S::Batch::default();
        S::push_number(&queue, 1);
        let flush = queue.ask_to_flush(LONG);
        assert_eq!(queue.take(&mut batch), Task::Deliver);
        S::push_number(&queue, 2);
        let bytes = batch.settle(1);
        queue.settle(&Settled { bytes, delivered: 1, ..Settled::default() });
        batch.recycle();
        assert_eq!(queue.take(&mut batch), Task::Flush(1));
        queue.flushed(1, true);
        assert!(queue.wait_for(&flush));
        queue.close();
        assert_eq!(queue.take(&mut batch), Task::Deliver);
        batch.settle(1);
        assert_eq!(queue.take(&mut batch), Task::Closed);
    }
}

on_both_stores! {
    an_entry_wakes_a_parked_worker
    a_flush_precedes_later_entries
}

#[test]
fn lines_are_swapped_and_keep_their_order() {
    let queue = Queue::<LineStore>::new(ROOM, AT_ONCE, counts());
    for number in 10..13 {
        LineStore::push_number(&queue, number);
    }
    let mut batch = LineBatch::default();
    assert_eq!(queue.take(&mut batch), Task::Deliver);
    assert_eq!(batch.rest().bytes(), b"10\n11\n12\n");
    let (all, memory) = (queue.waiting_bytes(), batch.rest().bytes().as_ptr());
    let two = batch.settle(2) as u64;
    assert_eq!((batch.len(), batch.rest().bytes()), (1, &b"12\n"[..]));
    queue.settle(&Settled { bytes: two as usize, delivered: 2, ..Settled::default() });
    assert_eq!(queue.waiting_bytes(), all - two);
    batch.settle(1);
    batch.recycle();
    LineStore::push_number(&queue, 13);
    let _ = queue.take(&mut batch);
    batch.recycle();
    LineStore::push_number(&queue, 14);
    let _ = queue.take(&mut batch);
    assert_eq!(batch.rest().bytes().as_ptr(), memory, "both memories alternate");
}

#[test]
fn batches_of_items_are_bounded_in_number_and_bytes() {
    let bounds = QueueBounds { entries: 100, ..ROOM };
    let queue = Queue::<ItemStore<Item>>::new(bounds, Pace { batch: 4, ..AT_ONCE }, counts());
    for (number, weight) in
        [0, 0, 0, 0, BATCH_BYTES + 1, 1, BATCH_BYTES / 2, BATCH_BYTES / 2].into_iter().enumerate()
    {
        queue.push(Item { number: number as u64, weight });
    }
    queue.close();
    let (mut batch, mut sizes, mut numbers) = (ItemBatch::default(), Vec::new(), Vec::new());
    while queue.take(&mut batch) == Task::Deliver {
        sizes.push(batch.len());
        numbers.extend(batch.unpack().expect("a new batch").map(|item| item.number));
        assert!(batch.unpack().is_none(), "once");
        let count = batch.len();
        batch.settle(count);
        batch.recycle();
    }
    assert_eq!(sizes, [4, 1, 2, 1], "an entry that is too large forms its own batch");
    assert!(numbers.is_sorted() && numbers.len() == 8);
}
