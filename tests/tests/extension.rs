//! Tests of an extension that uses only the public API, like an extension of another crate.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use obs_core::{
    BuildError, Observer, ObserverBuilder, Outcome,
    adapter::{Answer, EndpointFuture, HeaderLookup, RequestHead},
    output::{Counter, Environment, Extension, OutputCounts, Record, RecordSink, Setup},
};

/// An extension that counts finished requests in batches.
#[derive(Default)]
struct Batches {
    /// The number of requests in a batch.
    size: u64,
    path: Option<&'static str>,
    family: Option<&'static str>,
    sink: Option<&'static str>,
    stuck: bool,
}

/// The figures of a running extension.
#[derive(Default)]
struct Figures {
    waiting: AtomicU64,
    delivered: AtomicU64,
    ended: AtomicBool,
}

struct Batching {
    name: &'static str,
    figures: Arc<Figures>,
    finished: Arc<Counter>,
}

impl RecordSink for Batching {
    fn name(&self) -> &str {
        self.name
    }

    fn on_finish(&self, _: &Record) {
        self.finished.add(1);
        self.figures.waiting.fetch_add(1, Ordering::Relaxed);
    }
}

impl Extension for Batches {
    fn name(&self) -> &str {
        "batches"
    }

    fn configure(&mut self, environment: &Environment) -> Result<(), BuildError> {
        let parsed = environment.parse("BATCHES_SIZE", "a whole number", |text| text.parse().ok())?;
        self.size = parsed.unwrap_or(self.size);
        Ok(())
    }

    fn install(self: Box<Self>, setup: &mut Setup<'_>) -> Result<(), BuildError> {
        let figures = Arc::new(Figures::default());
        let family = self.family.unwrap_or("obs_batches_requests_total");
        let finished = setup.counter(family, "Requests.", &[("service", &setup.service().name.clone())])?;
        let waiting = Arc::clone(&figures);
        setup.gauge("obs_batches_waiting", "Requests that wait.", &[], move || {
            waiting.waiting.load(Ordering::Relaxed)
        })?;
        setup.sink(Batching {
            name: self.sink.unwrap_or("batches"),
            figures: Arc::clone(&figures),
            finished: Arc::clone(&finished),
        });
        let size = self.size;
        setup.endpoint(self.path.unwrap_or("/batches"), move |head| {
            assert_ne!(head.query, Some("panic"), "asked for");
            let (count, method) = (finished.get(), head.method.to_owned());
            EndpointFuture::new(async move {
                Answer::new(200, "text/plain", format!("{method}: {count} of {size}"))
                    .header("x-kind", "batches")
            })
        });
        setup.check(Duration::from_secs(5), "batches", || async { Ok::<_, String>(()) });
        let ending = Arc::clone(&figures);
        let stuck = self.stuck;
        setup.on_shutdown(move |deadline| {
            assert!(deadline > Duration::ZERO, "there is time left");
            let waiting = ending.waiting.swap(0, Ordering::Relaxed);
            ending.delivered.fetch_add(waiting, Ordering::Relaxed);
            ending.ended.store(true, Ordering::Relaxed);
            assert!(!stuck, "the step panics");
            true
        });
        let counted = Arc::clone(&figures);
        setup.report(move || OutputCounts { delivered: counted.delivered.load(Ordering::Relaxed), lost: 0 });
        setup.share(figures);
        Ok(())
    }
}

fn builder() -> ObserverBuilder {
    Observer::builder("test").no_environment()
}

fn finish(observer: &Observer) {
    observer.start(&RequestHead::new("GET", "/", &())).finish(Outcome::Completed);
}

async fn get(observer: &Observer, method: &str, path: &str, query: Option<&str>) -> Option<(u16, String)> {
    let answer = observer.endpoint(&RequestHead::new(method, path, &()).query(query))?.await;
    let status = answer.status();
    Some((status, String::from_utf8(answer.into_body().into_bytes().to_vec()).expect("text")))
}

