//! Tests of the queries in the documents: DuckDB and jq run them on files of events and log lines
//! that an observer has written.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use obs_core::{
    EventFile, EventOutput, Events, LogLevel, LogOutput, Logs, Observer, Outcome,
    adapter::{HeaderLookup, RequestHead},
    output::LogLine,
};
use obs_tests::{judge::python, process::temporary, watch::BOUND};
use serde_json::{Value, json};

const EVENTS: &str = include_str!("../../docs/events.md");
const LOGS: &str = include_str!("../../docs/logs.md");

/// The duration of a slow request in the documents.
const SLOW: Duration = Duration::from_millis(101);

/// The trace of the query for the lines of one request.
const TRACE: &str = "784879e5bc13507a4b32d410f3bf3b42";

/// The code blocks of a language after the heading, in their order.
fn blocks(document: &'static str, language: &str) -> Vec<&'static str> {
    let (_, questions) = document.split_once("## Queries").expect("the heading");
    let fence = format!("```{language}\n");
    questions.split(fence.as_str()).skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}

/// Writes events of three users, two of whom have the new cart, with a route that fails and two
/// dependencies.
fn traffic(folder: &Path) {
    let file = EventFile::new(folder.join("events.jsonl"));
    let events = Events::new().output(EventOutput::file(file));
    let observer = Observer::builder("shop").no_environment().events(events).build().expect("valid");
    for n in 0..30_u64 {
        let mut observation = observer.start(&RequestHead::new("GET", "/items", &()));
        observation.set_route(if n % 10 == 0 { "/orders" } else { "/items/{id}" });
        let handle = observation.work();
        // An anonymous request counts as no user.
        if n != 4 {
            handle.user((n % 3).to_string());
        }
        handle.flag("new-cart", if n % 3 == 0 { "off" } else { "on" });
        handle.set("user.plan", if n % 2 == 0 { "pro" } else { "free" });
        drop(handle.call("db"));
        handle.run(|| {
            let call = obs_core::current().call("payments");
            std::thread::sleep(Duration::from_millis(1));
            drop(call);
        });
        observation.responded(if n == 0 { 500 } else { 200 }, &());
        observation.finish(Outcome::Completed);
    }
    assert!(observer.shutdown(BOUND).flushed);
}

/// The caller of a request names its trace.
struct OfTrace;

impl HeaderLookup for OfTrace {
    fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
        if name == "traceparent" {
            f(format!("00-{TRACE}-00f067aa0ba902b7-01").as_bytes());
        }
    }
}

/// Writes the lines of requests: one of a known trace, two that fail, and a slow one.
fn lines(folder: &Path) {
    let logs = Logs::new()
        .collect("shop=debug")
        .collect_slower_than(SLOW)
        .output(LogOutput::file(EventFile::new(folder.join("lines.jsonl"))));
    let events = Events::new().output(EventOutput::file(EventFile::new(folder.join("events.jsonl"))));
    let builder = Observer::builder("shop").no_environment().events(events).logs(logs);
    let observer = builder.build().expect("valid");
    let request = |route: &str, headers: &dyn HeaderLookup, status: u16, slow: bool| {
        let mut observation = observer.start(&RequestHead::new("POST", "/", headers));
        observation.set_route(route);
        let line = |level: LogLevel, message: &str| {
            let line = LogLine::new(level, "shop", message.to_owned()).field("status", u64::from(status));
            observer.log_pipeline().write(line.of(observation.work()));
        };
        line(LogLevel::Debug, "step 1");
        line(LogLevel::Debug, "step 2");
        if slow {
            std::thread::sleep(SLOW);
        }
        line(if status < 500 { LogLevel::Info } else { LogLevel::Error }, "the end");
        observation.responded(status, &());
        observation.finish(Outcome::Completed);
    };
    request("/orders", &OfTrace, 201, false);
    request("/orders", &(), 500, false);
    request("/orders", &(), 503, false);
    request("/items/{id}", &(), 500, false);
    request("/reports", &(), 200, true);
    assert!(observer.shutdown(BOUND).flushed);
}

fn folder(name: &str) -> PathBuf {
    let folder = temporary(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn duckdb(document: &'static str, folder: &Path) -> Vec<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/judges/query.py");
    let mut child = Command::new(python())
        .arg(script)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let statements = serde_json::to_vec(&blocks(document, "sql")).expect("JSON");
    child.stdin.take().expect("piped").write_all(&statements).expect("written");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn jq(folder: &Path) -> Vec<String> {
    let run = |block: &&str| {
        let output = Command::new("sh").args(["-c", block]).current_dir(folder).output().expect("sh runs");
        assert!(output.status.success() && output.stderr.is_empty(), "{block}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    blocks(EVENTS, "sh").iter().map(run).collect()
}

/// The words of each line.
fn words(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split_whitespace().collect()).collect()
}

#[test]
fn every_query_of_events_has_the_expected_result() {
    let folder = folder("queries");
    traffic(&folder);
    let rows = duckdb(EVENTS, &folder);
    let [_view, users, adoption, routes, dependencies, plans] = &rows[..] else { panic!("{rows:?}") };
    let days: i64 =
        users.as_array().expect("rows").iter().filter_map(|row| row[1].as_i64()).max().expect("a day");
    assert_eq!(days, 3, "users of a day: {users}");
    assert_eq!(*adoption, json!([["on", 2, 20.0], ["off", 1, 10.0]]));
    let route = |n: usize| (&routes[n][0], &routes[n][1], &routes[n][3]);
    assert_eq!(route(0), (&json!("/items/{id}"), &json!(27.0), &json!(0.0)));
    assert_eq!(route(1), (&json!("/orders"), &json!(3.0), &json!(1.0)));
    assert_eq!((&dependencies[0][0], &dependencies[1][0]), (&json!("payments"), &json!("db")));
    assert!(dependencies[0][2].as_f64().is_some_and(|mean| mean >= 1.0), "{dependencies}");
    assert_eq!(*plans, json!([["free", 15], ["pro", 15]]).clone());

    let answers = jq(&folder);
    let [users, adoption, routes, dependencies] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(words(users)[0][0], "3", "{users}");
    assert_eq!(words(adoption), [["10", "off"], ["20", "on"]]);
    assert_eq!(words(routes), [["27", "/items/{id}"], ["3", "/orders"]]);
    assert_eq!(words(dependencies)[0][0], "payments");
    std::fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn every_query_of_log_lines_has_the_expected_result() {
    let folder = folder("queries-of-lines");
    lines(&folder);
    let rows = duckdb(LOGS, &folder);
    let [_view, of_request, errors, slow] = &rows[..] else { panic!("{rows:?}") };
    let [line] = &of_request.as_array().expect("rows")[..] else { panic!("{of_request}") };
    assert_eq!((&line[1], &line[2], &line[3]), (&"shop".into(), &"info".into(), &"the end".into()));
    assert!(line[4].as_str().is_some_and(|fields| fields.contains("201")), "{line}");
    assert_eq!(*errors, json!([["/orders", 2], ["/items/{id}", 1]]));
    let slow = slow.as_array().expect("rows");
    let messages: Vec<_> = slow.iter().map(|row| row[2].as_str().expect("a text")).collect();
    assert_eq!(messages, ["step 1", "step 2"], "{slow:?}");
    assert!(slow.iter().all(|row| row[0].as_f64().is_some_and(|ms| ms > 100.0)), "{slow:?}");
    std::fs::remove_dir_all(folder).expect("removed");
}
