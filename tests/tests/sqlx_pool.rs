//! An observed pool of sqlx: failures with their codes, rows, waits, and nothing twice.
//!
//! SQLite runs on threads of its own, so the subscriber is global, and this is the only test of its
//! process.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use obs_client::sqlx::{ObservedPool, SqlxExt as _};
use obs_core::{Logs, Outcome, adapter::RequestHead};
use obs_tests::{
    postgres::Postgres,
    queries::{Query, QueryObserver, queries},
    watch::until,
};
use obs_tracing::LogsExt as _;
use sqlx::{
    Connection as _, Database, Executor, IntoArguments, postgres::PgPoolOptions, sqlite::SqlitePoolOptions,
};
use tracing_subscriber::layer::SubscriberExt as _;

/// Runs a future in a request.
async fn in_request<T>(test: &QueryObserver, future: impl Future<Output = T>) -> T {
    let observation = test.observer().start(&RequestHead::new("GET", "/items", &()));
    let value = observation.work().scope(future).await;
    observation.finish(Outcome::Completed);
    value
}

/// The same queries for each database.
async fn run<DB: Database>(pool: &ObservedPool<DB>)
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> DB::Arguments<'q>: IntoArguments<'q, DB>,
{
    let insert = "INSERT INTO items VALUES (1, 'hunter2'), (2, 'hunter3')";
    sqlx::query::<DB>(insert).execute(pool).await.map(drop).expect("inserted");
    let failed = sqlx::query::<DB>(insert).execute(pool).await.map(drop);
    assert!(failed.is_err(), "the key is taken");
    let rows = sqlx::query::<DB>("SELECT * FROM items").fetch_all(pool).await.expect("rows");
    assert_eq!(rows.len(), 2);
    drop(sqlx::query::<DB>("SELECT * FROM items").fetch_one(pool).await.expect("a row"));
    let none = sqlx::query::<DB>("SELECT * FROM items WHERE id = 9").fetch_one(pool).await;
    assert!(matches!(none, Err(sqlx::Error::RowNotFound)));
    // A caller that has enough rows.
    let mut stream = sqlx::query::<DB>("SELECT * FROM items").fetch(pool);
    assert!(stream.try_next().await.expect("a row").is_some());
    drop(stream);

    let mut connection = pool.acquire().await.expect("a connection");
    let mut transaction = connection.begin().await.expect("a transaction");
    let update = sqlx::query::<DB>("UPDATE items SET name = 'x'");
    update.execute(pool.on(&mut *transaction)).await.map(drop).expect("updated");
    transaction.rollback().await.expect("rolled back");
}

