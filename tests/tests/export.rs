//! Tests of the export of spans to a collector that is healthy, slow, busy, broken or down. Each
//! runs on every runtime and without one.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use obs_core::{
    Observer, Outcome,
    adapter::RequestHead,
    otel::{
        Otel,
        opentelemetry::{Context, KeyValue, trace::TraceContextExt as _},
    },
};
use obs_tests::{
    collector::{Behaviour, Collector},
    watch::{BOUND, until},
};

/// The runtime of the service, on which its observer is built.
#[derive(Clone, Copy)]
enum Runtime {
    MultiThread,
    CurrentThread,
    Actix,
    None,
}

impl Runtime {
    /// Runs the service to its end.
    fn run(self, service: impl Future<Output = ()> + 'static) {
        match self {
            Self::MultiThread => {
                let runtime =
                    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
                runtime.expect("a runtime").block_on(service);
            }
            Self::CurrentThread => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(service);
            }
            Self::Actix => actix_web::rt::System::new().block_on(service),
            Self::None => {
                let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                let ready = std::pin::pin!(service).poll(&mut context).is_ready();
                assert!(ready, "nothing here waits for a runtime");
            }
        }
    }
}

/// Settings that send a batch soon, and end each attempt soon.
fn otel(collector: &Collector) -> Otel {
    Otel::new()
        .endpoint(collector.endpoint())
        .batch(Duration::from_millis(20), 512)
        .timeout(Duration::from_millis(500))
}

fn observer(otel: Otel) -> Observer {
    let builder = Observer::builder("test").no_environment().events(obs_core::Events::off());
    builder.otel(otel).build().expect("valid settings")
}

fn requests(observer: &Observer, n: usize) {
    for _ in 0..n {
        let mut observation = observer.start(&RequestHead::new("GET", "/items/7", &()));
        observation.set_route("/items/{id}");
        observation.responded(200, &());
        observation.finish(Outcome::Completed);
    }
}

/// The value of one of our own metrics.
fn metric(observer: &Observer, line: &str) -> u64 {
    let text = observer.metrics_text();
    let found = text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok());
    found.unwrap_or_else(|| panic!("{line} in {text}"))
}

const EXPORTED: &str = "obs_spans_exported_total";
const FAILED: &str = r#"obs_spans_dropped_total{reason="export_failed"}"#;
const FULL: &str = r#"obs_spans_dropped_total{reason="queue_full"}"#;
const REJECTED: &str = r#"obs_spans_dropped_total{reason="rejected"}"#;
const QUEUED: &str = "obs_spans_queued";

/// The cases that run on every runtime.
mod cases {
    use super::*;

    pub(super) fn exports_all_spans(runtime: Runtime) {
        let collector = Collector::start();
        let otel = otel(&collector);
        runtime.run(async move {
            let observer = observer(otel);
            requests(&observer, 10);
            let report = observer.shutdown(BOUND);
            assert!(report.flushed, "{report:?}");
            assert_eq!(
                (
                    report.output("spans").unwrap_or_default().delivered,
                    report.output("spans").unwrap_or_default().lost
                ),
                (10, 0)
            );
        });
        assert_eq!(collector.spans().len(), 10);
    }

    /// Without a flush, the thread exports by itself.
    pub(super) fn exports_without_a_flush(runtime: Runtime) {
        let collector = Collector::start();
        let otel = otel(&collector);
        let observer = std::sync::Arc::new(std::sync::OnceLock::new());
        let built = observer.clone();
        runtime.run(async move {
            let observer = built.get_or_init(|| super::observer(otel));
            requests(observer, 3);
        });
        assert_eq!(collector.wait_for(3).len(), 3);
    }

    pub(super) fn is_down_and_recovers(runtime: Runtime) {
        let collector = Collector::start();
        collector.refuse();
        let observer = observer(otel(&collector));
        let requesting = observer.clone();
        runtime.run(async move { requests(&requesting, 10) });
        let started = Instant::now();
        let report = observer.shutdown(Duration::from_millis(300));
        assert!(!report.flushed && started.elapsed() < BOUND, "{report:?}");
        assert_eq!(metric(&observer, QUEUED), 10, "the spans are queued");
        collector.listen_again();
        assert_eq!(collector.wait_for(10).len(), 10);
    }

