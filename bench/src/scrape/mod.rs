//! The cost of a scrape of many series, compared with the encoder of the `prometheus` crate over
//! the same series, and its effect on simultaneous requests.

mod client;
mod load;
pub(crate) mod ours;
mod server;
pub(crate) mod theirs;

use std::time::{Duration, Instant};

use crate::{allocator, table::median};

pub(crate) use load::print as print_load;

/// The number of routes of the service. Each has responses with both statuses, so there are twice
/// as many label sets of requests.
const ROUTES: usize = 5_000;
const STATUSES: [u16; 2] = [200, 500];
pub(crate) const LABEL_SETS: usize = ROUTES * STATUSES.len();
/// The number of requests of each label set.
const REQUESTS: usize = 3;

const DURATION: &str = "http_request_duration_seconds";
/// The upper bounds of buckets in seconds and in bytes: our defaults. They are listed here because
/// the other side needs them, too.
const SECONDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const BYTES: [f64; 6] = [100.0, 1e3, 1e4, 1e5, 1e6, 1e7];

/// The number of pages of each kind, which take turns. It is odd, for the median.
const ROUNDS: usize = 15;
/// The part of the other side's time and memory that our page may take.
const TARGET: f64 = 0.5;

fn route(number: usize) -> String {
    format!("/api/v1/things-{number}/{{id}}")
}

/// A function that receives a page piece by piece, and keeps nothing of it.
type Send<'a> = &'a mut dyn FnMut(&[u8]);

/// The measured cost of pages.
#[derive(Default)]
struct Pages {
    times: Vec<Duration>,
    /// The largest increase of live bytes, including the parts of the page in memory.
    peak: i64,
    bytes: usize,
    /// The samples of the duration histogram. `None` if the page is compressed.
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
        // The encoder of the other side could also write to a receiver that keeps nothing.
        let beside = self.peak as f64 / (against.peak - against.bytes as i64) as f64;
        format!(
            "| {name} | {millis:.1} | {time:.2} | {peak:.1} | {memory:.2} | {beside:.2} | {size:.1} | {samples} |"
        )
    }

    /// The ratios of the time and of the memory.
    fn ratios(&self, against: &Self) -> (f64, f64) {
        let time = median(&self.times).as_secs_f64() / median(&against.times).as_secs_f64();
        (time, self.peak as f64 / against.peak as f64)
    }
}

/// Prints the table, and fails if a target is missed.
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
                missed.push(format!("{what}: obs, {name} does not have as many samples as the other page"));
            }
            let (time, memory) = pages.ratios(&other);
            // The other page is not compressed, so its time cannot be compared with that of a
            // compressed page.
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