/// The summary, the rows, the failure and the code of a call.
type ExpectedQuery = (&'static str, Option<u64>, Option<&'static str>, Option<&'static str>);

fn expected(code: &'static str) -> Vec<ExpectedQuery> {
    vec![
        ("INSERT items", Some(2), None, None),
        ("INSERT items", None, Some("unique_violation"), Some(code)),
        ("SELECT items", Some(2), None, None),
        ("SELECT items", Some(1), None, None),
        ("SELECT items", Some(0), None, None),
        ("SELECT items", Some(1), None, None),
        ("UPDATE items", Some(2), None, None),
    ]
}

/// The calls of the pool. The layer records the other ones, such as `BEGIN`, for the system.
fn of_pool(test: &QueryObserver, name: &str) -> Vec<Query> {
    queries(test).into_iter().filter(|query| query.dependency == name).collect()
}

fn check(test: &QueryObserver, name: &str, system: &str, code: &'static str) {
    let found = of_pool(test, name);
    let seen: Vec<_> = found
        .iter()
        .map(|query| {
            let (operation, rows, error_type) = query.brief();
            (operation, rows, error_type, query.code.as_deref())
        })
        .collect();
    assert_eq!(seen, expected(code), "{name}");
    assert!(found.iter().all(|query| query.of_request && query.system == system), "{found:?}");
    let texts: Vec<_> = found.iter().filter_map(|query| query.text.as_deref()).collect();
    assert!(!texts.concat().contains("hunter"), "{texts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_tells_failures_rows_and_waits_once() {
    let test = QueryObserver::with(|builder| builder.logs(Logs::off()));
    let subscriber = tracing_subscriber::registry().with(test.observer().logs());
    tracing::subscriber::set_global_default(subscriber).expect("the first");
    let create = "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL)";

    let sqlite =
        SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.expect("SQLite");
    sqlx::query(create).execute(&sqlite).await.expect("created");
    let sqlite = test.observer().sqlx_pool("items", sqlite);
    in_request(&test, run(&sqlite)).await;
    check(&test, "items", "sqlite", "1555");

    let server = Postgres::start().await;
    let postgres = PgPoolOptions::new().max_connections(2).connect(&server.url()).await.expect("PostgreSQL");
    sqlx::query(create).execute(&postgres).await.expect("created");
    let postgres = test.observer().sqlx_pool("orders", postgres);
    in_request(&test, run(&postgres)).await;
    check(&test, "orders", "postgresql", "23505");

    // The events of sqlx do not count the same queries again.
    let all = queries(&test);
    let others = all.iter().filter(|query| !["items", "orders"].contains(&query.dependency));
    let mut others: Vec<_> = others.map(|query| query.operation.as_deref().unwrap_or_default()).collect();
    others.retain(|operation| ["INSERT items", "SELECT items", "UPDATE items"].contains(operation));
    assert_eq!(others, [""; 0], "{all:?}");

    // The pool is exhausted: a caller waits.
    let held = sqlite.acquire().await.expect("a connection");
    let waiting = {
        let (sqlite, test) = (sqlite.clone(), test.clone());
        tokio::spawn(async move {
            in_request(&test, async { sqlx::query("SELECT 1").fetch_all(&sqlite).await.map(drop) }).await
        })
    };
    let pool = [("pool", "items")];
    let text = || test.observer().metrics_text();
    until(|| text().contains(r#"db_client_connection_pending_requests{pool="items"} 1"#)).await;
    test.metric("db_client_connection_count", &[("pool", "items"), ("state", "used")]).is(1.0);
    test.metric("db_client_connection_count", &[("pool", "items"), ("state", "idle")]).is(0.0);
    test.metric("db_client_connection_max", &pool).is(1.0);
    drop(held);
    waiting.await.expect("no panic").expect("a connection in time");
    test.metric("db_client_connection_pending_requests", &pool).is(0.0);
    test.metric("db_client_connection_timeouts_total", &pool).is(0.0);
    // Eight queries and the connection that was held.
    test.metric("db_client_connection_wait_time_seconds_count", &pool).is(9.0);

    // A caller gives up.
    let short = Duration::from_millis(20);
    let options = SqlitePoolOptions::new().max_connections(1).acquire_timeout(short);
    let full = options.connect_lazy("sqlite::memory:").expect("a URL");
    let full = test.observer().sqlx_pool("full", full);
    let mut held = full.acquire().await;
    while held.is_err() {
        held = full.acquire().await;
    }
    let result = in_request(&test, async { sqlx::query("SELECT 1").fetch_all(&full).await.map(drop) }).await;
    assert!(matches!(result, Err(sqlx::Error::PoolTimedOut)), "{result:?}");
    drop(held);
    let failed = of_pool(&test, "full").pop().expect("the query");
    assert_eq!(failed.brief(), ("SELECT", None, Some("pool_timeout")));
    let timeouts = test.metric("db_client_connection_timeouts_total", &[("pool", "full")]);
    assert!(timeouts.value() >= Some(1.0));
    test.metric("db_client_errors_total", &[("dependency", "full"), ("error_type", "pool_timeout")]).is(1.0);

    // The server is gone. sqlx tries to connect until the time is over.
    let gone = PgPoolOptions::new().acquire_timeout(short).connect_lazy(&server.url()).expect("a URL");
    let gone = test.observer().sqlx_pool("gone", gone);
    server.stop();
    let result = in_request(&test, async { sqlx::query("SELECT 1").fetch_all(&gone).await.map(drop) }).await;
    assert!(result.is_err());
    let failed = of_pool(&test, "gone").pop().expect("the query");
    assert_eq!(failed.brief(), ("SELECT", None, Some("pool_timeout")));

    // A closed pool is no longer shown.
    sqlite.close().await;
    until(|| !text().contains(r#"{pool="items""#)).await;
}
