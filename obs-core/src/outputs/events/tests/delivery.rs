//! Tests of delivery: written events, lost and counted events, and requests that never wait.

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use super::{LONG, Shared, counts, observer, request, until};
use crate::{
    extension::sink::RecordSink,
    http::head::RequestHead,
    observer::Observer,
    outputs::{delivery::sink::EventSink, events::output::EventOutput},
    record::finished::Record,
};

/// A sink that fails on demand and accepts at most 100 bytes per call.
#[derive(Clone)]
struct Flaky {
    fails: Arc<AtomicBool>,
    taken: Shared,
}

impl EventSink for Flaky {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.taken.write(&lines[..lines.len().min(100)])
    }
}

/// A sink that blocks until the test drops the channel's sender.
struct Stuck(mpsc::Receiver<()>);

impl EventSink for Stuck {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(lines.len())
    }
}

#[test]
fn a_shutdown_flushes_and_reports_it() {
    let output = Shared::default();
    let observer = observer(EventOutput::writer(output.clone()));
    (0..1000).for_each(|_| request(&observer));
    let report = observer.shutdown(LONG);
    assert!(report.flushed);
    assert_eq!(counts(&report), (1000, 0));
    assert_eq!(output.text().lines().count(), 1000);
}

#[test]
fn a_failed_write_is_retried_without_lost_or_split_lines() {
    let flaky = Flaky { fails: Arc::new(AtomicBool::new(true)), taken: Shared::default() };
    let observer = observer(EventOutput::to(flaky.clone()));
    (0..50).for_each(|_| request(&observer));
    assert!(!observer.shutdown(Duration::from_millis(50)).flushed, "not yet");
    (0..50).for_each(|_| request(&observer));
    flaky.fails.store(false, Ordering::SeqCst);
    let report = observer.shutdown(LONG);
    assert!(report.flushed);
    assert_eq!(counts(&report), (100, 0));
    let text = flaky.taken.text();
    assert_eq!(text.lines().count(), 100);
    text.lines()
        .for_each(|line| drop(serde_json::from_str::<serde_json::Value>(line).expect("a complete line")));
}

/// A sink that reports more bytes than it was given.
struct Boasts;

impl EventSink for Boasts {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Ok(usize::MAX)
    }
}

#[test]
fn a_sink_that_reports_too_many_bytes_has_accepted_all() {
    let observer = observer(EventOutput::to(Boasts));
    (0..3).for_each(|_| request(&observer));
    let report = observer.shutdown(LONG);
    assert_eq!((report.flushed, counts(&report)), (true, (3, 0)));
}

