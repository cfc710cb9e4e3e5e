//! Tests of losses: every entry is delivered once and in order, or counted as lost for one reason.

use std::time::Duration;

use proptest::prelude::*;

use super::{AT_ONCE, Delivery, LONG, Numbered, PATIENT, ROOM, destination::Reply, on_both_stores, until};
use crate::outputs::delivery::{
    items::ItemStore, lines::LineStore, queue::limits::QueueBounds, retry::RetryPolicy,
};

mod cases {
    use super::*;

    pub(super) fn a_batch_is_accepted_in_parts<S: Numbered>() {
        let delivery = Delivery::<S>::patient();
        delivery.destination.then([Reply::Hang, Reply::TakeFirst(3), Reply::Now, Reply::TakeFirst(1)]);
        delivery.push([0]);
        until("the destination blocks", || delivery.destination.tried() == 1);
        delivery.push(1..=10);
        delivery.destination.release();
        assert!(delivery.queue.flush(LONG));
        assert_eq!(delivery.destination.taken(), (0..=10).collect::<Vec<_>>());
        assert_eq!(delivery.counted(), [11, 0, 0, 0, 0]);
        let seen = delivery.destination.seen();
        let offered: Vec<_> = seen.tries.iter().map(|(_, numbers)| numbers.len()).collect();
        assert_eq!(offered, [1, 10, 7, 7, 6], "entries that were not accepted are sent again");
    }

    pub(super) fn a_permanent_failure_drops_exactly_the_rejected_entries<S: Numbered>() {
        let delivery = Delivery::<S>::patient();
        delivery.destination.then([Reply::Hang, Reply::TakeFirst(3), Reply::Never]);
        delivery.push([0]);
        until("the destination blocks", || delivery.destination.tried() == 1);
        delivery.push(1..=10);
        let flush = delivery.queue.ask_to_flush(LONG);
        delivery.destination.release();
        assert!(!delivery.queue.wait_for(&flush), "some are lost");
        delivery.push(11..=12);
        assert!(delivery.queue.flush(LONG));
        assert_eq!(delivery.destination.taken(), [0, 1, 2, 3, 11, 12]);
        assert_eq!(delivery.counted(), [6, 0, 7, 0, 0]);
    }

    pub(super) fn rejected_entries_are_counted<S: Numbered>() {
        let delivery = Delivery::<S>::patient();
        delivery.destination.then([Reply::Hang, Reply::Reject(2), Reply::Reject(99)]);
        delivery.push([0]);
        until("the destination blocks", || delivery.destination.tried() == 1);
        delivery.push(1..=5);
        let flush = delivery.queue.ask_to_flush(LONG);
        delivery.destination.release();
        assert!(!delivery.queue.wait_for(&flush), "two are lost");
        assert_eq!(delivery.counted(), [4, 0, 0, 2, 0]);
        delivery.push([6]);
        let _ = delivery.queue.flush(LONG);
        assert_eq!(delivery.counted(), [4, 0, 0, 3, 0], "not more than were pushed");
    }

    pub(super) fn accepting_nothing_or_panicking_is_a_failure<S: Numbered>() {
        let delivery = Delivery::<S>::patient();
        delivery.destination.then([Reply::TakeFirst(0), Reply::Panic, Reply::Take]);
        delivery.push([1]);
        assert!(delivery.queue.flush(LONG));
        assert_eq!((delivery.destination.tried(), delivery.counted()), (3, [1, 0, 0, 0, 0]));
    }

