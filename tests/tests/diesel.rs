//! The queries of diesel with SQLite are calls of their requests.

use diesel::{
    Connection as _, QueryableByName, RunQueryDsl as _, SqliteConnection,
    connection::{SimpleConnection as _, set_default_instrumentation},
    sql_query,
    sql_types::Text,
};
use obs_client::diesel::{DieselExt as _, instrumentation};
use obs_core::{Outcome, adapter::RequestHead};
use obs_tests::queries::{Query, QueryObserver, queries};

#[derive(QueryableByName)]
struct Item {
    #[diesel(sql_type = Text)]
    name: String,
}

fn in_request<T>(test: &QueryObserver, f: impl FnOnce() -> T) -> T {
    let observation = test.observer().start(&RequestHead::new("GET", "/items", &()));
    let value = observation.work().run(f);
    observation.finish(Outcome::Completed);
    value
}

fn run(connection: &mut SqliteConnection) {
    connection.batch_execute("CREATE TABLE items (name TEXT PRIMARY KEY)").expect("created");
    let insert = |name: &str| sql_query("INSERT INTO items VALUES (?)").bind::<Text, _>(name.to_owned());
    connection
        .transaction(|connection| insert("hunter2 -- binds: \n 'secret'").execute(connection))
        .expect("inserted");
    let select = "SELECT name FROM items WHERE name <> 'secret'";
    let items: Vec<Item> = sql_query(select).load(connection).expect("rows");
    assert!(items[0].name.starts_with("hunter2"));
    assert!(insert("hunter2 -- binds: \n 'secret'").execute(connection).is_err(), "the key is taken");
    assert!(sql_query("SELECT * FROM missing").execute(connection).is_err());
}

const EXPECTED: [(&str, Option<u64>, Option<&str>); 7] = [
    ("CREATE TABLE items", None, None),
    ("BEGIN", None, None),
    ("INSERT items", None, None),
    ("COMMIT", None, None),
    ("SELECT items", None, None),
    ("INSERT items", None, Some("unique_violation")),
    ("SELECT missing", None, Some("database")),
];

fn check(test: &QueryObserver) {
    let found = queries(test);
    assert_eq!(found.iter().map(Query::brief).collect::<Vec<_>>(), EXPECTED);
    assert!(found.iter().all(|query| query.of_request && query.system == "sqlite"), "{found:?}");
    let texts: Vec<_> = found.iter().filter_map(|query| query.text.as_deref()).collect();
    assert_eq!(texts[2], "INSERT INTO items VALUES (?)");
    assert_eq!(texts[4], "SELECT name FROM items WHERE name <> ?");
    assert!(!texts.concat().contains("secret") && !texts.concat().contains("hunter2"), "{texts:?}");
    test.event().has("calls.0.dependency", "sqlite").has("calls.0.count", 7).has("calls.0.errors", 2);
}

#[test]
fn the_queries_of_diesel_are_calls() {
    // The default instrumentation is global. It uses the observer of the current work.
    set_default_instrumentation(instrumentation).expect("set");
    let test = QueryObserver::with(|builder| builder);
    in_request(&test, || run(&mut SqliteConnection::establish(":memory:").expect("SQLite")));
    check(&test);

    // One connection, with its own observer.
    let test = QueryObserver::with(|builder| builder);
    let mut connection = SqliteConnection::establish(":memory:").expect("SQLite");
    connection.set_instrumentation(test.observer().diesel(":memory:"));
    in_request(&test, || run(&mut connection));
    check(&test);

    // A connection that cannot be made.
    let test = QueryObserver::with(|builder| builder);
    in_request(&test, || assert!(SqliteConnection::establish("/no/such/folder/file").is_err()));
    let found = queries(&test);
    assert_eq!(found.iter().map(Query::brief).collect::<Vec<_>>(), [("CONNECT", None, Some("connect"))]);
}
