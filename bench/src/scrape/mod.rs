//! What a scrape of many series costs, beside the `prometheus` crate's own encoder over the same series, and what it does to
//! the requests that are served meanwhile.

mod client;
mod load;
pub(crate) mod ours;
mod server;
pub(crate) mod theirs;

use std::time::{Duration, Instant};

use crate::{allocator, table::median};

pub(crate) use load::print as print_load;

/// Routes of the service. Each was answered with both statuses, so there are twice as many label sets of requests.
const ROUTES: usize = 5_000;
const STATUSES: [u16; 2] = [200, 500];
pub(crate) const LABEL_SETS: usize = ROUTES * STATUSES.len();
/// Requests of each label set.
const REQUESTS: usize = 3;

const DURATION: &str = "http_request_duration_seconds";
/// Upper bounds in seconds and in bytes: our defaults, said here because the other side needs them as well.
const SECONDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const BYTES: [f64; 6] = [100.0, 1e3, 1e4, 1e5, 1e6, 1e7];

/// Pages of each kind, by turns: an odd number, so that one is in the middle.
const ROUNDS: usize = 15;
/// Ours may take so much of the other's time and memory.
const TARGET: f64 = 0.5;

fn route(number: usize) -> String {
    format!("/api/v1/things-{number}/{{id}}")
}

/// Somebody who sends a page, piece by piece, and keeps nothing of it.
type Send<'a> = &'a mut dyn FnMut(&[u8]);

/// What making a page took.
#[derive(Default)]
struct Pages {
    times: Vec<Duration>,
    /// The most bytes that were live at once because of it, what of the page was there included.
    peak: i64,
    bytes: usize,
    /// Samples of the duration's histogram; `None` if the page is compressed.
    samples: Option<usize>,
}

impl Pages {
    fn make(&mut self, page: impl Fn(Send<'_>)) {
        if self.times.is_empty() {
            self.count_samples(&page);
        }
        let began = Instant::now();
        let mut bytes = 0;
        let ((), peak) = allocator::peak_bytes(|| page(&mut |piece| bytes += piece.len()));
        self.times.push(began.elapsed());
        self.peak = self.peak.max(peak);
        self.bytes = bytes;
    }

    fn count_samples(&mut self, page: impl Fn(Send<'_>)) {
        let mut whole = Vec::new();
        page(&mut |piece| whole.extend_from_slice(piece));
        let Ok(text) = String::from_utf8(whole) else { return };
        let of_duration = |line: &&str| {
            let suffix = line.strip_prefix(DURATION).unwrap_or_default();
            ["_bucket{", "_sum{", "_count{"].iter().any(|start| suffix.starts_with(start))
        };
        self.samples = Some(text.lines().filter(of_duration).count());
    }

    fn row(&self, name: &str, against: &Self) -> String {
        let ((time, memory), millis) = (self.ratios(against), median(&self.times).as_secs_f64() * 1e3);
        let samples = self.samples.map_or_else(|| "–".to_owned(), |samples| samples.to_string());
        let (peak, size) = (self.peak as f64 / 1e6, self.bytes as f64 / 1e6);
        // The encoder of the other side could write to somebody who keeps nothing, too.
        let beside = self.peak as f64 / (against.peak - against.bytes as i64) as f64;
        format!(
            "| {name} | {millis:.1} | {time:.2} | {peak:.1} | {memory:.2} | {beside:.2} | {size:.1} | {samples} |"
        )
    }

    /// Of the time and of the memory.
    fn ratios(&self, against: &Self) -> (f64, f64) {
        let time = median(&self.times).as_secs_f64() / median(&against.times).as_secs_f64();
        (time, self.peak as f64 / against.peak as f64)
    }
}

/// Prints the table, and fails where a target is missed.
pub(crate) fn print() -> Result<(), String> {
    allocator::count_bytes();
    let ours = ours::Ours::new();
    let mut missed = Vec::new();
    println!(
        "| page | time, ms | ratio | peak, MB | ratio | ratio without its page | page, MB | samples of {DURATION} |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    for (what, whole) in [("the duration alone", false), ("all HTTP metrics", true)] {
        let theirs = theirs::registry(whole);
        let [mut text, mut open, mut gzip, mut other] = [(); 4].map(|()| Pages::default());
        for _ in 0..ROUNDS {
            text.make(|send| ours.page(false, false, whole, send));
            other.make(|send| theirs::page(&theirs, send));
            open.make(|send| ours.page(true, false, whole, send));
            gzip.make(|send| ours.page(true, true, whole, send));
        }
        println!("{}", other.row(&format!("{what}: prometheus, text"), &other));
        let pages =
            [("text", &text, false), ("OpenMetrics", &open, false), ("OpenMetrics and gzip", &gzip, true)];
        for (name, pages, compressed) in pages {
            println!("{}", pages.row(&format!("{what}: obs, {name}"), &other));
            if !compressed && pages.samples != other.samples {
                missed.push(format!("{what}: obs, {name} has not as many samples as the other page"));
            }
            let (time, memory) = pages.ratios(&other);
            // The other page is not compressed, so its time says nothing of one that is.
            let time = (!compressed).then_some(("time", time));
            let ratios = time.into_iter().chain([("memory", memory)]);
            for (of, ratio) in ratios.filter(|(_, ratio)| *ratio >= TARGET) {
                missed.push(format!(
                    "{what}: obs, {name} takes {ratio:.2} of the {of}, the target is {TARGET}"
                ));
            }
        }
    }
    if missed.is_empty() { Ok(()) } else { Err(missed.join("\n")) }
}
