//! The queries of sqlx with SQLite are calls of their requests, without a wrapper.
//!
//! SQLite runs on threads of its own, so the subscriber is global, and this is the only test of its
//! process.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{Router, routing::get as on_get};
use obs_core::{LogOutput, Logs, testing::TestLogs};
use obs_tests::{
    client::{Client, get},
    queries::{QueryObserver, events, queries},
    subscribed::serve,
};
use obs_tracing::LogsExt as _;
use sqlx::{SqlitePool, sqlite::SqlitePoolOptions};
use tracing::{Event, Metadata, Subscriber, subscriber::Interest};
use tracing_subscriber::{
    Layer,
    layer::{Context, Filter, SubscriberExt as _},
};

/// A layer that accepts everything up to info, and notes what it was asked and given.
#[derive(Clone, Default)]
struct Other(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Other {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event.metadata().target().to_owned());
    }
}

struct UpToInfo;

impl<S> Filter<S> for UpToInfo {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        *metadata.level() <= tracing::Level::INFO
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if *metadata.level() <= tracing::Level::INFO { Interest::sometimes() } else { Interest::never() }
    }
}

async fn orders(pool: SqlitePool) {
    let text = "INSERT INTO items (name) VALUES ('one'), ('two'), ('secret')";
    sqlx::query(text).execute(&pool).await.expect("inserted");
    let all = sqlx::query("SELECT id, name FROM items WHERE name <> 'hunter2'").fetch_all(&pool).await;
    for row in 0..all.expect("rows").len() {
        // One query for each row.
        let text = "SELECT name FROM items WHERE id > ?";
        sqlx::query(text).bind(i64::try_from(row).expect("few rows")).fetch_all(&pool).await.expect("rows");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queries_of_sqlite_are_calls_of_their_request() {
    let written = TestLogs::new();
    let output = LogOutput::writer(written.clone());
    let logs = Logs::new().levels("warn").tracing_span(true).output(output);
    let test = QueryObserver::with(|builder| builder.logs(logs).repeated_queries(3));
    let other = Other::default();
    let subscriber =
        tracing_subscriber::registry().with(test.observer().logs()).with(other.clone().with_filter(UpToInfo));
    tracing::subscriber::set_global_default(subscriber).expect("the first");
    assert!(!tracing::enabled!(target: "sqlx_queries", tracing::Level::DEBUG), "other call sites are off");

    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.expect("SQLite");
    let create = "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT)";
    sqlx::query(create).execute(&pool).await.expect("created");
    let before = queries(&test);
    assert!(before.iter().all(|query| !query.of_request && query.system == "sqlite"), "{before:?}");

    let route = on_get(move || {
        let pool = pool.clone();
        async move { orders(pool).await }
    });
    let addr = serve(test.observer(), Router::new().route("/orders/{id}", route)).await;
    let mut client = Client::connect(addr, false).await;
    assert_eq!(client.send(get("/orders/7")).await.expect("an answer").status, 200);
    let event = events(&test, 1).await.pop().expect("an event");

    let made: Vec<_> = queries(&test).into_iter().filter(|query| query.of_request).collect();
    let texts: Vec<_> =
        made.iter().map(|query| (query.text.as_deref().unwrap_or_default(), query.rows)).collect();
    let each = |rows| ("SELECT name FROM items WHERE id > ?", Some(rows));
    let expected = [
        ("INSERT INTO items (name) VALUES (?), (?), (?)", Some(3)),
        ("SELECT id, name FROM items WHERE name <> ?", Some(3)),
        each(3),
        each(2),
        each(1),
    ];
    assert_eq!(texts, expected);
    assert!(made.iter().all(|query| query.system == "sqlite" && query.error_type.is_none()), "{made:?}");

    event
        .has("calls.0.dependency", "sqlite")
        .has("calls.0.count", 5)
        .has("calls.0.errors", 0)
        .has("calls.0.rows", 12)
        .has("slowest_calls.0.operation", "INSERT items")
        .has("repeated_queries.0.operation", "SELECT items")
        .has("repeated_queries.0.count", 4)
        .has_no("repeated_queries.1");
    test.metric("db_client_repeated_queries_total", &[("endpoint", "/orders/{id}")]).is(4.0);
    let labels = [("dependency", "sqlite"), ("operation", "SELECT items")];
    test.metric("db_client_operation_duration_seconds_count", &labels).is(4.0);

    // A second request has no second warning.
    client.send(get("/orders/8")).await.expect("an answer");
    events(&test, 2).await;
    let lines = written.lines(test.observer());
    let warnings: Vec<_> = lines.iter().filter(|line| line["target"] == "obs").collect();
    assert_eq!(warnings.len(), 1, "{lines:?}");
    let warning = warnings[0]["message"].as_str().expect("a text");
    assert!(warning.contains("`GET /orders/{id}` ran the query `SELECT items` 4 times"), "{warning}");
    assert!(lines.iter().all(|line| line["target"] != "sqlx::query"), "no lines of queries: {lines:?}");
    let others = other.0.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(!others.iter().any(|target| target == "sqlx::query"), "the other layer gets none: {others:?}");
}
