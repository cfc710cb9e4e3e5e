//! Bytes for each event that waits for its output, and that a stuck output keeps no more than it may.

use std::{
    io,
    sync::mpsc::{self, Receiver, Sender},
};

use obs_core::{EventOutput, Observer, output::EventSink};

use super::{Report, bytes_each};
use crate::settings::axum;
use obs_axum::RouterExt as _;

/// An output's bound.
const CAPACITY: usize = 4 * 1024 * 1024;
/// Fewer than there is room for.
const EVENTS: usize = 4_000;
/// Many more than there is room for.
const FLOOD: usize = 100_000;

/// An event of these requests has about 470 bytes. The buffer is a vector, which doubles.
const TARGET: f64 = 1_000.0;
/// The vector may have twice as much room as there are bytes in it.
const BOUND: f64 = 2.0 * CAPACITY as f64;

/// An output that takes its first lines, and never comes back.
struct Stuck {
    entered: Sender<()>,
    leaves: Receiver<()>,
}

impl EventSink for Stuck {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let _ = self.entered.send(());
        // Until the other end is gone.
        let _ = self.leaves.recv();
        Ok(lines.len())
    }
}

pub(super) fn measure(report: &mut Report) {
    let (entered, enters) = mpsc::channel();
    let (leave, leaves) = mpsc::channel();
    let events = EventOutput::to(Stuck { entered, leaves }).capacity(CAPACITY);
    let builder = Observer::builder("bench").no_environment().events(events);
    let observer = builder.build().expect("the settings are right");
    let router = axum::router().observed(&observer);
    axum::send(|| router.clone(), 2);
    enters.recv().expect("the output has its first lines");
    let ((), each) = bytes_each(EVENTS, || axum::send(|| router.clone(), EVENTS as u64));
    report.at_most("an event that waits for its output", each, TARGET);
    let ((), more) = bytes_each(1, || axum::send(|| router.clone(), FLOOD as u64));
    let all = each * EVENTS as f64 + more;
    report.at_most(&format!("all events of {FLOOD} requests whose output is stuck"), all, BOUND);
    drop(leave);
}