#[cfg(feature = "metrics")]
#[test]
fn events_that_a_failing_sink_never_accepted_are_counted() {
    let flaky = Flaky { fails: Arc::new(AtomicBool::new(true)), taken: Shared::default() };
    let output = EventOutput::to(flaky).capacity(64 * 1024);
    let observer = observer(output);
    (0..1000).for_each(|_| request(&observer));
    let kept = || {
        observer.metrics_text().contains(r#"obs_events_dropped_total{output="sink",reason="output_error"} 0"#)
    };
    // The queue is full, and the worker has noticed that the sink fails.
    until(|| {
        request(&observer);
        !kept()
    });
    let report = observer.shutdown(Duration::from_millis(10));
    let (delivered, lost) = counts(&report);
    assert!(!report.flushed && delivered == 0 && lost > 0, "{report:?}");
}

/// A writer that panics.
struct Panics;

impl Write for Panics {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        panic!("a bug of the writer")
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn events_that_a_stuck_or_panicking_writer_never_accepted_are_reported_as_lost() {
    let (release, stuck) = mpsc::channel();
    for output in [EventOutput::writer(Panics), EventOutput::to(Stuck(stuck))] {
        let observer = observer(output);
        (0..7).for_each(|_| request(&observer));
        let report = observer.shutdown(Duration::from_millis(50));
        assert_eq!((report.flushed, counts(&report)), (false, (0, 7)), "{report:?}");
        assert!(report.to_string().starts_with("events: 0 delivered, 7 lost"), "{report}");
    }
    drop(release);
}

#[cfg(feature = "metrics")]
#[test]
fn a_stuck_output_loses_its_events_and_delays_no_request() {
    let (release, stuck) = mpsc::channel();
    let shared = Shared::default();
    let events = crate::outputs::events::settings::Events::new()
        .output(EventOutput::to(Stuck(stuck)).named("stuck").capacity(64 * 1024))
        .output(EventOutput::writer(shared.clone()));
    let observer = observer(events);
    (0..1000).for_each(|_| request(&observer));
    assert!(!observer.shutdown(Duration::from_millis(10)).flushed, "within its deadline");
    // The other output is flushed nevertheless.
    until(|| observer.metrics_text().contains(r#"obs_events_written_total{output="writer"} 1000"#));
    assert_eq!(shared.text().lines().count(), 1000);
    let text = observer.metrics_text();
    assert!(text.contains(r#"obs_events_written_total{output="stuck"} 0"#), "{text}");
    let number = |page: &str, name: &str| {
        let line = page.lines().find(|line| line.starts_with(name)).expect("the metric");
        line.rsplit(' ').next().and_then(|value| value.parse::<u64>().ok()).expect("a number")
    };
    let dropped = number(&text, r#"obs_events_dropped_total{output="stuck",reason="overflow"}"#);
    assert!((1..1000).contains(&dropped), "{dropped}");
    assert!(number(&text, r#"obs_events_queued_bytes{output="stuck"}"#) <= 64 * 1024);
    // All events that were not dropped are written once the sink continues.
    drop(release);
    let written = r#"obs_events_written_total{output="stuck"}"#;
    until(|| number(&observer.metrics_text(), written) == 1000 - dropped);
}

/// A record does not keep the observer alive, even if a sink stores it.
#[test]
fn the_drop_of_the_last_observer_flushes_even_if_a_sink_keeps_records() {
    struct Keeps(Mutex<Vec<Record>>);
    impl RecordSink for Keeps {
        fn name(&self) -> &str {
            "keeps"
        }
        fn on_finish(&self, record: &Record) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record.clone());
        }
    }
    let output = Shared::default();
    let builder = Observer::builder("test").no_environment().sink(Keeps(Mutex::default()));
    let observer = builder.events(EventOutput::writer(output.clone())).build().expect("valid");
    let handle = observer.start(&RequestHead::new("GET", "/", &())).work();
    drop(observer);
    assert_eq!(output.text().lines().count(), 1);
    handle.set("too", "late");
}

/// A writer that accepts bytes and whose first calls of `flush` fail.
struct Holds(Shared, u32);

impl Write for Holds {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.1 = self.1.saturating_sub(1);
        if self.1 > 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

#[test]
fn a_writer_whose_flush_fails_gets_no_event_twice() {
    let output = Shared::default();
    let observer = observer(EventOutput::writer(Holds(output.clone(), 4)));
    (0..3).for_each(|_| request(&observer));
    until(|| observer.shutdown(LONG).flushed);
    assert_eq!(output.text().lines().count(), 3);
}

/// A sink whose writes are slow.
struct Slow(Arc<AtomicBool>);

impl EventSink for Slow {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        std::thread::sleep(Duration::from_millis(5));
        Ok(lines.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.store(true, Ordering::SeqCst);
        Ok(())
    }
}

#[test]
fn a_flush_ends_under_traffic() {
    let (flushed, stop) = (Arc::new(AtomicBool::new(false)), AtomicBool::new(false));
    let began = AtomicBool::new(false);
    let observer = observer(EventOutput::to(Slow(Arc::clone(&flushed))));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                request(&observer);
                began.store(true, Ordering::SeqCst);
            }
        });
        until(|| began.load(Ordering::SeqCst));
        let report = observer.shutdown(LONG);
        stop.store(true, Ordering::SeqCst);
        assert!(report.flushed && flushed.load(Ordering::SeqCst), "{report:?}");
    });
}

#[test]
fn a_recovered_sink_receives_the_events_at_the_end() {
    let flaky = Flaky { fails: Arc::new(AtomicBool::new(true)), taken: Shared::default() };
    let observer = observer(EventOutput::to(flaky.clone()));
    request(&observer);
    // After this time the pauses between retries are long.
    assert!(!observer.shutdown(Duration::from_millis(500)).flushed);
    flaky.fails.store(false, Ordering::SeqCst);
    drop(observer);
    until(|| flaky.taken.text().lines().count() == 1);
}
