//! A span of `tracing` for each request, for other layers than ours. The subscriber is global, so
//! this is the only test of its process.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use obs_core::{LogOutput, Logs, testing::TestLogs};
use obs_tests::{
    client::get,
    lines::PLACES,
    stacks::{Framework, Setup, Stack},
    watch::{BOUND, Watch, until},
};
use obs_tracing::LogsExt as _;
use tracing::{Level, Metadata, Subscriber, span};
use tracing_subscriber::{
    Layer,
    filter::filter_fn,
    fmt,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
};

/// The requests of each stack that write lines.
const REQUESTS: usize = 20;

/// Counts the open and the closed spans of requests.
#[derive(Clone, Default)]
struct RequestSpans(Arc<[AtomicUsize; 2]>);

fn is_of_request(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target() == "obs" && metadata.name() == "request"
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for RequestSpans {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        if is_of_request(attributes.metadata()) {
            self.0[0].fetch_add(1, Ordering::SeqCst);
        }
    }

    fn on_close(&self, id: span::Id, context: Context<'_, S>) {
        if context.metadata(&id).is_some_and(is_of_request) {
            self.0[1].fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl RequestSpans {
    fn opened_and_closed(&self) -> (usize, usize) {
        (self.0[0].load(Ordering::SeqCst), self.0[1].load(Ordering::SeqCst))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_layers_see_the_request_of_a_line_on_every_stack() {
    let (ours, theirs, spans) = (TestLogs::new(), TestLogs::new(), RequestSpans::default());
    let logs = Logs::new().levels("off,obs_tests=info").unlimited();
    let output = LogOutput::writer(ours.clone()).capacity(64 << 20);
    let watch = Watch::with(|builder| builder.logs(logs.tracing_span(true).output(output)));
    let without = Watch::default();
    let memory = theirs.clone();
    let wanted = |metadata: &Metadata<'_>| {
        metadata.is_span() || (metadata.target() == "obs_tests::lines" && *metadata.level() <= Level::INFO)
    };
    let fmt =
        fmt::layer().with_ansi(false).with_writer(move || memory.clone()).with_filter(filter_fn(wanted));
    let subscriber = tracing_subscriber::registry().with(watch.observer.logs()).with(fmt).with(spans.clone());
    tracing::subscriber::set_global_default(subscriber).expect("the first");

    let frameworks = [Framework::Axum, Framework::Tower, Framework::Actix];
    // A stop makes the observer drain, so the servers stop at the end.
    let (mut servers, mut all) = (Vec::new(), 0);
    for framework in frameworks {
        let stack = Stack { framework, http2: false };
        let server = stack.serve(Setup::new(&watch)).await;
        let mut client = server.connect().await;
        for _ in 0..REQUESTS {
            assert_eq!(client.send(get("/logs")).await.expect("a response").status, 200);
        }
        assert_eq!(client.send(get("/panic-before")).await.expect("a response").status, 500);
        // The handle of this request lives on, and the request ends.
        assert_eq!(client.send(get("/late")).await.expect("a response").status, 200);
        assert_eq!(client.send(get("/metrics")).await.expect("a page").status, 200);
        client.disconnect().await;
        let mut client = server.connect().await;
        let response = client.open(get("/endless")).await.expect("a response");
        drop(response);
        client.disconnect().await;
        all += REQUESTS + 3;
        until(|| spans.opened_and_closed() == (all, all)).await;
        servers.push(server);

        let server = stack.serve(Setup::new(&without)).await;
        let mut client = server.connect().await;
        assert_eq!(client.send(get("/plain")).await.expect("a response").status, 200);
        client.disconnect().await;
        servers.push(server);
    }
    for server in servers {
        server.world.gate.add_permits(1);
        server.stop().await;
    }
    watch.ended(all + frameworks.len()).await;
    without.ended(frameworks.len()).await;
    assert_eq!(spans.opened_and_closed(), (all, all), "without the setting there are no spans");
    assert!(watch.observer.shutdown(BOUND).flushed);

    // The records of `log` do not come to this subscriber.
    let expected = REQUESTS * frameworks.len() * (PLACES.len() - 1);
    let traces = ours.lines(&watch.observer);
    let trace_of = |id: &str| {
        let line = traces.iter().find(|line| line["request_id"] == id).expect("our line");
        line["trace_id"].as_str().expect("a trace").to_owned()
    };
    let text = theirs.text(&watch.observer);
    for line in text.lines() {
        let id = line.split("expected=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("its id");
        let span = line.split("request{").nth(1).and_then(|rest| rest.split('}').next()).expect(line);
        assert!(span.contains(&format!("request_id={id}")), "{line}");
        assert!(span.contains(&format!("trace_id={}", trace_of(id))), "{line}");
        assert!(span.contains("http.request.method=\"GET\""), "{line}");
        assert!(span.matches("http.route=\"/logs\"").count() <= 1, "{line}");
        assert_eq!(line.matches("request{").count(), 1, "{line}");
    }
    assert!(text.contains("http.route=\"/logs\""), "routers set the route");
    assert_eq!(text.lines().count(), expected, "the other layer loses no line");
    assert_eq!(ours.lines(&watch.observer).len(), expected, "the span is no line of ours");
}