    pub(super) fn hangs(runtime: Runtime) {
        let collector = Collector::start();
        collector.answer(Behaviour::Hang);
        let observer = observer(otel(&collector));
        let requesting = observer.clone();
        runtime.run(async move { requests(&requesting, 10) });
        collector.wait_for_requests(1);
        let started = Instant::now();
        let report = observer.shutdown(Duration::from_millis(100));
        assert!(!report.flushed && started.elapsed() < BOUND, "{report:?}");
        collector.answer(Behaviour::Accept);
        assert_eq!(collector.wait_for(10).len(), 10);
    }

    /// The collector sets `Retry-After`.
    pub(super) fn requests_a_pause(runtime: Runtime) {
        for code in [429, 503] {
            let collector = Collector::start();
            collector.then(Behaviour::Status { code, retry_after: Some(1) });
            let observer = observer(otel(&collector));
            let requesting = observer.clone();
            runtime.run(async move { requests(&requesting, 2) });
            assert_eq!(collector.wait_for(2).len(), 2);
            let received = collector.received();
            assert_eq!(received.len(), 2, "rejected once, then accepted");
            let pause = received[1].at.duration_since(received[0].at);
            assert!(pause >= Duration::from_secs(1), "{code}: {pause:?}");
        }
    }

    /// When the collector is down, the memory of queued spans is bounded, and each lost span is
    /// counted.
    pub(super) fn is_down(runtime: Runtime) {
        const SPANS: usize = 100_000;
        let collector = Collector::start();
        collector.refuse();
        let observer = observer(otel(&collector));
        let requesting = observer.clone();
        runtime.run(async move { requests(&requesting, SPANS) });
        // One batch is being sent, and the queue behind it is full.
        let (queued, full) = (metric(&observer, QUEUED), metric(&observer, FULL));
        assert!((2_048..=2_048 + 512).contains(&queued), "{queued}");
        assert_eq!(queued + full + metric(&observer, FAILED), SPANS as u64);
        collector.listen_again();
        assert_eq!(collector.wait_for(queued as usize).len(), queued as usize);
    }

    pub(super) fn closes_in_the_head(runtime: Runtime) {
        let collector = Collector::start();
        collector.then(Behaviour::CloseInHead);
        let observer = observer(otel(&collector));
        let requesting = observer.clone();
        runtime.run(async move { requests(&requesting, 5) });
        assert_eq!(collector.wait_for(5).len(), 5);
    }
}

macro_rules! on_every_runtime {
    ($($case:ident)*) => {$(
        mod $case {
            use super::*;
            #[test]
            fn multi_thread() { cases::$case(Runtime::MultiThread); }
            #[test]
            fn current_thread() { cases::$case(Runtime::CurrentThread); }
            #[test]
            fn actix() { cases::$case(Runtime::Actix); }
            #[test]
            fn none() { cases::$case(Runtime::None); }
        }
    )*};
}

on_every_runtime! {
    exports_all_spans exports_without_a_flush is_down_and_recovers hangs requests_a_pause closes_in_the_head is_down
}

/// An export with a permanent failure is not tried again.
#[test]
fn rejected_exports_are_counted_as_lost() {
    let collector = Collector::start();
    collector.answer(Behaviour::Status { code: 400, retry_after: None });
    let observer = observer(otel(&collector));
    requests(&observer, 7);
    let report = observer.shutdown(BOUND);
    assert!(!report.flushed, "the spans were lost: {report:?}");
    assert_eq!(
        (
            report.output("spans").unwrap_or_default().delivered,
            report.output("spans").unwrap_or_default().lost
        ),
        (0, 7)
    );
    assert_eq!((metric(&observer, FAILED), collector.requests()), (7, 1));
}

#[test]
fn partly_rejected_exports_are_counted() {
    let collector = Collector::start();
    collector.answer(Behaviour::Reject { spans: 2, message: "too old".to_owned() });
    let observer = observer(otel(&collector));
    requests(&observer, 5);
    observer.shutdown(BOUND);
    assert_eq!((metric(&observer, EXPORTED), metric(&observer, REJECTED)), (3, 2));
}

