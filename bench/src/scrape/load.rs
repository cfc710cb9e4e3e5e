//! The effect of scrapes on simultaneous requests: a paced load over sockets. The observer is that
//! of `bench scrape`, so pages have 10,000 label sets.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use obs_axum::RouterExt as _;

use super::{client::Connection, ours::Ours, server};
use crate::{settings::axum, table::quantile};

/// The number of connections. Each sends a request in each interval of `PACE`, in total 2,000 a
/// second, far below the limit of the service.
const CONNECTIONS: u32 = 16;
const PACE: Duration = Duration::from_millis(8);
/// The time of each way of scraping in a round.
const LASTS: Duration = Duration::from_secs(5);
/// The number of rounds. The ways take turns, so other work on the machine affects all of them.
const ROUNDS: usize = 3;

#[derive(Clone, Copy)]
enum Scrapes {
    None,
    EverySecond,
    OneAfterTheOther,
}

/// The measured times of one way of scraping.
#[derive(Default)]
struct Seen {
    latencies: Vec<Duration>,
    scrapes: Vec<Duration>,
}

pub(crate) fn print() -> Result<(), String> {
    let ours = Ours::new();
    let bare = server::start(axum::router());
    let observed = server::start(axum::router().observed(ours.observer()));
    let ways = [
        ("axum alone", bare, Scrapes::None),
        ("observed, no scrape", observed, Scrapes::None),
        ("observed, a scrape every second", observed, Scrapes::EverySecond),
        ("observed, one scrape after the other", observed, Scrapes::OneAfterTheOther),
    ];
    let mut seen: Vec<_> = ways.iter().map(|_| Seen::default()).collect();
    for _ in 0..ROUNDS {
        for ((_, port, scrapes), seen) in ways.iter().zip(&mut seen) {
            seen.round(*port, *scrapes);
        }
    }
    println!("| service | p50, ms | p99, ms | p99.9, ms | scrapes | median scrape, ms |");
    println!("|---|--:|--:|--:|--:|--:|");
    for ((name, ..), Seen { latencies, scrapes }) in ways.iter().zip(&seen) {
        let millis = |time: Duration| format!("{:.2}", time.as_secs_f64() * 1e3);
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|part| millis(quantile(latencies, part)));
        let median = if scrapes.is_empty() { "–".to_owned() } else { millis(quantile(scrapes, 0.5)) };
        println!("| {name} | {p50} | {p99} | {p999} | {} | {median} |", scrapes.len());
    }
    Ok(())
}

impl Seen {
    fn round(&mut self, port: u16, scrapes: Scrapes) {
        let ends = AtomicBool::new(false);
        let failed = AtomicUsize::new(0);
        thread::scope(|scope| {
            let clients: Vec<_> = (0..CONNECTIONS)
                .map(|number| scope.spawn(move || paced(port, PACE / CONNECTIONS * number)))
                .collect();
            let scraper = scope.spawn(|| scraper(port, scrapes, &ends));
            for client in clients {
                match client.join() {
                    Ok(latencies) => self.latencies.extend(latencies),
                    Err(_) => _ = failed.fetch_add(1, Relaxed),
                }
            }
            ends.store(true, Relaxed);
            self.scrapes.extend(scraper.join().expect("scrapes are answered"));
        });
        assert_eq!(failed.load(Relaxed), 0, "every request is answered");
    }
}

/// Sends paced requests. A latency starts when the request should have been sent, so a request that
/// is late because the one before was slow also counts as slow.
fn paced(port: u16, offset: Duration) -> Vec<Duration> {
    let mut connection = Connection::open(port, "/items/7", "");
    let mut latencies = Vec::new();
    let mut due = Instant::now() + offset;
    let end = due + LASTS;
    while due < end {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        connection.request();
        latencies.push(due.elapsed());
        due += PACE;
    }
    latencies
}

/// Scrapes with the headers of Prometheus.
fn scraper(port: u16, scrapes: Scrapes, ends: &AtomicBool) -> Vec<Duration> {
    let headers = "accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5\r\n\
                   accept-encoding: gzip\r\n";
    let mut connection = Connection::open(port, "/metrics", headers);
    let mut times = Vec::new();
    let pause = match scrapes {
        Scrapes::None => return times,
        Scrapes::EverySecond => Duration::from_secs(1),
        Scrapes::OneAfterTheOther => Duration::ZERO,
    };
    while !ends.load(Relaxed) {
        let began = Instant::now();
        connection.request();
        times.push(began.elapsed());
        thread::sleep(pause.saturating_sub(began.elapsed()));
    }
    times
}
