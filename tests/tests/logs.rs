//! Log lines carry the ids of their own request, on every stack and in every place where its code
//! runs. The subscriber is global, so this is the only test of its process.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use http_body_util::BodyExt;
use hyper::client::conn::http2::SendRequest;
use obs_core::{LogFormat, LogOutput, Logs, testing::TestLogs};
use obs_tests::{
    client::{Client, Payload, get},
    lines::{PLACES, STEPS},
    stacks::{Framework, Setup, Stack},
    watch::{BOUND, Watch},
};
use obs_tracing::LogsExt as _;
use serde_json::Value;
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    Layer,
    filter::filter_fn,
    layer::{Context, SubscriberExt as _},
};

/// The requests of each stack: a thousand of all six. They are sent by this many clients at the
/// same time: over connections of their own, or as streams of one connection of HTTP/2.
const REQUESTS: usize = 170;
const CLIENTS: usize = 10;

/// Another layer with a filter of its own, which counts the lines of this suite.
struct Counting(Arc<AtomicUsize>);

impl<S: Subscriber> Layer<S> for Counting {
    fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Sends the requests of one client over a connection of its own.
async fn send_over_connection(mut client: Client) {
    for _ in 0..REQUESTS / CLIENTS {
        assert_eq!(client.send(get("/logs")).await.expect("a response").status, 200);
    }
    client.disconnect().await;
}

/// Sends the requests of one client over a shared connection.
async fn send_over_streams(mut sender: SendRequest<Payload>) {
    for _ in 0..REQUESTS / CLIENTS {
        sender.ready().await.expect("the connection is open");
        let response = sender.send_request(get("http://test/logs").map(BodyExt::boxed_unsync)).await;
        let response = response.expect("a response");
        assert_eq!(response.status(), 200);
        response.into_body().collect().await.expect("a body");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_line_has_the_ids_of_its_request_on_every_stack() {
    let written = TestLogs::new();
    let output = LogOutput::writer(written.clone()).format(LogFormat::Json).capacity(256 << 20);
    let watch = Watch::with(|builder| {
        builder.logs(Logs::new().unlimited().collect("obs_tests::lines=debug").output(output))
    });
    let counted = Arc::new(AtomicUsize::new(0));
    let own =
        |metadata: &tracing::Metadata<'_>| metadata.is_event() && metadata.target() == "obs_tests::lines";
    let counting = Counting(Arc::clone(&counted)).with_filter(filter_fn(own));
    let subscriber = tracing_subscriber::registry().with(watch.observer.logs()).with(counting);
    tracing::subscriber::set_global_default(subscriber).expect("the first");
    tracing_log::LogTracer::init().expect("the first");

    let frameworks = [Framework::Axum, Framework::Tower, Framework::Actix];
    let stacks = frameworks.map(|framework| [false, true].map(|http2| Stack { framework, http2 }));
    // The servers share the observer, so they run at the same time: a stop makes it drain.
    let (mut servers, mut clients) = (Vec::new(), Vec::new());
    for stack in stacks.as_flattened() {
        let server = stack.serve(Setup::new(&watch)).await;
        let shared = server.connect().await;
        for _ in 0..CLIENTS {
            clients.push(match shared.http2_sender() {
                Some(sender) => tokio::spawn(send_over_streams(sender)),
                None => tokio::spawn(send_over_connection(server.connect().await)),
            });
        }
        for path in ["/logs-fail", "/logs-panic"] {
            let mut client = server.connect().await;
            assert_eq!(client.send(get(path)).await.expect("a response").status, 500);
            client.disconnect().await;
        }
        servers.push((server, shared));
    }
    for client in clients {
        client.await.expect("it ends");
    }
    for (server, shared) in servers {
        shared.disconnect().await;
        server.stop().await;
    }
    let all = REQUESTS * stacks.as_flattened().len();
    let failed = 2 * stacks.as_flattened().len();
    let records = watch.ended(all + failed).await;
    assert!(watch.observer.shutdown(BOUND).flushed);

    let lines = written.lines(&watch.observer);
    let traces: HashMap<_, _> = records
        .iter()
        .map(|record| (record.start().id.to_string(), record.start().trace.trace_id.to_string()))
        .collect();
    let (collected, lines): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line["level"] == "debug");
    let mut steps: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in &collected {
        let (id, message) = (line["request_id"].as_str(), line["message"].as_str());
        assert_eq!(line["collected"], true, "{line}");
        assert!(line["http.route"].as_str().is_some_and(|route| route.starts_with("/logs-")), "{line}");
        steps.entry(id.expect("an id")).or_default().push(message.expect("a text"));
    }
    assert_eq!(steps.len(), failed, "the requests that failed, and no other");
    assert!(steps.values().all(|messages| *messages == STEPS), "{steps:?}");
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let own = |line: &&Value| line["target"] == "obs_tests::lines";
    for line in lines.iter().filter(own) {
        let message = line["message"].as_str().expect("a text");
        let (place, expected) = match message.strip_suffix(" from log") {
            Some(id) => ("log", id),
            None => {
                let field = |name: &str| line["fields"][name].as_str();
                let text = |name: &str| field(name).unwrap_or_else(|| panic!("{name} of {line}"));
                (text("place"), text("expected"))
            }
        };
        assert_eq!(line["request_id"], expected, "{line}");
        assert_eq!(line["trace_id"], traces[expected], "{line}");
        assert_eq!(line["http.route"], "/logs", "{line}");
        assert!(line.get("request_ended").is_none(), "{line}");
        *places.entry(place.to_owned()).or_default() += 1;
    }
    let expected: BTreeMap<_, _> = PLACES.iter().map(|place| ((*place).to_owned(), all)).collect();
    assert_eq!(places, expected);
    // The other layer gets the lines of all levels.
    let of_other = all * PLACES.len() + STEPS.len() * (all + failed);
    assert_eq!(counted.load(Ordering::Relaxed), of_other, "the other layer loses no line");
    assert_eq!(watch.metric("log_lines_total", "level=\"info\"") as usize, lines.len());
    assert_eq!(watch.metric("log_lines_dropped_total", "") as usize, 0);
}
