//! The limit of lines from one call site, which keeps a hot loop from flooding the outputs.
//!
//! ```text
//! line ─▶ the bucket of its call site and route ─▶ a share of it for each request ─▶ written
//!                  │ empty                              │ used up
//!                  └────────── held back and counted ◀──┘ ─▶ a summary, every ten seconds
//! ```
//! Each call site has a bucket for each route. So a loop uses up only its own bucket, and the lines
//! of other call sites and other routes are still written. A bucket is full at first, so the first
//! line of a call site always passes.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, Hash},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::record::log_level::LogLevel;

use rustc_hash::FxBuildHasher;

use super::line::LogLine;

/// The maximum number of buckets. The call sites and routes beyond it share one bucket.
const MAX_BUCKETS: usize = 10_000;

/// The number of requests of a bucket whose shares are counted.
const SLOTS: usize = 4;

/// The time after which a request without another line gives its slot free.
const SLOT: Duration = Duration::from_secs(10);

/// The numbers of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LimitRates {
    /// The lines of one call site and route, for each second.
    pub(super) per_second: u32,
    /// The lines that may come at once.
    pub(super) burst: u32,
    /// The lines of one call site that a single request may write.
    pub(super) per_request: u32,
}

/// The buckets of all call sites.
pub(super) struct FloodLimit {
    rates: LimitRates,
    buckets: Mutex<HashMap<BucketKey, Bucket, FxBuildHasher>>,
}

/// The call site of a line and the route of its request.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct BucketKey {
    site: u64,
    route: Option<&'static str>,
}

/// The key that all call sites share if there are too many.
const SHARED: BucketKey = BucketKey { site: 0, route: None };

struct Bucket {
    lines: f64,
    updated: Instant,
    /// The requests with the most lines: a hash of the request's id, its lines, and the time of the
    /// last one.
    slots: [(u64, u32, Instant); SLOTS],
    /// The lines that were held back since the last summary.
    held_back: u64,
    /// The call site, once a line was held back.
    site: Option<Box<CallSite>>,
}

/// A call site, for its summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CallSite {
    pub(super) level: LogLevel,
    pub(super) target: String,
    pub(super) source: Option<(String, Option<u32>)>,
}

/// The lines of a call site and route that were held back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HeldBack {
    pub(super) site: CallSite,
    pub(super) route: Option<&'static str>,
    pub(super) lines: u64,
}