    pub(super) fn losses_of_a_full_queue_are_counted_by_reason<S: Numbered>() {
        let bounds = QueueBounds { entries: 2, ..ROOM };
        let delivery = Delivery::<S>::start(bounds, AT_ONCE, RetryPolicy { first: LONG, ..PATIENT });
        delivery.destination.then([Reply::Hang, Reply::Now]);
        delivery.push([0]);
        until("the destination blocks", || delivery.destination.tried() == 1);
        delivery.push(1..=4);
        assert_eq!(delivery.counted(), [0, 2, 0, 0, 0], "it is slow");
        delivery.destination.release();
        until("the first two are accepted", || delivery.destination.tried() == 2);
        until("the worker pauses", || {
            delivery.push(5..=7);
            delivery.counted()[2] > 0
        });
        delivery.queue.close();
        until("the rest is attempted", || delivery.queue.waiting() == 0);
        delivery.push([8]);
        assert_eq!(delivery.counted()[4], 1, "it is closed");
    }

    pub(super) fn bytes_that_are_being_sent_count_towards_the_limit<S: Numbered>() {
        let bounds = QueueBounds { bytes: 350, ..ROOM };
        let delivery = Delivery::<S>::start(bounds, AT_ONCE, PATIENT);
        delivery.destination.then([Reply::Hang]);
        delivery.push([0]);
        until("the destination blocks", || delivery.destination.tried() == 1);
        delivery.push(1..=100);
        assert!(delivery.queue.waiting_bytes() <= 350);
        let [_, full, ..] = delivery.counted();
        assert_eq!(delivery.queue.waiting() + full, 101);
        delivery.destination.release();
        assert!(delivery.queue.flush(LONG));
        assert_eq!((delivery.queue.waiting_bytes(), delivery.queue.waiting()), (0, 0));
    }
}

on_both_stores! {
    a_batch_is_accepted_in_parts
    a_permanent_failure_drops_exactly_the_rejected_entries
    rejected_entries_are_counted
    accepting_nothing_or_panicking_is_a_failure
    losses_of_a_full_queue_are_counted_by_reason
    bytes_that_are_being_sent_count_towards_the_limit
}

/// With any results of the destination, the counts add up, and entries arrive in order.
fn check_sums<S: Numbered>(answers: &[Reply], entries: usize, bytes: usize, pushes: u64) {
    let policy = RetryPolicy {
        first: Duration::from_micros(10),
        longest: Duration::from_micros(50),
        give_up: Some(Duration::from_millis(1)),
    };
    let bounds = QueueBounds { entries, bytes, patience: Duration::ZERO };
    let delivery = Delivery::<S>::start(bounds, AT_ONCE, policy);
    delivery.destination.then(answers.iter().copied());
    delivery.push(0..pushes);
    let _ = delivery.queue.flush(LONG);
    delivery.push(pushes..2 * pushes);
    let queue = std::sync::Arc::clone(&delivery.queue);
    queue.close();
    until("the rest is settled", || queue.waiting() == 0);
    delivery.push([2 * pushes]);
    let counted = delivery.counted();
    assert_eq!(counted.iter().sum::<u64>(), 2 * pushes + 1, "{counted:?}");
    assert_eq!(counted[4], 1);
    let taken = delivery.destination.taken();
    assert!(taken.is_sorted_by(|one, next| one < next), "{taken:?}");
    assert_eq!(taken.len() as u64, counted[0] + counted[3], "{counted:?}");
    assert_eq!(queue.waiting_bytes(), 0);
}

fn answer() -> impl Strategy<Value = Reply> {
    prop_oneof![
        3 => Just(Reply::Take),
        3 => (0_usize..8).prop_map(Reply::TakeFirst),
        2 => (0_usize..8).prop_map(Reply::Reject),
        2 => Just(Reply::Now),
        1 => Just(Reply::After(Duration::from_micros(100))),
        1 => Just(Reply::After(LONG)),
        2 => Just(Reply::Never),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_entry_is_delivered_once_or_counted(
        answers in proptest::collection::vec(answer(), 0..40),
        entries in 1_usize..40,
        bytes in 100_usize..4_000,
        pushes in 0_u64..60,
    ) {
        check_sums::<LineStore>(&answers, entries, bytes, pushes);
        check_sums::<ItemStore<super::Item>>(&answers, entries, bytes, pushes);
    }
}
