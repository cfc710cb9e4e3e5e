//! Tests of reports: one warning when a problem begins, and one message when it ends.

use tracing::subscriber::DefaultGuard;

use super::{AT_ONCE, Delivery, LONG, Numbered, PATIENT, ROOM, destination::Reply, on_both_stores, until};
use crate::base::test_log::Log;
use crate::outputs::delivery::queue::limits::QueueBounds;
use crate::outputs::delivery::{
    failure::{Delivered, Failure},
    worker::Outlet,
};

/// An outlet whose thread has the subscriber.
struct Logged<O> {
    outlet: O,
    _log: DefaultGuard,
}

impl<B, O: Outlet<B>> Outlet<B> for Logged<O> {
    fn send(&mut self, batch: &mut B) -> Result<Delivered, Failure> {
        self.outlet.send(batch)
    }
}

pub(super) fn logged<S: Numbered>(bounds: QueueBounds) -> (Delivery<S>, Log) {
    let log = Log::new();
    let listening = log.clone();
    let delivery = Delivery::start_with(bounds, AT_ONCE, PATIENT, move |destination| Logged {
        outlet: S::outlet(destination),
        _log: listening.listen(),
    });
    (delivery, log)
}

mod cases {
    use super::*;

    pub(super) fn failures<S: Numbered>() {
        let (delivery, log) = logged::<S>(ROOM);
        delivery.push([1]);
        assert!(delivery.queue.flush(LONG));
        assert!(log.lines().is_empty(), "no report without a problem: {:?}", log.lines());
        delivery.destination.then([Reply::Now, Reply::Panic, Reply::Now]);
        delivery.push([2]);
        assert!(delivery.queue.flush(LONG));
        let expected = [
            "WARN cannot deliver numbers to the test: no reason; they are retried, and losses are counted in \
             `lost_total`",
            "INFO numbers are delivered to the test again",
        ];
        assert_eq!(log.lines(), expected);
        delivery.destination.then([Reply::Never]);
        delivery.push([3]);
        let _ = delivery.queue.flush(LONG);
        assert_eq!(log.lines(), expected, "no second report within a minute");
    }

    pub(super) fn refusals<S: Numbered>() {
        let (delivery, log) = logged::<S>(ROOM);
        delivery.destination.then([Reply::Never, Reply::Never]);
        for number in 1..=3 {
            delivery.push([number]);
            let _ = delivery.queue.flush(LONG);
        }
        let expected = [
            "WARN cannot deliver numbers to the test: invalid; they are dropped and counted in `lost_total`",
            "INFO numbers are delivered to the test again",
        ];
        assert_eq!(log.lines(), expected);
    }

    pub(super) fn rejections<S: Numbered>() {
        let (delivery, log) = logged::<S>(ROOM);
        delivery.destination.then([Reply::Reject(1), Reply::Reject(1)]);
        for number in 1..=3 {
            delivery.push([number]);
            let _ = delivery.queue.flush(LONG);
        }
        let expected = [
            "WARN the test rejected 1 numbers of a batch: \"unwanted\"; they are counted in `lost_total`",
            "INFO the test accepts all numbers again",
        ];
        assert_eq!(log.lines(), expected);
    }

    pub(super) fn overflows<S: Numbered>() {
        let (delivery, log) = logged::<S>(QueueBounds { entries: 1, ..ROOM });
        delivery.destination.then([Reply::Hang]);
        delivery.push([1]);
        until("the destination blocks", || delivery.destination.tried() == 1);
        let expected = "WARN numbers come faster than the test accepts them; those that do not fit into the queue are \
                        dropped and counted in `lost_total`";
        let listening = log.clone().listen();
        delivery.push(2..=9);
        until("it is reported although the worker is stuck", || log.lines() == [expected]);
        drop(listening);
        delivery.destination.release();
        assert!(delivery.queue.flush(LONG));
        delivery.push(10..=19);
        assert_eq!(log.lines(), [expected], "no second report within a minute");
    }
}

on_both_stores! { failures refusals rejections overflows }
