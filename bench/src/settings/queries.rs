//! A query of a database, in a request. One query counts as one request.

use std::{hint::black_box, time::Duration};

use obs_core::{
    Logs, Observer,
    adapter::{CallHead, RequestHead},
};

use super::{Setting, lines::times};

/// The text of the query, as in a service with a table of items.
const QUERY: &str = "SELECT id, name, price_cents FROM items JOIN stock ON item_id = id WHERE id = $1";

/// The event of sqlx that nobody wants.
pub(super) static NONE: Setting = Setting {
    name: "query-none",
    bare: None,
    run: |drive| in_request(Logs::off().sqlx_queries(false), |_| times(drive, emit)),
};

/// A call that a client reports.
pub(super) static REPORTED: Setting = Setting {
    name: "query-reported",
    bare: Some(&NONE),
    run: |drive| in_request(Logs::off().sqlx_queries(false), |observer| times(drive, |_| report(observer))),
};

/// The event of sqlx, which the layer turns into a call. sqlx formats its fields.
pub(super) static EVENT: Setting = Setting {
    name: "query-event",
    bare: Some(&NONE),
    run: |drive| in_request(Logs::off(), |_| times(drive, emit)),
};

fn in_request(logs: Logs, run: impl FnOnce(&Observer)) {
    let observer = Observer::builder("bench").no_environment().events(obs_core::Events::off()).logs(logs);
    let observer = observer.build().expect("the settings are right");
    obs_axum::logs::init(&observer).expect("the first subscriber");
    let mut observation = observer.start(&RequestHead::new("GET", "/items/7", &()));
    observation.set_route("/items/{id}");
    observation.work().run(|| run(&observer));
}

fn report(observer: &Observer) {
    let mut call = observer.start_call(&CallHead::database("postgresql").query_text(Some(black_box(QUERY))));
    call.rows(1);
    call.finish();
}

/// Emits the event as sqlx 0.8 does.
fn emit(_: u64) {
    if tracing::enabled!(target: "sqlx::query", tracing::Level::DEBUG) {
        let elapsed = Duration::from_micros(700);
        let words: Vec<_> = QUERY.split_whitespace().take(4).collect();
        let (summary, sql) = (format!("{} …", words.join(" ")), format!("\n\n{}\n", black_box(QUERY)));
        tracing::event!(
            target: "sqlx::query",
            tracing::Level::DEBUG,
            summary,
            db.statement = sql,
            rows_affected = 1_u64,
            rows_returned = 1_u64,
            ?elapsed,
            elapsed_secs = elapsed.as_secs_f64(),
        );
    }
}
