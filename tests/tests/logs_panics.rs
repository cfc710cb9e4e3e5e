//! Panics that no request records are log lines, once for each observer. The subscriber and the
//! panic hook are global, so only one test of this process uses them.

use std::{
    panic,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use obs_core::{LogOutput, Logs, testing::TestLogs};
use obs_tests::{
    client::get,
    lines::TASK_PANIC,
    stacks::{Framework, Setup, Stack},
    watch::{BOUND, Watch},
};
use obs_tracing::LogsExt as _;
use serde_json::Value;
use tracing_subscriber::layer::SubscriberExt as _;

fn observer(written: &TestLogs) -> Watch {
    Watch::with(|builder| builder.logs(Logs::new().output(LogOutput::writer(written.clone()))))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_outside_of_requests_is_one_line_of_each_observer() {
    let all = Arc::new(AtomicUsize::new(0));
    let (seen, previous) = (Arc::clone(&all), panic::take_hook());
    panic::set_hook(Box::new(move |info| {
        seen.fetch_add(1, Ordering::Relaxed);
        previous(info);
    }));
    let (written, of_second) = (TestLogs::new(), TestLogs::new());
    let (watch, second) = (observer(&written), observer(&of_second));
    let silent = TestLogs::new();
    let without_layer = observer(&silent);
    let (muted, of_muted) = (TestLogs::new(), Logs::new().levels("info,panic=off"));
    let of_muted = of_muted.output(LogOutput::writer(muted.clone()));
    let muting = Watch::with(|builder| builder.logs(of_muted));
    drop(muting.observer.logs::<tracing_subscriber::Registry>());
    let layers = (watch.observer.logs(), second.observer.logs());
    // A second layer of the same observer writes no second line of a panic.
    drop(watch.observer.logs::<tracing_subscriber::Registry>());
    let subscriber = tracing_subscriber::registry().with(layers.0).with(layers.1);
    tracing::subscriber::set_global_default(subscriber).expect("the first");

    let named = thread::Builder::new().name("stock-counter".to_owned());
    let thread = named.spawn(|| panic!("card 4111111111111111 in a thread")).expect("a thread");
    assert!(thread.join().is_err());
    assert!(tokio::spawn(async { panic!("in a task") }).await.is_err());
    let frameworks = [Framework::Axum, Framework::Tower, Framework::Actix];
    let mut servers = Vec::new();
    for framework in frameworks {
        let server = Stack { framework, http2: false }.serve(Setup::new(&watch)).await;
        let mut client = server.connect().await;
        for path in ["/panic-call", "/panic-before", "/panic-after"] {
            assert_eq!(client.send(get(path)).await.expect("a response").status, 500, "{path}");
        }
        assert_eq!(client.send(get("/logs-task-panic")).await.expect("a response").status, 200);
        client.disconnect().await;
        servers.push(server);
    }
    for server in servers {
        server.stop().await;
    }
    let records = watch.ended(4 * frameworks.len()).await;
    let panicked = records.iter().filter(|record| record.panic.is_some()).count();
    assert_eq!(panicked, 3 * frameworks.len(), "requests record their own panics");
    assert_eq!(all.load(Ordering::Relaxed), 2 + 4 * frameworks.len(), "the previous hook is called");

    for (watch, written) in [(&watch, &written), (&second, &of_second)] {
        assert!(watch.observer.shutdown(BOUND).flushed);
        let lines: Vec<Value> =
            written.lines(&watch.observer).into_iter().filter(|line| line["target"] == "panic").collect();
        let with = |message: &str| -> Vec<&Value> {
            lines.iter().filter(|line| line["message"] == format!("panicked: {message}")).collect()
        };
        let [of_thread] = &with("card [REDACTED] in a thread")[..] else { panic!("{lines:#?}") };
        let [of_task] = &with("in a task")[..] else { panic!("{lines:#?}") };
        assert_eq!(of_thread["fields"]["thread"]["name"], "stock-counter");
        for line in [of_thread, of_task] {
            assert_eq!(line["level"], "error");
            assert_eq!(line["code.file.path"], file!());
            assert!(line["code.line.number"].as_u64() > Some(0) && line.get("request_id").is_none());
            let asked = std::env::var("RUST_BACKTRACE").is_ok_and(|value| value != "0");
            let backtrace = line["fields"]["exception"]["stacktrace"].as_str();
            assert_eq!(backtrace.is_some_and(|text| text.contains("logs_panics")), asked, "{backtrace:?}");
        }
        let of_requests = with(TASK_PANIC);
        assert_eq!(of_requests.len(), frameworks.len(), "tasks of requests");
        assert_eq!(lines.len(), 2 + frameworks.len(), "panics of requests are in their events: {lines:#?}");
        let quiet = records.iter().filter(|record| record.panic.is_none());
        let ids: Vec<_> = quiet.map(|record| record.start().id.to_string()).collect();
        assert!(of_requests.iter().all(|line| ids.iter().any(|id| line["request_id"] == **id)));
    }
    assert!(without_layer.observer.shutdown(BOUND).flushed);
    assert_eq!(silent.text(&without_layer.observer), "", "an observer without a layer writes no lines");
    assert!(muting.observer.shutdown(BOUND).flushed);
    assert_eq!(muted.text(&muting.observer), "", "the level of the target applies");
}

/// Runs the test above in processes that ask for backtraces and that do not.
#[test]
fn a_line_of_a_panic_has_a_backtrace_if_it_is_asked_for() {
    for asked in ["0", "1"] {
        let name = "a_panic_outside_of_requests_is_one_line_of_each_observer";
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        let output = command.args(["--exact", name]).env("RUST_BACKTRACE", asked).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains("1 passed"), "{asked}: {text}");
    }
}