/// The queue is bounded in bytes, too.
#[test]
fn the_queue_is_bounded_in_bytes() {
    let collector = Collector::start();
    collector.refuse();
    let observer = observer(otel(&collector).queue(2_048, 64 * 1024));
    for _ in 0..100 {
        let observation = observer.start(&RequestHead::new("GET", "/", &()));
        observation.work().set("large", "x".repeat(8 * 1024));
        observation.finish(Outcome::Completed);
    }
    // Spans that are being sent no longer count as queued.
    assert!(metric(&observer, QUEUED) <= 2 * 64 / 8, "{}", metric(&observer, QUEUED));
    // Spans that find a full queue after a failure of the collector are counted as failed exports.
    assert!(metric(&observer, FULL) + metric(&observer, FAILED) >= 84);
}

/// OTLP requires that each attribute appears once, even if it was set several times.
#[test]
fn each_attribute_is_exported_once() {
    let collector = Collector::start();
    let observer = observer(otel(&collector));
    let observation = observer.start(&RequestHead::new("GET", "/", &()));
    observation.work().run(|| {
        let context = Context::current();
        for (name, value) in [("step", "one"), ("step", "two"), ("url.path", "/mine")] {
            context.span().set_attribute(KeyValue::new(name, value));
        }
    });
    observation.finish(Outcome::Completed);
    assert!(observer.shutdown(BOUND).flushed);
    collector.spans()[0].has("step", "two").has("url.path", "/mine");
}

/// A stuck output of events does not delay the spans.
#[test]
fn a_stuck_output_does_not_delay_spans() {
    let collector = Collector::start();
    let (release, stuck) = std::sync::mpsc::channel::<()>();
    struct Stuck(std::sync::mpsc::Receiver<()>);
    impl std::io::Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let observer = Observer::builder("test")
        .no_environment()
        .events(obs_core::EventOutput::writer(Stuck(stuck)))
        .otel(otel(&collector).batch(Duration::from_secs(3600), 512))
        .build()
        .expect("valid");
    requests(&observer, 3);
    let report = observer.shutdown(Duration::from_millis(500));
    assert!(!report.flushed, "{report:?}");
    assert_eq!(collector.wait_for(3).len(), 3, "the batch delay of an hour does not matter");
    drop(release);
}

/// A flush without a deadline ends when all is sent. Later batches are not smaller.
#[test]
fn a_flush_without_a_deadline_ends_when_all_is_sent() {
    let collector = Collector::start();
    let observer = observer(otel(&collector).batch(Duration::from_secs(3600), 512));
    requests(&observer, 1);
    assert!(observer.shutdown(Duration::MAX).flushed);
    requests(&observer, 50);
    assert!(observer.shutdown(Duration::MAX).flushed);
    assert_eq!(collector.requests(), 2, "one batch for each flush");
}

/// A shutdown ends within its deadline, although the collector set a long `Retry-After`.
#[test]
fn a_shutdown_does_not_wait_for_retry_after() {
    let collector = Collector::start();
    collector.then(Behaviour::Status { code: 503, retry_after: Some(3_600) });
    let observer = observer(otel(&collector));
    requests(&observer, 2);
    collector.wait_for_requests(1);
    // Without the flush, the thread would wait for half a minute, and so would the shutdown.
    assert!(observer.shutdown(Duration::from_secs(20)).flushed);
    assert_eq!(collector.spans().len(), 2);
}

