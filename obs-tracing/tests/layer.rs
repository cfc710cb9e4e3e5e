//! The layer beside other layers, its levels, and its limits.

use std::{
    fmt,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use obs_core::{
    Events, LogOutput, Logs, Observer, Outcome, adapter::RequestHead, output::EventSink, testing::TestLogs,
};
use obs_tracing::LogsExt;
use serde_json::Value;
use tracing::{Event, Level, Subscriber, debug, error, info, subscriber::with_default};
use tracing_subscriber::{
    Layer,
    filter::LevelFilter,
    layer::{Context, SubscriberExt},
};

/// The bound of each wait, which only a hanging test reaches.
const BOUND: Duration = Duration::from_secs(60);

/// Returns an observer whose lines are written to memory.
fn observer(levels: &str) -> (Observer, TestLogs) {
    let written = TestLogs::new();
    let logs = Logs::new().levels(levels).output(LogOutput::writer(written.clone()));
    let builder = Observer::builder("shop").no_environment().events(Events::off()).logs(logs);
    (builder.build().expect("valid"), written)
}

fn messages(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["message"].as_str().expect("a text")).collect()
}

#[test]
fn fields_of_all_types_are_in_the_line() {
    #[derive(Debug)]
    struct Full(io::Error);
    impl fmt::Display for Full {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("cannot save")
        }
    }
    impl std::error::Error for Full {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let (observer, written) = observer("info");
    let failed = Full(io::Error::other("the disk is full"));
    with_default(tracing_subscriber::registry().with(observer.logs()), || {
        error!(
            order.id = 7,
            price = 1.5,
            large = u128::MAX,
            late = true,
            nothing = f64::NAN,
            who = %"jane",
            parts = ?["a"],
            error = &failed as &dyn std::error::Error,
            "it failed"
        );
        info!(only = "a field");
    });
    let lines = written.lines(&observer);
    let expected = serde_json::json!({
        "order": {"id": 7}, "price": 1.5, "large": u128::MAX.to_string(), "late": true, "nothing": null,
        "who": "jane", "parts": "[\"a\"]", "error": "cannot save: the disk is full",
    });
    assert_eq!(lines[0]["fields"], expected);
    assert_eq!(lines[0]["level"], "error");
    assert_eq!(lines[0]["target"], "layer");
    assert!(lines[0]["code.file.path"].as_str().is_some_and(|file| file.ends_with("layer.rs")));
    assert_eq!((&lines[1]["message"], &lines[1]["fields"]["only"]), (&"".into(), &"a field".into()));
}

#[test]
fn a_span_carries_the_request_and_a_line_after_its_end_says_so() {
    let (observer, written) = observer("info");
    with_default(tracing_subscriber::registry().with(observer.logs()), || {
        let observation = observer.start(&RequestHead::new("GET", "/", &()));
        let span = observation.work().run(|| tracing::info_span!("pooled"));
        span.in_scope(|| info!("during"));
        observation.finish(Outcome::Completed);
        span.in_scope(|| info!("after"));
        info!("outside");
    });
    let lines = written.lines(&observer);
    assert_eq!(messages(&lines), ["during", "after", "outside"]);
    assert_eq!(lines[0]["request_id"], lines[1]["request_id"]);
    assert!(lines[0].get("request_ended").is_none() && lines[1]["request_ended"] == true);
    assert!(lines[2].get("request_id").is_none());
}

/// Counts the lines that another layer with a filter of its own gets.
struct Counting(Arc<AtomicUsize>);

impl<S: Subscriber> Layer<S> for Counting {
    fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_layer_beside_it_sees_all_its_lines() {
    let (observer, written) = observer("warn");
    let counted = Arc::new(AtomicUsize::new(0));
    let counting = Counting(Arc::clone(&counted)).with_filter(LevelFilter::DEBUG);
    with_default(tracing_subscriber::registry().with(observer.logs()).with(counting), || {
        for _ in 0..3 {
            debug!("only for the other layer");
            error!("for both");
            assert!(tracing::enabled!(Level::DEBUG));
        }
    });
    assert_eq!(counted.load(Ordering::Relaxed), 6);
    assert_eq!(messages(&written.lines(&observer)), ["for both"; 3]);
}

#[test]
fn levels_change_while_the_service_runs() {
    let (observer, written) = observer("info");
    let subscriber = tracing_subscriber::registry().with(observer.logs());
    with_default(subscriber, || {
        let line = || debug!("a detail");
        line();
        observer.log_levels().set("info,layer=debug").expect("valid");
        // The caches of the call sites are refreshed on another thread.
        let began = Instant::now();
        while written.lines(&observer).is_empty() {
            line();
            assert!(began.elapsed() < BOUND, "the level never changes");
            thread::yield_now();
        }
        observer.log_levels().set("off").expect("valid");
        let before = written.lines(&observer).len();
        line();
        error!("nothing is written");
        assert_eq!(written.lines(&observer).len(), before, "a lower level applies at once");
    });
    assert!(observer.log_levels().set("loud").is_err());
    assert_eq!(observer.log_levels().to_string(), "off");
}

#[test]
fn a_line_inside_the_format_of_a_field_is_ignored() {
    struct Chatty;
    impl fmt::Display for Chatty {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            info!(chatty = %Self, "again");
            f.write_str("done")
        }
    }
    let (observer, written) = observer("info");
    with_default(tracing_subscriber::registry().with(observer.logs()), || info!(chatty = %Chatty, "once"));
    let lines = written.lines(&observer);
    assert_eq!(messages(&lines), ["once"]);
    assert_eq!(lines[0]["fields"]["chatty"], "done");
}

/// A sink that logs whenever it writes. Its lines would cause the next write.
struct LogsItself(TestLogs);

impl EventSink for LogsItself {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        info!("writing {} bytes", lines.len());
        self.0.write(lines)
    }
}

#[test]
fn lines_of_the_delivering_thread_are_ignored() {
    let written = TestLogs::new();
    let logs = Logs::new().output(LogOutput::to(LogsItself(written.clone())));
    let builder = Observer::builder("shop").no_environment().events(Events::off()).logs(logs);
    let observer = builder.build().expect("valid");
    // The sink's thread has no scoped subscriber, so this one is global.
    let subscriber = tracing_subscriber::registry().with(observer.logs());
    tracing::subscriber::set_global_default(subscriber).expect("the first");
    info!("the only line");
    for _ in 0..3 {
        assert_eq!(messages(&written.lines(&observer)), ["the only line"]);
    }
}
