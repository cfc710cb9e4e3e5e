//! Tests of events on their way from the request to the output. Rotation loses, repeats and splits
//! no event, no event is late, and a slow output does not delay the shutdown.

use std::{
    collections::HashSet,
    fs, io,
    path::Path,
    sync::mpsc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use flate2::read::GzDecoder;
use obs_core::{
    EventFile, EventOutput, Events, Observer, Outcome, Overflow,
    adapter::RequestHead,
    output::{Batch, BatchSink, Delivered, EventSink, Failure},
};
use obs_tests::{
    process::temporary,
    watch::{BOUND, fulfils_the_schema},
};
use serde_json::Value;

fn observer(events: impl Into<Events>) -> Observer {
    Observer::builder("test").no_environment().events(events).build().expect("valid")
}

fn request(observer: &Observer, n: u64) {
    let mut observation = observer.start(&RequestHead::new("GET", "/items/7", &()));
    observation.set_route("/items/{id}");
    observation.work().set("n", n);
    observation.responded(200, &());
    observation.finish(Outcome::Completed);
}

/// The events of all segments, compressed or not.
fn lines(folder: &Path) -> Vec<Value> {
    let mut all = Vec::new();
    for file in fs::read_dir(folder).expect("the folder") {
        let path = file.expect("a file").path();
        let bytes = fs::read(&path).expect("readable");
        let mut text = String::new();
        if path.extension().is_some_and(|extension| extension == "gz") {
            io::Read::read_to_string(&mut GzDecoder::new(&bytes[..]), &mut text).expect("gzip");
        } else if path.to_string_lossy().ends_with(".tmp") {
            continue;
        } else {
            text = String::from_utf8(bytes).expect("UTF-8");
        }
        assert!(text.is_empty() || text.ends_with('\n'), "{} ends with a line", path.display());
        all.extend(text.lines().map(|line| serde_json::from_str(line).expect("a whole line")));
    }
    all
}

/// Returns `true` while a segment is compressed. For a moment the segment exists twice: under its
/// own name, and compressed under another.
fn is_being_compressed(folder: &Path) -> bool {
    let files = fs::read_dir(folder).expect("the folder").map(|file| file.expect("a file").file_name());
    let names: HashSet<_> = files.map(|name| name.to_string_lossy().into_owned()).collect();
    let twice = |name: &String| name.strip_suffix(".gz").is_some_and(|original| names.contains(original));
    names.iter().any(|name| name.ends_with(".tmp") || twice(name))
}

#[test]
fn rotation_under_load_loses_repeats_and_splits_no_event() {
    const THREADS: u64 = 4;
    const EACH: u64 = 3_000;
    for gzip in [false, true] {
        let folder = temporary(&format!("rotation-{gzip}"));
        fs::create_dir_all(&folder).expect("a folder");
        let file = EventFile::new(folder.join("events.jsonl"));
        let file = file.rotate_size(100_000).keep_files(10_000).gzip(gzip);
        let observer = observer(EventOutput::file(file).on_overflow(Overflow::Block(BOUND)));
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let observer = &observer;
                scope.spawn(move || (0..EACH).for_each(|n| request(observer, thread * EACH + n)));
            }
        });
        let report = observer.shutdown(BOUND);
        assert!(report.flushed, "{report:?}");
        let events = report.output("events").unwrap_or_default();
        assert_eq!((events.delivered, events.lost), (THREADS * EACH, 0));
        drop(observer);
        let began = Instant::now();
        while gzip && is_being_compressed(&folder) {
            assert!(began.elapsed() < BOUND, "the compression ends");
            thread::sleep(Duration::from_millis(5));
        }
        let lines = lines(&folder);
        lines.iter().take(10).for_each(fulfils_the_schema);
        let numbers: HashSet<_> = lines.iter().filter_map(|line| line["fields"]["n"].as_u64()).collect();
        assert_eq!(numbers, (0..THREADS * EACH).collect());
        assert_eq!(lines.len() as u64, THREADS * EACH);
        assert!(fs::read_dir(&folder).expect("the folder").count() > 10, "the file has rotated");
        fs::remove_dir_all(folder).expect("removed");
    }
}

struct Arrivals(mpsc::Sender<Instant>);

impl EventSink for Arrivals {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let _ = self.0.send(Instant::now());
        Ok(lines.len())
    }
}

/// A busy machine may delay some events, so the fastest one counts. With a writer that polls once a
/// second, for example, no event would be fast enough.
#[test]
fn an_event_reaches_its_sink_within_50_ms() {
    let (send, arrivals) = mpsc::channel();
    let observer = observer(EventOutput::to(Arrivals(send)));
    let mut quickest = [Duration::MAX; 2];
    for n in 0..3 {
        for (kind, pause) in [Duration::from_millis(1_200), Duration::ZERO].into_iter().enumerate() {
            thread::sleep(pause);
            let began = Instant::now();
            request(&observer, n);
            let arrived = arrivals.recv_timeout(BOUND).expect("it arrives");
            quickest[kind] = quickest[kind].min(arrived.saturating_duration_since(began));
        }
    }
    assert!(quickest.iter().all(|time| *time <= Duration::from_millis(50)), "{quickest:?}");
}

