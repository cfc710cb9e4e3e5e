//! Outputs of log lines that fail or hang: requests are not affected, and each lost line is counted
//! by its reason.

use std::{
    fs::OpenOptions,
    io::{self, Read as _},
    time::{Duration, Instant},
};

use axum::{Router, routing::get as on_get};
use futures_util::future::join_all;
use obs_core::{LogOutput, Logs, Observer};
use obs_tests::{
    client::{Client, get},
    collector::Collector,
    subscribed::{block_on, lines_only, serve},
};
use tracing::info;

const CLIENTS: usize = 4;
const REQUESTS: usize = 200;
const LINES: usize = 20;
const ALL: u64 = (REQUESTS * LINES) as u64;

/// The longest time that a request may take on a busy machine. A request that waits for an output
/// would hang.
const LONGEST: Duration = Duration::from_secs(10);

/// The time for which a shutdown waits for a stuck output.
const FLUSH: Duration = Duration::from_millis(200);

/// The smallest queue, so that it is full after few lines.
const CAPACITY: usize = 64 * 1024;

/// The values of a counter of an output that are not zero, by the label `reason`.
fn counts(observer: &Observer, name: &str, output: &str) -> Vec<(String, u64)> {
    let (text, output) = (observer.metrics_text(), format!("output=\"{output}\""));
    let samples = text.lines().filter(|line| line.starts_with(name) && line.contains(&output));
    let parse = |line: &str| {
        let value = line.rsplit(' ').next().expect("a value").parse::<u64>().expect("a number");
        let reason = line.split_once("reason=\"").and_then(|(_, rest)| rest.split('"').next());
        (reason.unwrap_or_default().to_owned(), value)
    };
    samples.map(parse).filter(|(_, value)| *value > 0).collect()
}

/// Writes lines from many requests to an output that fails, and to one that works. Returns the lost
/// lines of the first by their reason.
fn lost(bad: LogOutput) -> Vec<(String, u64)> {
    let output = LogOutput::writer(io::sink()).named("good").capacity(64 << 20);
    let logs = Logs::new().unlimited().output(bad.named("bad").capacity(CAPACITY)).output(output);
    let observer = lines_only(logs).build().expect("valid");
    let logs = || async {
        for n in 0..LINES {
            info!(n, "a line that may be lost");
        }
    };
    let longest = block_on(&observer, async {
        let addr = serve(&observer, Router::new().route("/", on_get(logs))).await;
        let clients = (0..CLIENTS).map(|_| async move {
            let mut client = Client::connect(addr, false).await;
            let mut longest = Duration::ZERO;
            for _ in 0..REQUESTS / CLIENTS {
                let began = Instant::now();
                assert_eq!(client.send(get("/")).await.expect("an answer").status, 200);
                longest = longest.max(began.elapsed());
            }
            longest
        });
        join_all(clients).await.into_iter().max().expect("a time")
    });
    assert!(longest < LONGEST, "a request took {longest:?}");
    let began = Instant::now();
    let report = observer.shutdown(FLUSH);
    assert!(!report.flushed && began.elapsed() < LONGEST, "{report:?}");
    let of_both = report.output("logs").map(|counts| counts.delivered + counts.lost);
    assert_eq!(of_both, Some(2 * ALL), "each line is delivered or lost: {report:?}");
    let written = |output: &str| counts(&observer, "obs_log_lines_written_total", output);
    assert_eq!(written("good"), [(String::new(), ALL)], "the other output loses nothing");
    let lost = counts(&observer, "log_lines_dropped_total", "bad");
    println!("bad: {:?} written, lost: {lost:?}, the longest request took {longest:?}", written("bad"));
    let sum: u64 = lost.iter().chain(&written("bad")).map(|(_, lines)| lines).sum();
    // The last lines still wait in the queue.
    assert!((ALL - CAPACITY as u64 / 200..=ALL).contains(&sum), "{sum} lines are written or dropped");
    lost
}

/// Checks that lines were lost because the output failed. Before its first failure, the queue may
/// have been full.
fn only_errors(lost: &[(String, u64)]) {
    assert!(lost.iter().any(|(reason, _)| reason == "output_error"), "{lost:?}");
    assert!(lost.iter().all(|(reason, _)| reason == "output_error" || reason == "overflow"), "{lost:?}");
}

#[test]
fn a_dead_collector_affects_no_request() {
    let collector = Collector::start();
    let endpoint = collector.endpoint();
    drop(collector);
    // Lines wait only shortly for others, so that the first export fails before the queue is full.
    let output = LogOutput::otlp().endpoint(endpoint).batch(Duration::from_millis(1), 512);
    let lost = lost(output);
    only_errors(&lost);
}

#[test]
fn a_full_disk_affects_no_request() {
    let full = OpenOptions::new().write(true).open("/dev/full").expect("Linux");
    let lost = lost(LogOutput::writer(full));
    only_errors(&lost);
}

#[test]
fn a_closed_pipe_affects_no_request() {
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    let lost = lost(LogOutput::writer(writer));
    only_errors(&lost);
}

/// A pipe that nobody reads, as the standard output of a service can be.
#[test]
fn a_reader_that_hangs_affects_no_request() {
    let (mut reader, writer) = io::pipe().expect("a pipe");
    let lost = lost(LogOutput::writer(writer));
    assert!(matches!(&lost[..], [(reason, _)] if reason == "overflow"), "{lost:?}");
    // The reader goes on: whole lines arrive.
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("UTF-8");
    let parsed = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    assert!(parsed.count() > 0);
}
