//! The spans of queries follow OpenTelemetry's stable conventions for databases.

use std::time::Duration;

use obs_core::{
    Outcome,
    adapter::{CallHead, RequestHead},
    otel::{Otel, opentelemetry_sdk::trace::Sampler},
    output::CallFailure,
};
use obs_tests::{
    collector::{Collector, Span},
    sampler::UnknownSampler,
    watch::{BOUND, Watch},
};

/// The time that the client says that the first query took.
const ELAPSED: Duration = Duration::from_millis(250);

/// Runs a request with two queries, and returns its span and theirs.
fn spans(otel: impl Fn(Otel) -> Otel) -> [Span; 3] {
    let collector = Collector::start();
    let otel = otel(Otel::new().endpoint(collector.endpoint()));
    let watch =
        Watch::with(|builder| builder.otel(otel).database("postgres://app:hunter2@db.internal:5433/shop"));
    let observation = watch.observer.start(&RequestHead::new("GET", "/items", &()));
    observation.work().run(|| {
        // An event of sqlx, which does not name the database.
        let head = CallHead::database("other_sql")
            .query_text(Some("SELECT name FROM items WHERE name = 'hunter2' AND id = $1"))
            .started_ago(ELAPSED);
        let mut call = watch.observer.start_call(&head);
        call.rows(3);
        call.finish();
        let head = CallHead::database("sqlite")
            .dependency(Some("carts"))
            .query_text(Some("INSERT INTO carts SELECT * FROM items"));
        let mut call = watch.observer.start_call(&head);
        call.rows(3);
        call.status_code("2067");
        call.failed(CallFailure::Other("unique_violation"), None);
        call.finish();
    });
    observation.finish(Outcome::Completed);
    assert!(watch.observer.shutdown(BOUND).flushed);
    let mut spans = collector.spans();
    spans.sort_by_key(|span| (span.kind != "SERVER", span.start_nanos));
    spans.try_into().expect("three spans")
}

fn check([request, select, insert]: &[Span; 3]) {
    for query in [select, insert] {
        assert_eq!(query.kind, "CLIENT");
        assert_eq!(
            (&query.trace_id, query.parent_span_id.as_ref()),
            (&request.trace_id, Some(&request.span_id))
        );
    }
    assert_eq!((select.name.as_str(), select.status.0), ("SELECT items", "UNSET"));
    let time = select.end_nanos - select.start_nanos;
    assert!(Duration::from_nanos(time) >= ELAPSED, "{select:#?}");
    select
        .has("db.system.name", "postgresql")
        .has("db.namespace", "shop")
        .has("db.query.summary", "SELECT items")
        .has("db.query.text", "SELECT name FROM items WHERE name = ? AND id = $1")
        .has("db.response.returned_rows", 3)
        .has("server.address", "db.internal")
        .has("server.port", 5433)
        .only(&[
            "db.namespace",
            "db.query.summary",
            "db.query.text",
            "db.response.returned_rows",
            "db.system.name",
            "server.address",
            "server.port",
        ]);
    assert_eq!((insert.name.as_str(), insert.status.0), ("INSERT carts SELECT items", "ERROR"));
    insert
        .has("db.system.name", "sqlite")
        .has("db.response.status_code", "2067")
        .has("error.type", "unique_violation")
        .has("peer.service", "carts")
        .only(&[
            "db.query.summary",
            "db.query.text",
            "db.response.status_code",
            "db.system.name",
            "error.type",
            "peer.service",
        ]);
}

#[test]
fn a_query_is_a_client_span_with_the_attributes_of_the_conventions() {
    check(&spans(|otel| otel));
    check(&spans(|otel| otel.sampler(UnknownSampler(Sampler::AlwaysOn))));
}
