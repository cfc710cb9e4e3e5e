//! Memory of each event that waits for its output, and the bound for a stuck output.

use std::{
    io,
    sync::mpsc::{self, Receiver, Sender},
};

use obs_core::{EventOutput, Observer, output::EventSink};

use super::{Report, bytes_each};
use crate::settings::axum;
use obs_axum::RouterExt as _;

/// The capacity of the output.
const CAPACITY: usize = 4 * 1024 * 1024;
/// A number of events that fits into the capacity.
const EVENTS: usize = 4_000;
/// A number of events far above the capacity.
const FLOOD: usize = 100_000;

/// The target for each event. An event of these requests has about 470 bytes, and the buffer is a
/// vector, which doubles when it grows.
const TARGET: f64 = 1_000.0;
/// The bound for all events. The capacity of the vector may be twice its length.
const BOUND: f64 = 2.0 * CAPACITY as f64;

/// A sink whose first write blocks.
struct Stuck {
    entered: Sender<()>,
    leaves: Receiver<()>,
}

impl EventSink for Stuck {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let _ = self.entered.send(());
        // Blocks until the other end of the channel is dropped.
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
