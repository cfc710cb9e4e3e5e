//! Tests of attempts, pauses, flushes and the shutdown.

use std::time::{Duration, Instant};

use super::{AT_ONCE, Delivery, LONG, Numbered, PATIENT, ROOM, destination::Reply, on_both_stores, until};
use crate::outputs::delivery::{
    queue::limits::{Pace, QueueBounds},
    retry::RetryPolicy,
};

const SHORT: Duration = Duration::from_millis(20);

/// A retry policy whose first pause is longer than any test.
const NEVER_AGAIN: RetryPolicy = RetryPolicy { first: LONG, longest: LONG, give_up: None };

mod cases {
    use super::*;

    pub(super) fn a_retry_waits_for_the_pause_that_the_destination_requests<S: Numbered>() {
        const WANTED: Duration = Duration::from_millis(150);
        let delivery = Delivery::<S>::start(ROOM, AT_ONCE, PATIENT);
        delivery.destination.then([Reply::After(WANTED)]);
        delivery.push([1]);
        until("it is delivered", || delivery.destination.taken() == [1]);
        let seen = delivery.destination.seen();
        let [(first, _), (second, _)] = &seen.tries[..] else { panic!("two tries: {}", seen.tries.len()) };
        assert!(
            second.duration_since(*first) >= WANTED,
            "not earlier, although the output's own pauses are shorter"
        );
    }

    pub(super) fn entries_are_dropped_after_the_time_limit_of_retries<S: Numbered>() {
        let policy = RetryPolicy { give_up: Some(SHORT), ..PATIENT };
        let delivery = Delivery::<S>::start(ROOM, AT_ONCE, policy);
        delivery.destination.always(Reply::Now);
        delivery.push([1]);
        until("it is lost", || delivery.counted() == [0, 0, 1, 0, 0]);
        assert!(delivery.destination.tried() > 1);
        delivery.destination.then([Reply::After(LONG)]);
        delivery.push([2]);
        until("this entry is lost, too", || delivery.counted() == [0, 0, 2, 0, 0]);
    }

    pub(super) fn a_flush_keeps_its_deadline<S: Numbered>() {
        let delivery = Delivery::<S>::patient();
        delivery.destination.then([Reply::Hang]);
        delivery.push([1]);
        let began = Instant::now();
        assert!(!delivery.queue.flush(SHORT), "the destination blocks");
        assert!(began.elapsed() >= SHORT && began.elapsed() < LONG / 2);
        assert_eq!(delivery.destination.seen().flushes, 0);
        delivery.destination.release();
        assert!(delivery.queue.flush(Duration::MAX));
        assert_eq!(delivery.destination.taken(), [1]);
        assert!(delivery.destination.seen().flushes > 0, "after the last entry");
    }

    pub(super) fn a_flush_does_not_wait_until_a_batch_is_full<S: Numbered>() {
        let pace = Pace { delay: LONG, ..AT_ONCE };
        let delivery = Delivery::<S>::start(ROOM, pace, PATIENT);
        delivery.push([1, 2]);
        assert!(delivery.queue.flush(LONG / 2));
        assert_eq!((delivery.destination.tried(), delivery.destination.taken()), (1, vec![1, 2]));
    }

    pub(super) fn a_flush_ends_a_pause<S: Numbered>() {
        for answer in [Reply::Now, Reply::After(LONG)] {
            let delivery = Delivery::<S>::start(ROOM, AT_ONCE, NEVER_AGAIN);
            delivery.destination.then([answer]);
            delivery.push([1]);
            until("the attempt fails", || delivery.destination.tried() == 1);
            assert!(delivery.queue.flush(LONG / 2));
        }
    }

    pub(super) fn a_flush_retries_within_its_deadline<S: Numbered>() {
        let delivery = Delivery::<S>::start(ROOM, AT_ONCE, NEVER_AGAIN);
        delivery.destination.then([Reply::Now, Reply::Now, Reply::Now]);
        delivery.push([1]);
        until("the attempt fails", || delivery.destination.tried() == 1);
        // Each pause is at most half of the remaining time.
        assert!(delivery.queue.flush(Duration::from_secs(3)));
        assert_eq!(delivery.destination.tried(), 4);
    }

    pub(super) fn an_attempt_during_a_flush_is_limited_by_its_deadline<S: Numbered>() {
        let delivery = Delivery::<S>::patient();
        assert_eq!(delivery.queue.attempt_timeout(LONG), LONG, "no caller waits");
        delivery.destination.then([Reply::Hang]);
        delivery.push([1]);
        until("the destination blocks", || delivery.destination.tried() == 1);
        let flush = delivery.queue.ask_to_flush(LONG / 2);
        assert!(delivery.queue.attempt_timeout(LONG) <= LONG / 2);
        delivery.destination.release();
        assert!(delivery.queue.wait_for(&flush));
        assert_eq!(delivery.queue.attempt_timeout(LONG), LONG);
    }