/// After a shutdown that has reported the spans as lost, neither the SDK's provider nor the drop of
/// the observer waits for them again.
#[test]
fn nobody_waits_twice_for_a_collector_that_does_not_answer() {
    let collector = Collector::start();
    collector.answer(Behaviour::Hang);
    let observer = observer(otel(&collector).timeout(BOUND));
    requests(&observer, 3);
    collector.wait_for_requests(1);
    let report = observer.shutdown(Duration::from_millis(100));
    assert_eq!(report.output("spans").unwrap_or_default().lost, 3, "{report}");
    let began = Instant::now();
    let provider = observer.tracer_provider().clone();
    assert!(provider.shutdown().is_err(), "the spans are lost");
    drop(provider);
    drop(observer);
    // The SDK's limit is 5 s, and that of a drop is 1 s.
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn exports_are_compressed_and_have_headers_and_a_resource() {
    let collector = Collector::start();
    let otel =
        otel(&collector).gzip(true).header("x-tenant", "shop").resource_attribute("cloud.region", "eu-1");
    let observer = Observer::builder("shop")
        .no_environment()
        .service_version("1.4.2")
        .service_instance("one")
        .deployment_environment("test")
        .otel(otel)
        .build()
        .expect("valid");
    requests(&observer, 1);
    assert!(observer.shutdown(BOUND).flushed);
    let received = &collector.received()[0];
    assert!(received.gzip);
    assert_eq!(received.headers["x-tenant"], "shop");
    assert!(received.headers["user-agent"].to_str().expect("text").starts_with("obs/"));
    let span = &collector.spans()[0];
    assert_eq!((span.scope.as_str(), span.scope_version.is_empty()), ("obs", false));
    for (name, value) in [
        ("service.name", "shop"),
        ("service.version", "1.4.2"),
        ("service.instance.id", "one"),
        ("deployment.environment.name", "test"),
        ("cloud.region", "eu-1"),
        ("telemetry.sdk.name", "opentelemetry"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.distro.name", "obs"),
        ("os.type", std::env::consts::OS),
    ] {
        assert_eq!(span.resource[name], value, "{:#?}", span.resource);
    }
    assert_eq!(span.resource["process.pid"], std::process::id());
    assert!(span.resource.contains_key("host.name") && span.resource.contains_key("host.arch"));
}

/// Only the given authority is trusted.
#[test]
fn only_the_given_authority_is_trusted() {
    let (collector, ca) = Collector::start_tls();
    let file = obs_tests::process::temporary("ca.pem");
    std::fs::write(&file, ca).expect("written");
    let trusting = observer(otel(&collector).ca_file(&file));
    requests(&trusting, 2);
    assert!(trusting.shutdown(BOUND).flushed);
    assert_eq!(collector.spans().len(), 2);
    let doubting = observer(otel(&collector));
    requests(&doubting, 1);
    assert!(
        !doubting.shutdown(Duration::from_millis(500)).flushed,
        "the system does not trust the authority"
    );
    assert_eq!(collector.spans().len(), 2);
    std::fs::remove_file(file).expect("removed");
}

/// The thread ends with its observer, and first sends the remaining spans.
#[tokio::test]
async fn the_thread_ends_with_its_observer() {
    let collector = Collector::start();
    let observer = observer(otel(&collector).batch(Duration::from_secs(3600), 512));
    requests(&observer, 4);
    drop(observer);
    assert_eq!(collector.wait(4).await.len(), 4);
    until(|| threads("obs-spans") == 0).await;
}

/// The number of threads of this process with this name.
fn threads(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|found| found.trim() == name).count()
}

#[test]
fn invalid_settings_are_rejected() {
    let error_message = |otel: Otel| {
        let error = Observer::builder("test").no_environment().otel(otel).build().expect_err("rejected");
        error.to_string()
    };
    let message = error_message(Otel::new().endpoint("collector:4318"));
    assert_eq!(
        message,
        "`endpoint` is \"collector:4318\", but should be a URL such as `http://collector:4318`"
    );
    assert!(error_message(Otel::new().header("no name", "x")).starts_with("`header` is \"no name\""));
    assert!(
        error_message(Otel::new().ca_file("/no/such.pem"))
            .starts_with("`ca_file`: cannot read /no/such.pem: No such")
    );
    assert!(
        error_message(Otel::new().ca_file(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")))
            .contains("certificates in PEM")
    );
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    assert!(error_message(Otel::new().client_certificate(ours, ours)).starts_with("`client_certificate` is"));
    assert!(!error_message(Otel::new().endpoint("ftp://user:hunter2@c?key=hunter2")).contains("hunter2"));
    assert!(error_message(Otel::new().queue(0, 1)).starts_with("`queue` is \"0, 1\""));
    assert!(error_message(Otel::new().batch(Duration::ZERO, 4_096)).starts_with("`batch` is \"4096\""));
    assert!(error_message(Otel::new().sample_rate(1.5)).starts_with("`sample_rate` is \"1.5\""));
}
