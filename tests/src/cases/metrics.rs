//! Cases of simultaneous scrapes, of scrapers that disconnect, and of collectors that panic.

use std::{
    fmt,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use futures_util::future::join_all;
use obs_core::prometheus::{
    IntGauge,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use crate::{
    client::{Answer, Client, get},
    stacks::{Setup, Stack},
    watch::{BOUND, Watch, until},
};

/// A gauge that counts its collections, and waits in each until the gate is open. Each page
/// collects it once.
#[derive(Clone)]
struct Gated {
    gauge: IntGauge,
    collects: Arc<AtomicUsize>,
    open: Arc<(Mutex<bool>, Condvar)>,
}

impl Gated {
    fn registered(watch: &Watch) -> Self {
        let gauge = IntGauge::new("user_gated", "A gauge behind a gate.").expect("valid");
        let gated = Self { gauge, collects: Arc::default(), open: Arc::default() };
        watch.observer.registry().register(Box::new(gated.clone())).expect("registered");
        gated
    }

    fn collects(&self) -> usize {
        self.collects.load(Ordering::SeqCst)
    }

    fn open(&self) {
        *self.open.0.lock().unwrap() = true;
        self.open.1.notify_all();
    }
}

impl Collector for Gated {
    fn desc(&self) -> Vec<&Desc> {
        self.gauge.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.collects.fetch_add(1, Ordering::SeqCst);
        let gate = self.open.0.lock().unwrap();
        let (gate, waited) = self.open.1.wait_timeout_while(gate, BOUND, |open| !*open).unwrap();
        drop(gate);
        assert!(!waited.timed_out(), "the gate was opened");
        self.gauge.collect()
    }
}

/// The number of requests for items on a page.
fn counted(page: &Answer) -> u64 {
    assert_eq!(page.status, 200);
    let text = std::str::from_utf8(&page.body).expect("UTF-8");
    let open =
        page.header("content-type").is_some_and(|kind| kind.starts_with("application/openmetrics-text"));
    assert!(text.ends_with(if open { "# EOF\n" } else { "\n" }), "the whole page: {text}");
    assert!(text.contains("\nuser_gated 0\n"), "with the user's metrics: {text}");
    let line = r#"http_requests_total{method="GET",endpoint="/items/{id}",status="200"} "#;
    let count = text.lines().find_map(|found| found.strip_prefix(line)).expect("the items");
    count.split(' ').next().expect("a number").parse().expect("a number")
}

/// Two hundred simultaneous scrapes during other requests share a few pages. Each page includes all
/// requests that ended before its scrape was sent.
pub async fn scrapes_share_a_page(stack: Stack) {
    let watch = Watch::default();
    let gated = Gated::registered(&watch);
    let server = stack.serve(Setup::new(&watch)).await;
    let addr = server.addr;
    // A request is counted before its last byte is sent, so a response that was read to its end has
    // been counted.
    let (answered, stopped) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let load = (0..4).map(|_| {
        let (answered, stopped) = (Arc::clone(&answered), Arc::clone(&stopped));
        tokio::spawn(async move {
            let mut client = Client::connect(addr, stack.http2).await;
            while !stopped.load(Ordering::SeqCst) {
                assert_eq!(client.send(get("/items/7")).await.expect("an answer").status, 200);
                answered.fetch_add(1, Ordering::SeqCst);
            }
        })
    });
    let load: Vec<_> = load.collect();
    until(|| answered.load(Ordering::SeqCst) > 0).await;
    let scrapes = (0..200).map(|n| {
        let answered = Arc::clone(&answered);
        tokio::spawn(async move {
            let mut client = Client::connect(addr, stack.http2).await;
            let mut request = get("/metrics");
            if n % 2 == 0 {
                let open = http::HeaderValue::from_static("application/openmetrics-text");
                request.headers_mut().insert("accept", open);
            }
            let before = answered.load(Ordering::SeqCst);
            (before, client.send(request).await.expect("a page"))
        })
    });
    let scrapes: Vec<_> = scrapes.collect();
    // The first page waits at the gate until all scrapes have arrived.
    until(|| watch.observer.in_flight() >= 200).await;
    gated.open();
    for scrape in join_all(scrapes).await {
        let (before, page) = scrape.expect("no panic");
        let shown = counted(&page);
        assert!(before <= shown, "{before} requests had ended, but the page shows {shown}");
    }
    let collects = gated.collects();
    assert!(collects <= 20, "200 scrapes made {collects} pages");
    stopped.store(true, Ordering::SeqCst);
    join_all(load).await.into_iter().for_each(|client| client.expect("no panic"));
    server.stop().await;
}

/// One scraper disconnects while its page is written, another while it waits for the next page. The
/// others get their pages.
pub async fn scrapers_that_disconnect(stack: Stack) {
    let watch = Watch::default();
    let gated = Gated::registered(&watch);
    let server = stack.serve(Setup::new(&watch)).await;
    server.connect().await.send(get("/items/7")).await.expect("an answer");
    watch.ended(1).await;
    let mut leaving = Vec::new();
    let mut staying = Vec::new();
    for n in 0..4 {
        let (addr, running) = (server.addr, watch.observer.in_flight());
        // The page of the first scrape is being written. The scrapes after it share the next page,
        // which the second scrape requested.
        let mut client = Client::connect(addr, stack.http2).await;
        let scrape = tokio::spawn(async move { client.send(get("/metrics")).await });
        watch.running(running + 1).await;
        until(|| gated.collects() == 1).await;
        if n < 2 {
            leaving.push(scrape);
        } else {
            staying.push(scrape);
        }
    }
    for scrape in leaving {
        // Aborting the task drops the client and its connection.
        scrape.abort();
    }
    if stack.detects_disconnects_in_handler() {
        watch.ended(3).await;
    }
    gated.open();
    for page in join_all(staying).await {
        assert_eq!(counted(&page.expect("no panic").expect("a page")), 1);
    }
    watch.ended(5).await;
    server.stop().await;
}

/// A collector that panics.
struct Panics(Desc);

impl fmt::Debug for Panics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Panics")
    }
}

impl Collector for Panics {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.0]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        panic!("in a collector")
    }
}

/// When a collector panics, a page still has our own metrics, and the panic is counted.
pub async fn a_collector_that_panics(stack: Stack) {
    let watch = Watch::default();
    let desc = Desc::new("user_panics".to_owned(), "Panics.".to_owned(), Vec::new(), Default::default());
    let registry = watch.observer.registry();
    registry.register(Box::new(Panics(desc.expect("valid")))).expect("registered");
    let server = stack.serve(Setup::new(&watch)).await;
    let mut client = server.connect().await;
    client.send(get("/items/7")).await.expect("an answer");
    for before in 0..3 {
        let page = client.send(get("/metrics")).await.expect("a page");
        assert_eq!(page.status, 200);
        let text = String::from_utf8_lossy(&page.body).into_owned();
        let line = r#"http_requests_total{method="GET",endpoint="/items/{id}",status="200"} 1"#;
        assert!(text.lines().any(|found| found == line), "{text}");
        // The page counts the pages before it, and may count itself.
        let counted = [before, before + 1].map(|n| format!("obs_metrics_left_out_total {n}"));
        assert!(text.lines().any(|found| counted.iter().any(|line| line == found)), "{text}");
    }
    client.disconnect().await;
    server.stop().await;
    assert_eq!(watch.metric("http_requests_in_flight", ""), 0.0);
}
