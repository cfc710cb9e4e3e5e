//! The queries of both versions of sqlx with PostgreSQL are calls of their requests.

use axum::{Router, routing::get as on_get};
use obs_core::{Logs, current};
use obs_tests::{
    client::{Client, get},
    postgres::Postgres,
    queries::{Query, QueryObserver, events, queries},
    subscribed::{block_on, serve},
};

/// The settings that know the database.
fn observer(postgres: &Postgres, logs: Logs) -> QueryObserver {
    QueryObserver::with(|builder| builder.logs(logs).database(postgres.url()))
}

async fn request(test: &QueryObserver, router: Router) {
    let addr = serve(test.observer(), router).await;
    let mut client = Client::connect(addr, false).await;
    client.send(get("/items")).await.expect("an answer");
    events(test, 1).await;
}

/// The queries of both versions of sqlx, which have the same names.
macro_rules! queries_of {
    ($sqlx:ident, $url:expr) => {{
        let options = $sqlx::postgres::PgPoolOptions::new().max_connections(1);
        let pool = options.connect_lazy(&$url).expect("a URL");
        on_get(move || async move {
            $sqlx::query("CREATE TEMPORARY TABLE items (id INT, name TEXT)")
                .execute(&pool)
                .await
                .expect("created");
            let insert = "INSERT INTO items SELECT n, 'secret' FROM generate_series(1, 3) n";
            $sqlx::query(insert).execute(&pool).await.expect("inserted");
            let select = "SELECT name FROM items\nWHERE id <> $1 AND name <> $$it's hunter2$$";
            let rows = $sqlx::query(select).bind(2_i32).fetch_all(&pool).await.expect("rows");
            assert_eq!(rows.len(), 2);
            let one = $sqlx::query("SELECT 1").fetch_one(&pool).await;
            drop(one.expect("a row"));
        })
    }};
}

fn check(test: &QueryObserver) {
    let found = queries(test);
    let brief: Vec<_> = found.iter().map(Query::brief).collect();
    let expected = [
        ("CREATE TABLE items", Some(0), None),
        ("INSERT items SELECT generate_series", Some(3), None),
        ("SELECT items", Some(2), None),
        ("SELECT", Some(1), None),
    ];
    assert_eq!(brief, expected);
    let select = found[2].text.as_deref();
    assert_eq!(select, Some("SELECT name FROM items\nWHERE id <> $1 AND name <> ?"));
    assert!(found.iter().all(|query| query.of_request && query.system == "postgresql"), "{found:?}");
    test.event()
        .has("calls.0.count", 4)
        .has("calls.0.rows", 6)
        .has("calls.0.errors", 0)
        .has("slowest_calls.3.operation", "SELECT")
        .has_no("calls.1")
        .has_no("repeated_queries");
}

#[test]
fn the_queries_of_both_versions_are_calls() {
    let postgres = tokio::runtime::Runtime::new().expect("a runtime").block_on(Postgres::start());
    let url = postgres.url();
    let test = observer(&postgres, Logs::off());
    block_on(test.observer(), async {
        request(&test, Router::new().route("/items", queries_of!(sqlx, url))).await;
    });
    check(&test);
    let test = observer(&postgres, Logs::off());
    block_on(test.observer(), async {
        request(&test, Router::new().route("/items", queries_of!(sqlx_0_9, url))).await;
    });
    check(&test);

    // A call by hand names the dependency of the queries inside of it, and does not count twice.
    let test = observer(&postgres, Logs::off());
    block_on(test.observer(), async {
        let pool = sqlx::PgPool::connect_lazy(&url).expect("a URL");
        let route = on_get(move || async move {
            let call = current().call("orders").observe(sqlx::query("SELECT 1").fetch_all(&pool));
            drop(call.await.expect("rows"));
        });
        request(&test, Router::new().route("/items", route)).await;
    });
    let found = queries(&test);
    assert_eq!((found.len(), found[0].dependency, found[0].rows), (1, "orders", Some(1)), "{found:?}");
    test.event().has("calls.0.dependency", "orders").has("calls.0.count", 1).has_no("calls.1");

    // The setting switches it off.
    let test = observer(&postgres, Logs::off().sqlx_queries(false));
    block_on(test.observer(), async {
        let pool = sqlx::PgPool::connect_lazy(&url).expect("a URL");
        let route = on_get(move || async move {
            drop(sqlx::query("SELECT 1").fetch_all(&pool).await.expect("rows"));
        });
        request(&test, Router::new().route("/items", route)).await;
    });
    assert_eq!(queries(&test), []);
    test.event().has_no("calls");
}