#[tokio::test]
async fn all_installed_parts_work() {
    let observer = builder().extension(Batches { size: 3, ..Batches::default() }).build().expect("valid");
    finish(&observer);
    finish(&observer);
    let page = observer.metrics_text();
    for line in [
        "# HELP obs_batches_requests_total Requests.",
        r#"obs_batches_requests_total{service="test"} 2"#,
        "obs_batches_waiting 2",
        r#"obs_sink_errors_total{sink="batches"} 0"#,
    ] {
        assert!(page.lines().any(|shown| shown == line), "{line} in {page}");
    }
    assert_eq!(get(&observer, "GET", "/batches", None).await, Some((200, "GET: 2 of 3".to_owned())));
    assert_eq!(get(&observer, "POST", "/batches", None).await, Some((200, "POST: 2 of 3".to_owned())));
    assert_eq!(get(&observer, "HEAD", "/batches", None).await, Some((200, String::new())));
    assert_eq!(get(&observer, "GET", "/batches", Some("panic")).await.map(|(status, _)| status), Some(500));
    let (status, health) = get(&observer, "GET", "/health", None).await.expect("health");
    assert!(status == 200 && health.contains(r#""batches":{"status":"pass""#), "{health}");

    let figures = observer.shared::<Figures>().expect("shared");
    assert!(observer.shared::<Mutex<u8>>().is_none());
    let report = observer.shutdown(Duration::from_secs(5));
    assert!(report.flushed && figures.ended.load(Ordering::Relaxed), "{report:?}");
    assert_eq!(report.output("batches"), Some(OutputCounts { delivered: 2, lost: 0 }));
    assert!(report.output("events").is_some() && report.output("none").is_none());
}

#[test]
fn a_shutdown_step_that_panics_counts_as_not_flushed() {
    let observer = builder().extension(Batches { stuck: true, ..Batches::default() }).build().expect("valid");
    assert!(!observer.shutdown(Duration::from_secs(5)).flushed);
}

#[test]
fn invalid_parts_are_rejected_by_name() {
    let twice = builder().extension(Batches::default()).extension(Batches::default());
    let taken = |path| builder().extension(Batches { path: Some(path), ..Batches::default() });
    let family = |family| builder().extension(Batches { family: Some(family), ..Batches::default() });
    let sink = builder().extension(Batches { sink: Some("metrics"), ..Batches::default() });
    let check = builder().check("batches", || async { Ok::<_, String>(()) }).extension(Batches::default());
    for (builder, expected) in [
        (twice, "`extension` is \"batches\", but should be a name that no other extension has"),
        (taken("/metrics"), "`extension` is \"/metrics\", but should be a path of its own for each endpoint"),
        (taken("batches"), "`extension` is \"batches\", but should be a plain path such as `/metrics`"),
        (family("batches_total"), "`extension` is \"batches: batches_total\", but should be obs_…_total"),
        (family("obs_batches"), "`extension` is \"batches: obs_batches\", but should be obs_…_total"),
        (sink, "`sink` is \"metrics\", but should be a name that no other sink has"),
        (check, "`check` is \"batches\", but should be a name that no other check has"),
    ] {
        assert_eq!(builder.build().expect_err("rejected").to_string(), expected);
    }
}

/// Runs in its own process, because the environment belongs to the process.
#[test]
fn the_variable_of_an_extension_takes_precedence_and_is_checked() {
    const SIZE: &str = "BATCHES_SIZE";
    if std::env::var_os("BATCHES_CHILD").is_some() {
        let observer = Observer::builder("test").extension(Batches { size: 3, ..Batches::default() }).build();
        match observer {
            Ok(observer) => {
                let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                println!(
                    "size: {}",
                    runtime.block_on(get(&observer, "GET", "/batches", None)).expect("an answer").1
                );
            }
            Err(error) => println!("error: {error}"),
        }
        return;
    }
    let run = |value: &str| {
        let program = std::env::current_exe().expect("this program");
        let mut command = std::process::Command::new(program);
        command.args([
            "--exact",
            "--nocapture",
            "the_variable_of_an_extension_takes_precedence_and_is_checked",
        ]);
        let output = command.env("BATCHES_CHILD", "1").env(SIZE, value).output().expect("it runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(run(" 7 ").contains("size: GET: 0 of 7"));
    assert!(run("").contains("size: GET: 0 of 3"), "an empty variable counts as unset");
    let expected = "error: `BATCHES_SIZE` is \"many\", but should be a whole number";
    assert!(run("many").contains(expected));
}

/// An extension with a check of its settings, a recorded header, a page, and a step that runs after
/// all extensions have installed their parts.
struct Tenants {
    limit: u64,
}

/// The header of the last request.
#[derive(Default)]
struct LastTenant(Mutex<Option<String>>);

impl RecordSink for LastTenant {
    fn name(&self) -> &str {
        "tenants"
    }

    fn on_finish(&self, record: &Record) {
        let request = record.request().expect("a request");
        let values = request.start.headers.iter().filter(|(name, _)| **name == *"x-tenant");
        *self.0.lock().expect("no panic") = values.flat_map(|(_, values)| values.first().cloned()).next();
    }
}

impl Extension for Tenants {
    fn name(&self) -> &str {
        "tenants"
    }

    fn check(&self, environment: &Environment) -> Result<(), BuildError> {
        if self.limit == 0 {
            let setting = environment.name_of(&["TENANTS_LIMIT"], &["limit"]);
            return Err(BuildError::new(setting, "0", "at least 1"));
        }
        Ok(())
    }

    fn install(self: Box<Self>, setup: &mut Setup<'_>) -> Result<(), BuildError> {
        let last = Arc::new(LastTenant::default());
        setup.record_header("X-Tenant");
        setup.share(Arc::clone(&last));
        setup.when_all_are_installed(|setup| {
            setup.sink(last);
            setup.gauge("obs_tenants_limit", "The limit.", &[], move || self.limit)?;
            setup.page("/tenants", |_| Answer::new(200, "text/plain", "tenants").into());
            Ok(())
        });
        Ok(())
    }
}

/// The headers of a request that has one.
struct OneHeader(&'static str, &'static str);

impl HeaderLookup for OneHeader {
    fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
        if name.eq_ignore_ascii_case(self.0) {
            f(self.1.as_bytes());
        }
    }
}

#[tokio::test]
async fn an_extension_can_use_everything_that_built_in_extensions_use() {
    let observer = builder().extension(Tenants { limit: 7 }).build().expect("valid");
    observer.start(&RequestHead::new("GET", "/", &OneHeader("x-tenant", "blue"))).finish(Outcome::Completed);
    let last = observer.shared::<LastTenant>().expect("shared");
    assert_eq!(last.0.lock().expect("no panic").as_deref(), Some("blue"));
    let page = observer.metrics_text();
    for line in ["obs_tenants_limit 7", r#"obs_sink_errors_total{sink="tenants"} 0"#] {
        assert!(page.lines().any(|shown| shown == line), "{line} in {page}");
    }
    assert_eq!(get(&observer, "GET", "/tenants", None).await, Some((200, "tenants".to_owned())));
    let (status, _) = get(&observer, "POST", "/tenants", None).await.expect("an answer");
    assert_eq!(status, 405);
    let error = builder().extension(Tenants { limit: 0 }).build().expect_err("invalid").to_string();
    assert_eq!(error, "`limit` is \"0\", but should be at least 1");
}
