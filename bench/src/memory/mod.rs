//! What is kept in memory: for each series, request and event, and that it does not grow.

mod churn;
mod events;
mod growth;
mod in_flight;
mod series;

use std::{io, mem, thread, time::Duration};

use obs_core::{EventOutput, Observer};

use crate::allocator;

/// What was measured, and which targets were missed.
#[derive(Default)]
struct Report {
    missed: Vec<String>,
}

impl Report {
    /// Prints a line of the table, and notes whether the value is above the target.
    fn at_most(&mut self, what: &str, value: f64, target: f64) {
        println!("| {what} | {value:.0} | {target:.0} |");
        if value > target {
            self.missed.push(format!("{what}: {value:.0}, the target is {target:.0} at most"));
        }
    }

    /// The same without a target.
    fn value(what: &str, value: f64) {
        println!("| {what} | {value:.0} | – |");
    }

    fn must(&mut self, what: &str, holds: bool) {
        println!("| {what} | {} | yes |", if holds { "yes" } else { "no" });
        if !holds {
            self.missed.push(format!("{what}: it is not so"));
        }
    }
}

/// Prints the table, and fails where a target is missed.
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

/// With metrics and events, as a service has it. The events are thrown away by the thread that would write them.
fn observer() -> Observer {
    // The least room there can be: how long that thread sleeps decides how many events wait, and is not what is measured.
    let events = EventOutput::writer(io::sink()).capacity(64 * 1024);
    Observer::builder("bench").no_environment().events(events).build().expect("the settings are right")
}

/// The live bytes, once other threads have freed what they had: that of an observer that was dropped, for instance.
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

/// How many more bytes are live after `work`, for each of so many; what it returns is kept meanwhile.
fn bytes_each<T>(number: usize, work: impl FnOnce() -> T) -> (T, f64) {
    let before = settled();
    let kept = work();
    (kept, (allocator::live_bytes() - before) as f64 / number as f64)
}
