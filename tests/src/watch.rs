//! An observer whose records, events and metrics a case waits for and checks.

use crate::of_request::OfRequest as _;
use std::{sync::OnceLock, time::Duration};

use obs_core::{
    Events, Observer, ObserverBuilder, Outcome,
    output::Record,
    testing::{TestEvent, TestMetric, TestObserver},
};

/// The bound of each wait. It is longer than any step takes on a busy machine, so only a hanging
/// test reaches it.
pub const BOUND: Duration = Duration::from_secs(60);

/// The observer in memory that users test with, and the checks of this suite.
pub struct Watch {
    pub observer: Observer,
    test: TestObserver,
}

impl Default for Watch {
    fn default() -> Self {
        Self::with(|builder| builder)
    }
}

impl Watch {
    #[must_use]
    pub fn with(settings: impl FnOnce(ObserverBuilder) -> ObserverBuilder) -> Self {
        Self::of_events(Events::new().headers(["x-tenant"]), settings)
    }

    /// An observer with these events and settings.
    pub fn of_events(events: Events, settings: impl FnOnce(ObserverBuilder) -> ObserverBuilder) -> Self {
        // Cases of the shutdown set other values.
        let test = TestObserver::events_with(events, |builder| {
            settings(builder.shutdown_timeout(4 * BOUND).drain_timeout(Duration::ZERO))
        });
        Self { observer: test.observer().clone(), test }
    }

    /// Waits until `n` requests have ended.
    pub async fn ended(&self, n: usize) -> Vec<Record> {
        self.test.wait_for(n).await
    }

    /// The records of all calls that have ended.
    #[must_use]
    pub fn calls(&self) -> Vec<Record> {
        self.test.calls()
    }

    /// Returns the message with which the test kit fails now, because fewer than `n` requests have
    /// ended.
    pub async fn timeout(&self, n: usize) -> String {
        let waiting = tokio::spawn(self.test.wait_for(n).within(Duration::ZERO));
        let panic = waiting.await.expect_err("too few have ended").into_panic();
        *panic.downcast().expect("a text")
    }

    /// Waits until exactly `n` requests are running.
    pub async fn running(&self, n: u64) {
        until(|| self.observer.in_flight() == n).await;
    }

    /// Flushes the events, and returns those written so far. Checks each against the schema.
    #[must_use]
    pub fn lines(&self) -> Vec<serde_json::Value> {
        let events = self.test.events().into_iter().map(|event| event.json().clone());
        events.inspect(fulfils_the_schema).collect()
    }

    /// The events so far, as the test kit shows them.
    #[must_use]
    pub fn events(&self) -> Vec<TestEvent> {
        self.test.events()
    }

    /// The sum of all samples with these labels, as the test kit shows it.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> TestMetric {
        self.test.metric(name, labels)
    }

    /// The sum of all samples of `name` whose labels contain `labels`.
    #[must_use]
    pub fn metric(&self, name: &str, labels: &str) -> f64 {
        let text = self.observer.metrics_text();
        let of_name = |line: &&str| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{') || rest.starts_with(' '))
        };
        text.lines()
            .filter(of_name)
            .filter(|line| line.contains(labels))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().expect("a number"))
            .sum()
    }

    /// Checks all that must hold after all requests have ended: each record is as expected, the
    /// numbers of records, histogram counts and events equal the number of requests, and nothing is
    /// in flight.
    pub fn check(&self, expected: &[Expected]) {
        let records = self.test.records();
        assert_eq!(records.len(), expected.len(), "one record per request: {records:#?}");
        for (record, expected) in records.iter().zip(expected) {
            expected.check(record);
        }
        self.check_outputs(&records);
    }

    fn check_outputs(&self, records: &[Record]) {
        let n = records.len() as f64;
        let durations = self.metric("http_request_duration_seconds_count", "");
        let streams = self.metric("http_stream_duration_seconds_count", "");
        assert_eq!(durations + streams, n, "one histogram count per request");
        let expected_streams = records.iter().filter(|record| record.end().stream).count();
        assert_eq!(streams, expected_streams as f64, "streams have their own histogram");
        assert_eq!(self.metric("http_requests_total", ""), n);
        let answered = records.iter().filter(|record| record.end().status.is_some()).count();
        assert_eq!(self.metric("http_response_size_bytes_count", ""), answered as f64);
        let sent: u64 = records.iter().map(|record| record.end().response_bytes).sum();
        assert_eq!(self.metric("http_response_size_bytes_sum", ""), sent as f64);
        let sized: Vec<_> = records.iter().filter_map(|record| record.end().request_bytes).collect();
        assert_eq!(self.metric("http_request_size_bytes_count", ""), sized.len() as f64);
        assert_eq!(self.metric("http_request_size_bytes_sum", ""), sized.iter().sum::<u64>() as f64);
        let failed = records.iter().filter(|record| record.error_type().is_some()).count();
        assert_eq!(self.metric("http_request_errors_total", ""), failed as f64);
        assert_eq!(self.metric("http_requests_in_flight", ""), 0.0, "nothing is in flight");

        let lines = self.lines();
        let with_line: Vec<_> =
            records.iter().filter(|r| !r.end().endpoint || r.status_label() >= 500).collect();
        assert_eq!(lines.len(), with_line.len(), "one event per request");
        for record in with_line {
            let id = record.start().id.as_str();
            let line = lines.iter().find(|line| line["request_id"] == id).expect("its event");
            assert_eq!(line["outcome"], record.outcome.as_str());
            assert_eq!(
                line["http.route"].as_str(),
                record.end().route.as_ref().map(obs_core::output::Route::as_str)
            );
            assert_eq!(line["http.response.status_code"].as_u64(), record.end().status.map(u64::from));
            assert_eq!(line["http.response.body.size"], record.end().response_bytes);
            assert_eq!(line["error.type"].as_str(), record.error_type());
        }
    }
}

