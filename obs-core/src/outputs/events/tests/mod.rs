//! Tests of the whole pipeline.

mod content;
mod delivery;

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    http::head::RequestHead,
    observer::{Observer, report::ShutdownReport},
    outputs::events::settings::Events,
    record::outcome::Outcome,
};

const LONG: Duration = Duration::from_secs(60);

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).expect("UTF-8")
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn observer(events: impl Into<Events>) -> Observer {
    Observer::builder("test").no_environment().events(events).build().expect("valid")
}

fn request(observer: &Observer) {
    observer.start(&RequestHead::new("GET", "/", &())).finish(Outcome::Completed);
}

fn until(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < LONG, "the condition stays false");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The numbers of events that were delivered and lost.
fn counts(report: &ShutdownReport) -> (u64, u64) {
    let counts = report.output("events").unwrap_or_default();
    (counts.delivered, counts.lost)
}
