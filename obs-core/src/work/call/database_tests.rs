//! Operations of databases in a request: their names, their texts, and repeated queries.

use std::time::Duration;

use crate::{
    builder::ObserverBuilder,
    http::head::RequestHead,
    observer::Observer,
    outputs::metrics::settings::{MetricNaming, Metrics},
    record::{
        call::{CallTarget, DatabaseTarget},
        finished::Record,
        outcome::Outcome,
        start::StartKind,
    },
    testing::TestObserver,
    work::call::{head::CallHead, observation::CallObservation},
};

const UNKNOWN: CallHead<'static> = CallHead::database("other_sql");

/// Runs `handler` in a request of a route, and returns the record of the request.
fn request(test: &TestObserver, route: &str, handler: impl FnOnce()) -> Record {
    let mut observation = test.observer().start(&RequestHead::new("GET", "/", &()));
    observation.set_route(route);
    observation.work().run(handler);
    observation.responded(200, &());
    observation.finish(Outcome::Completed);
    test.records().pop().expect("a record")
}

/// Runs queries with these texts.
fn run<'a>(test: &TestObserver, texts: impl IntoIterator<Item = &'a str>) {
    for text in texts {
        test.observer().start_call(&UNKNOWN.query_text(Some(text))).finish();
    }
}

fn target(call: &CallObservation) -> (&str, Option<&str>, &DatabaseTarget) {
    let StartKind::Call(start) = &call.start().kind else { panic!("a call") };
    let CallTarget::Database(database) = &start.target else { panic!("a database") };
    (start.dependency.as_str(), start.operation.as_deref(), database)
}

#[test]
fn the_settings_name_the_database_of_a_client_that_does_not_know_it() {
    let url = "postgres://app:hunter2@db.internal:5432/shop";
    let test = TestObserver::with(|builder| builder.database(url));
    let call = test.observer().start_call(&UNKNOWN.query_text(Some("SELECT 'hunter2' FROM items")));
    let (dependency, operation, database) = target(&call);
    assert_eq!((dependency, operation), ("db.internal", Some("SELECT items")));
    assert_eq!((database.system, database.namespace.as_deref()), ("postgresql", Some("shop")));
    assert_eq!(database.query.as_deref(), Some("SELECT ? FROM items"));
    assert_eq!(database.server.port, Some(5432));

    // A client that knows its database keeps it.
    let head = CallHead::database("sqlite").dependency(Some("carts")).operation(Some("load"));
    let call = test.observer().start_call(&head.query_text(Some("SELECT 1 FROM items")));
    let (dependency, operation, database) = target(&call);
    assert_eq!((dependency, operation, database.system), ("carts", Some("load"), "sqlite"));

    let test = TestObserver::with(|builder| builder.database("redis://cache"));
    let call = test.observer().start_call(&UNKNOWN.query_text(Some("hunter2")));
    let (dependency, operation, database) = target(&call);
    assert_eq!((dependency, operation, database.system), ("other_sql", None, "other_sql"));
}

#[test]
fn a_query_inside_of_another_one_counts_once() {
    let test = TestObserver::new();
    let record = request(&test, "/", || {
        let head = CallHead::database("postgresql").host("db").dependency(Some("orders"));
        let mut call = test.observer().start_call(&head.query_text(Some("SELECT a FROM items")));
        call.enter(|| run(&test, ["SELECT a FROM items"]));
        call.finish();
    });
    let totals = record.calls.by_dependency();
    assert_eq!((totals.len(), totals[0].dependency.as_str(), totals[0].count), (1, "orders", 1));
}

#[test]
fn a_query_that_is_reported_at_its_end_began_before() {
    let test = TestObserver::new();
    let elapsed = Duration::from_secs(3);
    let record = request(&test, "/", || {
        test.observer().start_call(&UNKNOWN.started_ago(elapsed)).finish();
    });
    let call = &record.calls.slowest()[0];
    assert!(call.duration.is_some_and(|duration| duration >= elapsed && duration < elapsed * 2), "{call:?}");
    assert_eq!(call.start, Duration::ZERO, "it is not before the request");
}

#[test]
fn repeated_queries_are_counted_by_their_summary() {
    let with = |settings: fn(ObserverBuilder) -> ObserverBuilder| {
        let test = TestObserver::with(settings);
        let record = request(&test, "/orders/{id}", || {
            let items = (0..10).map(|n| format!("SELECT name FROM items WHERE id = {n}")).collect::<Vec<_>>();
            run(&test, items.iter().map(String::as_str));
            run(&test, ["SELECT name FROM carts"; 9]);
            run(&test, ["no query"; 20]);
        });
        let found = record.calls.repeated().iter().map(|query| (query.operation.to_string(), query.count));
        (test, found.collect::<Vec<_>>())
    };
    let (test, found) = with(|builder| builder);
    assert_eq!(found, [("SELECT items".to_owned(), 10)]);
    test.event().has("repeated_queries.0.dependency", "other_sql").has("repeated_queries.0.count", 10);
    let route = [("endpoint", "/orders/{id}")];
    test.metric("db_client_repeated_queries_total", &route).is(10.0);
    request(&test, "/orders/{id}", || run(&test, ["SELECT name FROM carts"; 12]));
    test.metric("db_client_repeated_queries_total", &route).is(22.0);

    let (_, found) = with(|builder| builder.repeated_queries(9));
    assert_eq!(found, [("SELECT items".to_owned(), 10), ("SELECT carts".to_owned(), 9)]);

    let (test, found) = with(|builder| builder.repeated_queries(0));
    assert_eq!(found, []);
    test.event().has_no("repeated_queries");
    test.metric("db_client_repeated_queries_total", &route).is_not_there();

    let (test, _) = with(|builder| builder.metrics(Metrics::new().naming(MetricNaming::OpenTelemetry)));
    test.metric("db_client_repeated_queries_total", &[("http_route", "/orders/{id}")]).is(10.0);
    let (test, found) = with(|builder| builder.metrics(Metrics::new().exclude_routes(["/orders/*"])));
    assert_eq!(found.len(), 1);
    test.metric("db_client_repeated_queries_total", &route).is_not_there();
    let invalid = Observer::builder("test").no_environment().repeated_queries(1);
    assert!(invalid.build().is_err(), "one query is not repeated");
}

#[test]
fn the_different_queries_of_a_request_are_bounded() {
    let test = TestObserver::new();
    let texts: Vec<_> = (0..200).map(|n| format!("SELECT a FROM t{n}")).collect();
    let record = request(&test, "/", || {
        for _ in 0..10 {
            run(&test, texts.iter().map(String::as_str));
        }
    });
    assert_eq!(record.calls.repeated().len(), 64);
    assert_eq!(record.calls.by_dependency()[0].count, 2_000);
}
