//! The calls to databases that the requests of a test made.

use std::{
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
};

use obs_core::{
    ObserverBuilder,
    output::{CallTarget, Record, RecordSink},
    testing::{TestEvent, TestObserver},
};

use crate::watch::until;

/// An observer in memory that also keeps the records of calls.
#[derive(Clone)]
pub struct QueryObserver {
    test: TestObserver,
    records: Records,
}

#[derive(Clone, Default)]
struct Records(Arc<Mutex<Vec<Record>>>);

impl RecordSink for Records {
    fn name(&self) -> &str {
        "queries"
    }

    fn on_finish(&self, record: &Record) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record.clone());
    }
}

impl QueryObserver {
    pub fn with(settings: impl FnOnce(ObserverBuilder) -> ObserverBuilder) -> Self {
        let records = Records::default();
        let sink = records.clone();
        Self { test: TestObserver::with(|builder| settings(builder).sink(sink)), records }
    }
}

impl Deref for QueryObserver {
    type Target = TestObserver;

    fn deref(&self) -> &TestObserver {
        &self.test
    }
}

/// A finished call to a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub system: &'static str,
    pub dependency: &'static str,
    pub operation: Option<String>,
    pub text: Option<String>,
    pub rows: Option<u64>,
    pub error_type: Option<&'static str>,
    pub code: Option<String>,
    /// True if it has the trace and the id of a request.
    pub of_request: bool,
}

impl Query {
    /// The operation, the rows and the type of the failure.
    #[must_use]
    pub fn brief(&self) -> (&str, Option<u64>, Option<&'static str>) {
        (self.operation.as_deref().unwrap_or_default(), self.rows, self.error_type)
    }
}

/// The calls to databases, in the order in which they ended.
#[must_use]
pub fn queries(test: &QueryObserver) -> Vec<Query> {
    let records = test.records.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let requests: Vec<_> = records.iter().filter(|record| record.request().is_some()).collect();
    let query = |record: &Record| {
        let call = record.call()?;
        let CallTarget::Database(database) = &call.start.target else { return None };
        let (start, text) = (record.start(), |text: &str| text.to_owned());
        Some(Query {
            system: database.system,
            dependency: call.start.dependency.as_str(),
            operation: call.start.operation.as_deref().map(text),
            text: database.query.as_deref().map(text),
            rows: call.end.rows,
            error_type: record.error_type(),
            code: call.end.code.as_deref().map(text),
            of_request: requests.iter().any(|request| {
                let of = request.start();
                of.id == start.id && of.trace.trace_id == start.trace.trace_id
            }),
        })
    };
    records.iter().filter_map(query).collect()
}

/// Waits until this number of requests have ended, and returns their events.
pub async fn events(test: &TestObserver, requests: usize) -> Vec<TestEvent> {
    until(|| test.records().iter().filter(|record| record.request().is_some()).count() >= requests).await;
    test.events()
}