    pub(super) fn a_flush_reports_losses_since_its_request<S: Numbered>() {
        let delivery = Delivery::<S>::patient();
        delivery.destination.then([Reply::Hang, Reply::Never]);
        delivery.push([1]);
        until("the destination blocks", || delivery.destination.tried() == 1);
        delivery.push([2]);
        let flush = delivery.queue.ask_to_flush(LONG);
        delivery.destination.release();
        assert!(!delivery.queue.wait_for(&flush), "it was lost");
        assert!(delivery.queue.flush(LONG), "before this one");
    }

    pub(super) fn entries_are_attempted_once_more_after_the_close<S: Numbered>() {
        let pace = Pace { batch: 1, ..AT_ONCE };
        let delivery = Delivery::<S>::start(ROOM, pace, NEVER_AGAIN);
        delivery.destination.always(Reply::Now);
        delivery.push([1]);
        until("the attempt fails", || delivery.destination.tried() == 1);
        delivery.push([2]);
        delivery.queue.close();
        until("the entry is dropped", || delivery.counted() == [0, 0, 2, 0, 0]);
        delivery.push([3]);
        assert_eq!(delivery.counted(), [0, 0, 2, 0, 1]);
        let destination = delivery.close();
        assert!(destination.tried() <= 4, "at most one attempt for each after the close");
    }

    pub(super) fn a_destination_that_recovers_before_the_close_receives_everything<S: Numbered>() {
        let delivery = Delivery::<S>::start(ROOM, AT_ONCE, NEVER_AGAIN);
        delivery.destination.then([Reply::Now]);
        delivery.push([1]);
        until("the attempt fails", || delivery.destination.tried() == 1);
        delivery.push([2, 3]);
        assert_eq!(delivery.close().taken(), [1, 2, 3]);
    }

    pub(super) fn a_flush_does_not_wait_for_an_ended_worker<S: Numbered>() {
        let delivery = Delivery::<S>::patient();
        delivery.push([1]);
        assert!(delivery.queue.flush(LONG));
        let queue = std::sync::Arc::clone(&delivery.queue);
        queue.close();
        until("the thread ends", || std::sync::Arc::strong_count(&queue) == 3);
        delivery.push([2]);
        assert!(queue.flush(Duration::MAX), "nothing is left");
        assert_eq!(delivery.counted(), [1, 0, 0, 0, 1]);
    }

    pub(super) fn a_full_batch_is_delivered_at_once<S: Numbered>() {
        let pace = Pace { delay: LONG, batch: 3, park_after: Duration::ZERO };
        let delivery = Delivery::<S>::start(ROOM, pace, PATIENT);
        delivery.push(1..=3);
        until("they are delivered", || delivery.destination.taken() == [1, 2, 3]);
        delivery.push([4]);
        assert_eq!(delivery.queue.waiting(), 1, "it waits for others");
        assert_eq!(delivery.close().taken(), [1, 2, 3, 4]);
    }

    pub(super) fn a_push_waits_for_room_within_its_limit<S: Numbered>() {
        let bounds = QueueBounds { entries: 1, patience: LONG, ..ROOM };
        let delivery = Delivery::<S>::start(bounds, AT_ONCE, PATIENT);
        delivery.destination.then([Reply::Hang]);
        delivery.push([1]);
        until("the destination blocks", || delivery.destination.tried() == 1);
        delivery.push([2]);
        std::thread::scope(|scope| {
            let pushed = scope.spawn(|| delivery.push([3]));
            delivery.destination.release();
            pushed.join().expect("no panic");
        });
        assert!(delivery.queue.flush(LONG));
        assert_eq!((delivery.destination.taken(), delivery.counted()), (vec![1, 2, 3], [3, 0, 0, 0, 0]));
        let bounds = QueueBounds { patience: SHORT, bytes: 1, ..bounds };
        let delivery = Delivery::<S>::start(bounds, AT_ONCE, PATIENT);
        delivery.push([1]);
        assert_eq!(delivery.counted(), [0, 1, 0, 0, 0], "it can never fit");
    }
}

on_both_stores! {
    a_retry_waits_for_the_pause_that_the_destination_requests
    entries_are_dropped_after_the_time_limit_of_retries
    a_flush_keeps_its_deadline
    a_flush_does_not_wait_until_a_batch_is_full
    a_flush_ends_a_pause
    a_flush_retries_within_its_deadline
    an_attempt_during_a_flush_is_limited_by_its_deadline
    a_flush_reports_losses_since_its_request
    entries_are_attempted_once_more_after_the_close
    a_destination_that_recovers_before_the_close_receives_everything
    a_flush_does_not_wait_for_an_ended_worker
    a_full_batch_is_delivered_at_once
    a_push_waits_for_room_within_its_limit
}
