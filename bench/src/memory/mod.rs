//! The measurement of memory: for each series, request and event, and its growth.

mod churn;
mod events;
mod growth;
mod in_flight;
mod series;

use std::{io, mem, thread, time::Duration};

use obs_core::{EventOutput, Observer};

use crate::allocator;

/// The report of all measurements, with the missed targets.
#[derive(Default)]
struct Report {
    missed: Vec<String>,
}

impl Report {
    /// Prints a row of the table, and notes a missed target if the value is above it.
    fn at_most(&mut self, what: &str, value: f64, target: f64) {
        println!("| {what} | {value:.0} | {target:.0} |");
        if value > target {
            self.missed.push(format!("{what}: {value:.0}, the target is {target:.0} at most"));
        }
    }

    /// Prints a row without a target.
    fn value(what: &str, value: f64) {
        println!("| {what} | {value:.0} | – |");
    }

    fn must(&mut self, what: &str, holds: bool) {
        println!("| {what} | {} | yes |", if holds { "yes" } else { "no" });
        if !holds {
            self.missed.push(format!("{what}: this does not hold"));
        }
    }
}

/// Prints the table, and fails if a target is missed.
pub(crate) fn print() -> Result<(), String> {
    allocator::count_bytes();
    let mut report = Report::default();
    println!("| what | bytes | target |");
    println!("|---|--:|--:|");
    series::measure(&mut report);
    in_flight::measure(&mut report);
    events::measure(&mut report);
    growth::measure(&mut report);
    churn::measure(&mut report);
    if report.missed.is_empty() { Ok(()) } else { Err(report.missed.join("\n")) }
}

/// An observer with metrics and events, like that of a service. The thread that writes events
/// discards them.
fn observer() -> Observer {
    // The smallest capacity. The number of waiting events depends on the pauses of the thread, and
    // is not measured here.
    let events = EventOutput::writer(io::sink()).capacity(64 * 1024);
    Observer::builder("bench").no_environment().events(events).build().expect("the settings are right")
}

/// The live bytes, after other threads have freed their memory, for example the threads of a
/// dropped observer.
fn settled() -> i64 {
    let mut live = allocator::live_bytes();
    loop {
        thread::sleep(Duration::from_millis(100));
        let before = mem::replace(&mut live, allocator::live_bytes());
        if live == before {
            return live;
        }
    }
}

/// Runs `work`, and returns its result and the increase of live bytes, divided by `number`.
fn bytes_each<T>(number: usize, work: impl FnOnce() -> T) -> (T, f64) {
    let before = settled();
    let kept = work();
    (kept, (allocator::live_bytes() - before) as f64 / number as f64)
}
