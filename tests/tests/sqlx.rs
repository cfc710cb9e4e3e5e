//! The log lines of sqlx's worker threads have the ids of the request that sent the query.
//!
//! The subscriber is global, because these threads are no threads of a runtime. So this is the only
//! test of its process.

use std::collections::HashMap;

use axum::{Router, extract::Path, routing::get as on_get};
use futures_util::future::join_all;
use obs_axum::current;
use obs_core::{LogOutput, Logs, testing::TestLogs};
use obs_tests::{
    client::{Client, get},
    subscribed::{lines_only, serve},
};
use obs_tracing::LogsExt as _;
use sqlx::sqlite::SqlitePoolOptions;
use tracing::{Instrument as _, info_span};
use tracing_subscriber::layer::SubscriberExt as _;

const CLIENTS: usize = 8;
const REQUESTS: usize = 240;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lines_of_queries_have_the_ids_of_their_request() {
    let written = TestLogs::new();
    let output = LogOutput::writer(written.clone()).capacity(64 << 20);
    let observer = lines_only(Logs::new().levels("off,sqlx=debug,sqlx_lines=info").output(output));
    let observer = observer.build().expect("valid");
    let subscriber = tracing_subscriber::registry().with(observer.logs());
    tracing::subscriber::set_global_default(subscriber).expect("the first");

    // Fewer connections than clients, so each connection serves many requests.
    let pool = SqlitePoolOptions::new().max_connections(3).connect("sqlite::memory:").await.expect("SQLite");
    let query = move |Path(n): Path<usize>| async move {
        current().set("n", n as u64);
        let text = format!("SELECT {n} AS n");
        let query = sqlx::query(&text).fetch_one(&pool);
        // The span carries the request to the thread of the connection.
        query.instrument(info_span!(target: "sqlx_lines", "query")).await.map(drop).expect("a row");
        current().id().expect("a request").to_string()
    };
    let addr = serve(&observer, Router::new().route("/query/{n}", on_get(query))).await;
    let answers = join_all((0..CLIENTS).map(|client| async move {
        let mut connection = Client::connect(addr, false).await;
        let mut ids = Vec::new();
        for n in (client..REQUESTS).step_by(CLIENTS) {
            let answer = connection.send(get(&format!("/query/{n}"))).await.expect("an answer");
            ids.push((format!("SELECT {n} AS n"), answer.text().to_owned()));
        }
        ids
    }))
    .await;
    let expected: HashMap<_, _> = answers.into_iter().flatten().collect();

    let lines = written.lines(&observer);
    let queries: HashMap<_, _> = lines
        .iter()
        .filter(|line| line["target"] == "sqlx::query")
        .filter_map(|line| Some((line["fields"]["summary"].as_str()?, line)))
        .filter(|(summary, _)| summary.starts_with("SELECT"))
        .collect();
    assert_eq!(queries.len(), REQUESTS, "{lines:?}");
    for (summary, line) in queries {
        assert_eq!(line["request_id"].as_str(), expected.get(summary).map(String::as_str), "{line}");
        assert_eq!(line["http.route"], "/query/{n}", "{line}");
    }
}