/// A slow sink, which takes one event at a time.
struct Slow;

impl EventSink for Slow {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        thread::sleep(Duration::from_millis(20));
        Ok(lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |end| end + 1))
    }
}

#[test]
fn a_shutdown_keeps_its_deadline_and_reports_unsent_events() {
    let observer = observer(EventOutput::to(Slow));
    (0..2_000).for_each(|n| request(&observer, n));
    let began = Instant::now();
    let report = observer.shutdown(Duration::from_secs(1));
    let events = report.output("events").unwrap_or_default();
    // The slow output would need 40 s for all events.
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert!((1..2_000).contains(&events.delivered), "{report:?}");
    assert!(!report.flushed && events.lost == 2_000 - events.delivered, "the others are lost: {report:?}");
    let began = Instant::now();
    drop(observer);
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "the last observer does not wait again: {:?}",
        began.elapsed()
    );
}

/// A sink that takes one event at a time, and rejects the event with the number 2.
struct OneByOne(mpsc::Sender<(Value, SystemTime, Option<&'static str>)>);

impl BatchSink for OneByOne {
    fn send(&mut self, batch: &Batch<'_>) -> Result<Delivered, Failure> {
        let first = batch.iter().next().expect("a batch has entries");
        let event: Value = serde_json::from_slice(first.bytes()).expect("a whole event");
        assert_eq!(event["trace_id"], *first.trace_id().to_string());
        assert_eq!(event["span_id"], *first.span_id().to_string());
        assert_eq!(event["kind"], first.kind());
        assert_eq!(event["http.route"].as_str(), first.route());
        let refused = event["fields"]["n"] == 2;
        self.0.send((event, first.time(), first.route())).expect("the test listens");
        if refused { Ok(Delivered::first(1).rejected(1, "a two")) } else { Ok(Delivered::first(1)) }
    }
}

#[test]
fn a_batch_has_the_facts_of_each_event_and_is_accepted_in_parts() {
    let (send, taken) = mpsc::channel();
    let observer = observer(EventOutput::batches(OneByOne(send)).named("bulk"));
    let before = SystemTime::now() - Duration::from_secs(1);
    (0..5).for_each(|n| request(&observer, n));
    observer.start(&RequestHead::new("GET", "/nowhere", &())).finish(Outcome::Completed);
    let report = observer.shutdown(BOUND);
    let events = report.output("events").unwrap_or_default();
    assert_eq!((report.flushed, events.delivered, events.lost), (false, 5, 1), "one event was rejected");
    let page = observer.metrics_text();
    assert!(page.contains(r#"obs_events_dropped_total{output="bulk",reason="rejected"} 1"#), "{page}");
    drop(observer);
    let taken: Vec<_> = taken.iter().collect();
    let numbers: Vec<_> = taken.iter().map(|(event, ..)| event["fields"]["n"].as_u64()).collect();
    assert_eq!(numbers, [Some(0), Some(1), Some(2), Some(3), Some(4), None]);
    let routes: Vec<_> = taken.iter().map(|(.., route)| *route).collect();
    assert_eq!(routes, [Some("/items/{id}"); 5].into_iter().chain([None]).collect::<Vec<_>>());
    assert!(taken.iter().all(|(_, time, _)| (before..=SystemTime::now()).contains(time)));
}

/// A sink that fails with each prepared failure, permanent or temporary.
struct Refuses(mpsc::Receiver<Failure>);

impl BatchSink for Refuses {
    fn send(&mut self, _: &Batch<'_>) -> Result<Delivered, Failure> {
        self.0.try_recv().map_or(Ok(Delivered::all()), Err)
    }
}

#[test]
fn a_permanent_failure_drops_the_batch_and_a_temporary_one_does_not() {
    let (refuse, refusals) = mpsc::channel();
    let observer = observer(EventOutput::batches(Refuses(refusals)));
    refuse.send(Failure::after(Duration::from_millis(1), "busy")).expect("sent");
    request(&observer, 1);
    assert!(observer.shutdown(BOUND).flushed, "the batch is sent again");
    refuse.send(Failure::never("too large")).expect("sent");
    request(&observer, 2);
    // The worker may drop the batch before the flush, so the report may say that all is flushed.
    let _ = observer.shutdown(BOUND);
    request(&observer, 3);
    let report = observer.shutdown(BOUND);
    let events = report.output("events").unwrap_or_default();
    assert_eq!((report.flushed, events.delivered, events.lost), (true, 2, 1));
}
