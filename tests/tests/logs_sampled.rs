//! Log lines and events of a trace are kept or dropped together, on every stack. The subscriber is
//! global, so this is the only test of its process.

use std::collections::{BTreeMap, BTreeSet};

use obs_core::{Events, LogFormat, LogOutput, Logs, testing::TestLogs};
use obs_tests::{
    client::get,
    stacks::{Framework, Setup, Stack},
    watch::{BOUND, Watch},
};
use obs_tracing::LogsExt as _;
use tracing_subscriber::layer::SubscriberExt as _;

/// The requests of each stack, over this many connections.
const REQUESTS: usize = 1_000;
const CONNECTIONS: usize = 4;
/// The requests of each connection that fail.
const FAILED: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_are_kept_with_the_event_of_their_request() {
    let written = TestLogs::new();
    let output = LogOutput::writer(written.clone()).format(LogFormat::Json).capacity(256 << 20);
    let logs = Logs::new().levels("off,obs_tests=info").unlimited().sampled(true).output(output);
    let events = Events::new().sample_rate(0.1).keep(|event| event.error_type().is_some());
    let watch = Watch::of_events(events, |builder| builder.logs(logs));
    let subscriber = tracing_subscriber::registry().with(watch.observer.logs());
    tracing::subscriber::set_global_default(subscriber).expect("the first");

    let frameworks = [Framework::Axum, Framework::Tower, Framework::Actix];
    let (mut servers, mut connections) = (Vec::new(), Vec::new());
    for framework in frameworks {
        let server = Stack { framework, http2: false }.serve(Setup::new(&watch)).await;
        for _ in 0..CONNECTIONS {
            let mut client = server.connect().await;
            connections.push(tokio::spawn(async move {
                for _ in 0..REQUESTS / CONNECTIONS {
                    assert_eq!(client.send(get("/logs-pair")).await.expect("a response").status, 200);
                }
                for _ in 0..FAILED {
                    assert_eq!(client.send(get("/logs-pair-fail")).await.expect("a response").status, 500);
                }
                client.disconnect().await;
            }));
        }
        servers.push(server);
    }
    for connection in connections {
        connection.await.expect("it ends");
    }
    for server in servers {
        server.stop().await;
    }
    let all = frameworks.len() * (REQUESTS + CONNECTIONS * FAILED);
    let records = watch.ended(all).await;
    assert!(watch.observer.shutdown(BOUND).flushed);

    let id = |json: &serde_json::Value| json["request_id"].as_str().expect("an id").to_owned();
    let kept: BTreeSet<String> = watch.lines().iter().map(id).collect();
    let (mut normal, mut strange) = (BTreeMap::<_, usize>::new(), BTreeMap::<_, usize>::new());
    let lines = written.lines(&watch.observer);
    for line in &lines {
        let of_level = if line["level"] == "info" { &mut normal } else { &mut strange };
        *of_level.entry(id(line)).or_default() += 1;
    }
    assert!(normal.values().chain(strange.values()).all(|lines| *lines == 1), "each line once");
    assert_eq!(normal.into_keys().collect::<BTreeSet<_>>(), kept, "an event has its lines, and no other");
    assert_eq!(strange.len(), all, "warnings are always kept");
    let failed = records.iter().filter(|record| record.error_type().is_some());
    let failed: BTreeSet<_> = failed.map(|record| record.start().id.to_string()).collect();
    assert!(failed.is_subset(&kept), "a rule keeps the events of failed requests");
    // Six standard deviations of a binomial distribution around 300.
    let sampled = kept.len() - failed.len();
    assert!((200..=400).contains(&sampled), "{sampled}");
    let dropped = watch.metric("log_lines_dropped_total", "reason=\"sampling\"");
    assert_eq!(dropped as usize, all - kept.len());
    assert_eq!(watch.metric("log_lines_total", "level=\"info\"") as usize, all, "lines are counted once");
}
