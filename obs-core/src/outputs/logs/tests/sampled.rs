//! Lines that are kept and dropped with the event of their request.

use serde_json::Value as Json;

use crate::{
    http::{head::RequestHead, headers::HeaderLookup},
    observer::Observer,
    outputs::{
        events::settings::Events,
        logs::{line::LogLine, output::LogOutput, settings::Logs},
    },
    record::{log_level::LogLevel, outcome::Outcome},
    request::observation::Observation,
    testing::TestLogs,
};

/// The traces with the smallest and with the greatest random number.
const DROPPED: &str = "00-0af7651916cd43dd8400000000000000-b7ad6b7169203331-03";
const KEPT: &str = "00-0af7651916cd43dd84ffffffffffffff-b7ad6b7169203331-03";

/// The header `traceparent`.
struct Parent(&'static str);

impl HeaderLookup for Parent {
    fn each(&self, name: &str, visit: &mut dyn FnMut(&[u8])) {
        if name == "traceparent" {
            visit(self.0.as_bytes());
        }
    }
}

struct Service {
    observer: Observer,
    written: TestLogs,
}

impl Service {
    /// Keeps one of ten events, and those of failed requests if `failed` is true.
    fn new(failed: bool, settings: impl FnOnce(Logs) -> Logs) -> Self {
        Self::of(Events::off().keep(move |event| failed && event.error_type().is_some()), settings)
    }

    fn of(events: Events, settings: impl FnOnce(Logs) -> Logs) -> Self {
        let written = TestLogs::new();
        let logs = settings(Logs::new().sampled(true)).output(LogOutput::writer(written.clone()));
        let events = events.sample_rate(0.1);
        let builder = Observer::builder("shop").no_environment().events(events).logs(logs);
        Self { observer: builder.build().expect("valid"), written }
    }

    fn start(&self, trace: &'static str) -> Observation {
        self.observer.start(&RequestHead::new("GET", "/", &Parent(trace)))
    }

    fn write(&self, level: LogLevel, of: Option<&Observation>) {
        let line = LogLine::new(level, "shop", level.as_str());
        let line = if let Some(observation) = of { line.of(observation.work()) } else { line };
        self.observer.log_pipeline().write(line);
    }

    /// Writes a debug, an info and a warning line in a request that ends with this status.
    fn request(&self, trace: &'static str, status: u16, keep: bool) {
        let mut observation = self.start(trace);
        for level in [LogLevel::Debug, LogLevel::Info, LogLevel::Warn] {
            self.write(level, Some(&observation));
        }
        if keep {
            observation.work().keep_logs();
        }
        observation.responded(status, &());
        observation.finish(Outcome::Completed);
    }

    /// The messages so far. An exclamation mark marks those that were written after the fact.
    fn messages(&self) -> Vec<String> {
        let lines = self.written.lines(&self.observer);
        let mark = |line: &Json| if line["collected"] == true { "!" } else { "" };
        let text = |line: &Json| line["message"].as_str().expect("a text").to_owned() + mark(line);
        lines.iter().map(text).collect()
    }

    fn count(&self, series: &str) -> u64 {
        let text = self.observer.metrics_text();
        let line = text.lines().find_map(|line| line.strip_prefix(series)).expect("the series");
        line.trim().parse().expect("a number")
    }

    fn dropped(&self, reason: &str) -> u64 {
        self.count(&format!("log_lines_dropped_total{{output=\"all\",reason=\"{reason}\"}}"))
    }
}

/// The level allows all lines, and none is collected because of it.
fn only_enabled(logs: Logs) -> Logs {
    logs.levels("debug")
}

#[test]
fn lines_below_warn_follow_the_trace() {
    let service = Service::new(false, only_enabled);
    service.request(DROPPED, 200, false);
    assert_eq!(service.messages(), ["warn"]);
    service.request(KEPT, 200, false);
    assert_eq!(service.messages(), ["warn", "debug", "info", "warn"]);
    service.write(LogLevel::Info, None);
    assert_eq!(service.messages().len(), 5, "a line outside of requests is kept");
    assert_eq!((service.dropped("sampling"), service.dropped("collection")), (2, 0));
    assert_eq!(service.count("log_lines_total{level=\"info\"}"), 3, "each line is counted once");
}

#[test]
fn without_rules_the_rate_alone_decides_at_once() {
    let service = Service::of(Events::off(), only_enabled);
    let observation = service.start(DROPPED);
    service.write(LogLevel::Info, Some(&observation));
    assert_eq!(service.dropped("sampling"), 1, "the line does not wait for the end");
    observation.finish(Outcome::Completed);
    service.request(KEPT, 500, false);
    assert_eq!(service.messages(), ["debug", "info", "warn"]);
    assert_eq!(service.dropped("sampling"), 1);
}

#[test]
fn an_event_that_a_rule_keeps_has_all_its_lines() {
    let service = Service::new(true, only_enabled);
    service.request(DROPPED, 500, false);
    assert_eq!(service.messages(), ["warn", "debug!", "info!"]);
    assert_eq!(service.dropped("sampling"), 0);
    assert_eq!(service.count("log_lines_total{level=\"info\"}"), 1);
    // Without the rule, the event is dropped, and so are the lines.
    let service = Service::new(false, only_enabled);
    service.request(DROPPED, 500, false);
    assert_eq!((service.messages(), service.dropped("sampling")), (vec!["warn".to_owned()], 2));
}

#[test]
fn lines_that_are_written_after_the_fact_stay_complete() {
    let collects = |logs: Logs| logs.collect("shop=debug");
    let service = Service::new(false, collects);
    service.request(DROPPED, 200, false);
    assert_eq!((service.messages(), service.dropped("sampling")), (vec!["warn".to_owned()], 1));
    for (status, keep) in [(500, false), (200, true)] {
        let service = Service::new(false, collects);
        service.request(DROPPED, status, keep);
        assert_eq!(service.messages(), ["warn", "debug!", "info!"], "{status}");
        assert_eq!(service.dropped("sampling"), 0);
    }
    // A rule keeps the event. Its lines below their level were not collected for that.
    let service = Service::new(true, |logs: Logs| logs.collect("other=debug"));
    service.request(DROPPED, 500, false);
    assert_eq!(service.messages(), ["warn", "debug!", "info!"]);
}

#[test]
fn lines_that_find_no_room_are_counted_by_the_decision() {
    for (failed, expected) in [(true, "collection"), (false, "sampling")] {
        let service = Service::new(failed, |logs| logs.collect_bytes(1_024));
        let mut observation = service.start(DROPPED);
        (0..100).for_each(|_| service.write(LogLevel::Info, Some(&observation)));
        observation.responded(500, &());
        let work = observation.work();
        observation.finish(Outcome::Completed);
        let written = service.messages().len() as u64;
        assert!(if failed { (1..100).contains(&written) } else { written == 0 }, "{written}");
        assert_eq!(service.dropped(expected), 100 - written);
        service.observer.log_pipeline().write(LogLine::new(LogLevel::Info, "shop", "late").of(work));
        assert_eq!(service.dropped("collection") + service.dropped("sampling"), 101 - written);
    }
}