impl FloodLimit {
    pub(super) fn new(rates: LimitRates) -> Self {
        Self { rates, buckets: Mutex::new(HashMap::with_hasher(FxBuildHasher)) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BucketKey, Bucket, FxBuildHasher>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line out of its bucket. Returns false if the line is held back. `request` is the id
    /// of the line's request.
    pub(super) fn passes(
        &self,
        line: &LogLine<'_>,
        route: Option<&'static str>,
        request: Option<&[u8]>,
        now: Instant,
    ) -> bool {
        let mut buckets = self.lock();
        let mut key = BucketKey { site: site_of(line), route };
        if buckets.len() >= MAX_BUCKETS && !buckets.contains_key(&key) {
            buckets.retain(|_, bucket| !bucket.is_full(&self.rates, now));
            if buckets.len() >= MAX_BUCKETS {
                key = SHARED;
            }
        }
        let bucket = buckets.entry(key).or_insert_with(|| Bucket::full(&self.rates, now));
        let passes = bucket.take(&self.rates, request.map(|id| FxBuildHasher.hash_one(id)), now);
        if !passes {
            bucket.held_back = bucket.held_back.saturating_add(1);
            bucket.site.get_or_insert_with(|| Box::new(CallSite::of(line)));
        }
        passes
    }

    /// Returns the lines that were held back since the last call.
    pub(super) fn held_back(&self) -> Vec<HeldBack> {
        let mut all = Vec::new();
        for (key, bucket) in self.lock().iter_mut() {
            if let Some(site) = bucket.site.take() {
                let lines = std::mem::take(&mut bucket.held_back);
                all.push(HeldBack { site: *site, route: key.route, lines });
            }
        }
        all
    }
}

impl Bucket {
    fn full(rates: &LimitRates, now: Instant) -> Self {
        Self {
            lines: f64::from(rates.burst),
            updated: now,
            slots: [(0, 0, now); SLOTS],
            held_back: 0,
            site: None,
        }
    }

    fn refill(&mut self, rates: &LimitRates, now: Instant) {
        let new = now.saturating_duration_since(self.updated).as_secs_f64() * f64::from(rates.per_second);
        self.lines = (self.lines + new).min(f64::from(rates.burst));
        self.updated = now;
    }

    /// Returns true if the bucket has nothing to remember.
    fn is_full(&mut self, rates: &LimitRates, now: Instant) -> bool {
        self.refill(rates, now);
        self.lines >= f64::from(rates.burst) && self.site.is_none()
    }

    fn take(&mut self, rates: &LimitRates, request: Option<u64>, now: Instant) -> bool {
        self.refill(rates, now);
        if request.is_some_and(|request| !self.take_share(request, rates.per_request, now))
            || self.lines < 1.0
        {
            return false;
        }
        self.lines -= 1.0;
        true
    }

    /// Counts a line of the request. Returns false if its share is used up.
    ///
    /// A new request takes the slot with the fewest lines. So a request with very many lines keeps
    /// its slot, and requests with few lines need none.
    fn take_share(&mut self, request: u64, share: u32, now: Instant) -> bool {
        let is_old = |slot: &(u64, u32, Instant)| now.saturating_duration_since(slot.2) >= SLOT;
        let place = match self.slots.iter().position(|slot| slot.1 > 0 && slot.0 == request) {
            Some(place) => place,
            None => {
                for slot in &mut self.slots {
                    if is_old(slot) {
                        slot.1 = 0;
                    }
                }
                let fewest = self.slots.iter().enumerate().min_by_key(|(_, slot)| slot.1);
                fewest.map_or(0, |(place, _)| place)
            }
        };
        let Some(slot) = self.slots.get_mut(place) else { return true };
        let before = if slot.0 == request && !is_old(slot) { slot.1 } else { 0 };
        *slot = (request, before.saturating_add(1), now);
        before < share
    }
}

impl CallSite {
    fn of(line: &LogLine<'_>) -> Self {
        Self {
            level: line.level,
            target: line.target.to_owned(),
            source: line.source.map(|(file, number)| (file.to_owned(), number)),
        }
    }

    /// The place in the source code, or else the target.
    pub(super) fn place(&self) -> String {
        match &self.source {
            Some((file, Some(number))) => format!("{file}:{number}"),
            Some((file, None)) => file.clone(),
            None => self.target.clone(),
        }
    }
}

/// Returns a hash of the line's call site. A line without a place in the source code is told from
/// others by its message.
fn site_of(line: &LogLine<'_>) -> u64 {
    let message = line.source.is_none().then_some(&*line.message);
    FxBuildHasher.hash_one((line.target, line.source, line.level, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: LimitRates = LimitRates { per_second: 10, burst: 20, per_request: 5 };

    fn line(number: u32) -> LogLine<'static> {
        LogLine::new(LogLevel::Info, "shop", "again").source("src/shop.rs", Some(number))
    }

    fn passing(
        limit: &FloodLimit,
        lines: usize,
        route: Option<&'static str>,
        request: Option<&str>,
        now: Instant,
    ) -> usize {
        let request = request.map(str::as_bytes);
        (0..lines).filter(|_| limit.passes(&line(1), route, request, now)).count()
    }

    #[test]
    fn a_million_lines_become_few_and_the_counts_add_up() {
        let limit = FloodLimit::new(RATES);
        let now = Instant::now();
        let passed = passing(&limit, 1_000_000, Some("/hot"), None, now);
        assert_eq!(passed, 20);
        assert!(limit.passes(&line(1), Some("/other"), None, now), "another route's line passes");
        assert!(limit.passes(&line(2), Some("/hot"), None, now), "another call site's line passes");
        let error = LogLine::new(LogLevel::Error, "shop", "again").source("src/shop.rs", Some(1));
        assert!(limit.passes(&error, Some("/hot"), None, now), "an error passes");
        let held_back = limit.held_back();
        let site = CallSite {
            level: LogLevel::Info,
            target: "shop".to_owned(),
            source: Some(("src/shop.rs".to_owned(), Some(1))),
        };
        assert_eq!(held_back, [HeldBack { site, route: Some("/hot"), lines: 999_980 }]);
        assert_eq!(held_back[0].site.place(), "src/shop.rs:1");
        assert!(limit.held_back().is_empty(), "each line is reported once");
        assert_eq!(passing(&limit, 100, Some("/hot"), None, now + Duration::from_secs(1)), 10);
        assert_eq!(passing(&limit, 100, Some("/hot"), None, now + Duration::from_secs(100)), 20);
    }

    #[test]
    fn a_request_gets_only_a_share() {
        let limit = FloodLimit::new(RATES);
        let now = Instant::now();
        assert_eq!(passing(&limit, 1_000, None, Some("hot"), now), 5);
        for other in ["a", "b", "c", "d", "e", "f"] {
            assert_eq!(passing(&limit, 1, None, Some(other), now), 1, "{other}");
            assert_eq!(passing(&limit, 10, None, Some("hot"), now), 0, "the hot request stays known");
        }
        assert_eq!(passing(&limit, 100, None, Some("hot"), now + SLOT), 5, "the share comes back");
    }

    #[test]
    fn the_number_of_buckets_is_limited() {
        let limit = FloodLimit::new(RATES);
        let now = Instant::now();
        let sites = u32::try_from(MAX_BUCKETS).expect("a number");
        assert!((0..sites).all(|site| limit.passes(&line(site), None, None, now)));
        // No bucket is full again, so these share one.
        let more = (sites..sites + 100).filter(|site| limit.passes(&line(*site), None, None, now)).count();
        assert_eq!(more, 20);
        assert!(limit.lock().len() <= MAX_BUCKETS + 1);
        let later = now + Duration::from_secs(10);
        assert!(limit.passes(&line(sites), None, None, later));
        assert!(limit.lock().len() < 3, "full buckets are removed");
    }
}