/// The expected facts of a record.
#[derive(Clone, Debug)]
pub struct Expected {
    outcome: Outcome,
    status: Option<u16>,
    route: Option<&'static str>,
    bytes: Bytes,
    stream: bool,
}

#[derive(Clone, Debug)]
enum Bytes {
    Exactly(u64),
    /// The client disconnected: the number of sent bytes depends on buffers, but is less than this.
    LessThan(u64),
}

impl Expected {
    /// A complete response to `route`.
    #[must_use]
    pub fn completed(status: u16, route: &'static str, bytes: u64) -> Self {
        Self {
            outcome: Outcome::Completed,
            status: Some(status),
            route: Some(route),
            bytes: Bytes::Exactly(bytes),
            stream: false,
        }
    }

    #[must_use]
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    #[must_use]
    pub fn unmatched(mut self) -> Self {
        self.route = None;
        self
    }

    #[must_use]
    pub fn no_status(mut self) -> Self {
        self.status = None;
        self
    }

    #[must_use]
    pub fn stream(mut self) -> Self {
        self.stream = true;
        self
    }

    #[must_use]
    pub fn less_than(mut self, bytes: u64) -> Self {
        self.bytes = Bytes::LessThan(bytes);
        self
    }

    fn check(&self, record: &Record) {
        assert_eq!(record.outcome, self.outcome, "the outcome of {record:#?}");
        assert_eq!(record.end().status, self.status, "the status of {record:#?}");
        let route = record.end().route.as_ref().map(obs_core::output::Route::as_str);
        assert_eq!(route, self.route, "the route of {record:#?}");
        assert_eq!(record.end().stream, self.stream, "whether it is a stream: {record:#?}");
        match self.bytes {
            Bytes::Exactly(bytes) => {
                assert_eq!(record.end().response_bytes, bytes, "the bytes of {record:#?}")
            }
            Bytes::LessThan(bytes) => {
                assert!(record.end().response_bytes < bytes, "the bytes of {record:#?}")
            }
        }
        assert_eq!(record.end().time_to_head.is_some(), record.end().status.is_some());
        assert!(record.end().time_to_head.is_none_or(|time| time <= record.duration));
    }
}

/// Checks an event against the schema of the crate.
pub fn fulfils_the_schema(event: &serde_json::Value) {
    static SCHEMA: OnceLock<jsonschema::Validator> = OnceLock::new();
    let schema = SCHEMA.get_or_init(|| {
        let mut schema: serde_json::Value = serde_json::from_str(obs_core::EVENT_SCHEMA).expect("JSON");
        // Readers must allow new fields, but in tests the schema must describe each field.
        schema["additionalProperties"] = false.into();
        jsonschema::draft202012::new(&schema).expect("a valid schema")
    });
    let errors: Vec<_> = schema.iter_errors(event).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?} in {event:#}");
}

/// Waits for a condition by polling.
pub async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(BOUND, wait).await.is_ok(), "the condition came true");
}
