//! The tests that run the models.

use obs_loom::{
    histograms,
    queue::{self, Waits},
};

#[test]
fn histograms_of_one_shard_lose_nothing() {
    histograms::lose_nothing([0, 0]);
}

#[test]
fn histograms_of_two_shards_lose_nothing() {
    histograms::lose_nothing([0, 1]);
}

#[test]
fn lines_are_delivered_once_or_refused() {
    queue::deliver_lines(Waits::Notified);
}

#[test]
fn lines_are_delivered_once_or_refused_if_waits_time_out() {
    queue::deliver_lines(Waits::TimedOut);
}

#[test]
fn items_are_delivered_once_or_refused() {
    queue::deliver_items(Waits::Notified);
}

#[test]
fn items_are_delivered_once_or_refused_if_waits_time_out() {
    queue::deliver_items(Waits::TimedOut);
}
