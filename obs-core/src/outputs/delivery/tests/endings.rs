//! Tests of the end of a delivery: losses are reported, and nobody waits twice for the same
//! entries.

use std::time::Duration;

use super::{AT_ONCE, Delivery, Numbered, PATIENT, ROOM, destination::Reply, on_both_stores, reports, until};
use crate::{base::test_log::Log, outputs::delivery::worker};

/// A deadline that a stuck destination exceeds.
const SHORT: Duration = Duration::from_millis(10);

mod cases {
    use super::*;

    pub(super) fn entries_that_are_not_settled_are_reported_as_lost<S: Numbered>() {
        for reply in [Reply::Hang, Reply::Panic, Reply::Now] {
            let delivery = Delivery::<S>::patient();
            delivery.destination.always(reply);
            delivery.push([0]);
            until("the destination is tried", || delivery.destination.tried() > 0);
            delivery.push(1..=4);
            assert!(!delivery.worker.wait_for(&delivery.queue.ask_to_flush(SHORT)));
            assert!(!delivery.queue.is_given_up(), "not before the report");
            assert_eq!(delivery.queue.report(), (0, 5), "{reply:?}");
            assert!(delivery.queue.is_given_up());
            assert_eq!(delivery.counted(), [0; 5], "they may still be delivered");
            delivery.push([5]);
            assert!(!delivery.queue.is_given_up(), "a new entry is not reported yet");
            delivery.destination.always(Reply::Take);
            delivery.destination.release();
            until("all are delivered", || delivery.queue.report() == (6, 0));
        }
    }

    pub(super) fn a_destination_that_does_not_answer_is_logged<S: Numbered>() {
        let (delivery, log) = reports::logged::<S>(ROOM);
        delivery.destination.then([Reply::Hang]);
        delivery.push([0]);
        until("the destination blocks", || delivery.destination.tried() == 1);
        delivery.push(1..=2);
        let listening = log.clone().listen();
        assert!(!delivery.worker.wait_for(&delivery.queue.ask_to_flush(SHORT)));
        drop(listening);
        assert_eq!(
            log.lines(),
            ["WARN the test did not accept 3 numbers in time; they are lost if the process ends now"]
        );
        delivery.destination.release();
    }

    pub(super) fn a_drop_logs_losses_that_no_shutdown_has_reported<S: Numbered>() {
        let expected = "WARN the last observer was dropped before 2 numbers for the test were delivered; they are \
                        lost if the process ends now";
        for reported in [false, true] {
            let mut delivery = Delivery::<S>::start(ROOM, AT_ONCE, PATIENT);
            let log = Log::new();
            delivery.destination.then([Reply::Hang]);
            delivery.push(1..=2);
            until("the destination blocks", || delivery.destination.tried() == 1);
            if reported {
                assert_eq!(delivery.queue.report(), (0, 2));
            }
            let listening = log.clone().listen();
            worker::end(std::iter::once(&mut delivery.worker));
            drop(listening);
            if reported {
                assert!(log.lines().is_empty(), "{:?}", log.lines());
            } else {
                until("it is logged", || log.lines() == [expected]);
            }
            delivery.destination.release();
        }
    }
}

on_both_stores! {
    entries_that_are_not_settled_are_reported_as_lost
    a_destination_that_does_not_answer_is_logged
    a_drop_logs_losses_that_no_shutdown_has_reported
}
