//! Exemplars: one example request per bucket, identified by its trace or its id.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    base::clock::{Moment, millis, nanos},
    record::{finished::Record, request_id::RequestId, start::Start},
    trace::ids::TraceId,
};

/// The time after which any request replaces the kept one.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// The limit of the names and values of an exemplar's labels together, in characters (OpenMetrics
/// 1.0, "Exemplars").
const MAX_LABELS: usize = 128;

const TRACE_ID: &str = "trace_id";
const REQUEST_ID: &str = "request_id";

/// A request that represents the others of its bucket.
#[derive(Clone, Debug)]
pub(crate) struct Exemplar {
    trace: Option<TraceId>,
    request: Option<RequestId>,
    /// The observed value in raw units.
    pub(crate) raw: u64,
    pub(crate) at: SystemTime,
}

impl Exemplar {
    /// Returns the exemplar of work, or `None` if neither its trace nor its id can be shown.
    fn of(start: &Start, is_quiet: bool, raw: u64, at: SystemTime) -> Option<Self> {
        // A trace cannot be looked up if it is not sampled, or if the request emits nothing.
        let traced = start.trace.flags.is_sampled() && !is_quiet;
        let trace = traced.then_some(start.trace.trace_id);
        let used = trace.map_or(0, |_| TRACE_ID.len().saturating_add(32));
        let fits =
            used.saturating_add(REQUEST_ID.len()).saturating_add(start.id.as_str().len()) <= MAX_LABELS;
        let id = fits.then(|| start.id.clone());
        (trace.is_some() || id.is_some()).then_some(Self { trace, request: id, raw, at })
    }

    /// Returns the names and values of its labels, none of which needs escaping.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (&'static str, String)> {
        let trace = self.trace.iter().map(|id| (TRACE_ID, id.to_string()));
        trace.chain(self.request.iter().map(|id| (REQUEST_ID, id.to_string())))
    }
}

/// The exemplars of one histogram, one per bucket, or of one counter.
#[derive(Debug)]
pub(crate) struct Exemplars(Box<[Slot]>);

/// A slot for one exemplar. The two numbers show without a lock if a request can replace it. Most
/// requests cannot.
#[derive(Debug, Default)]
struct Slot {
    rank: AtomicU64,
    /// Milliseconds since 1970.
    kept_at: AtomicU64,
    kept: Mutex<Option<Exemplar>>,
}

impl Slot {
    fn wants(&self, rank: u64, now: u64) -> bool {
        const KEPT: u64 = KEPT_FOR.as_millis() as u64;
        // It is also replaced if the clock was set back by this time.
        let expired = self.kept_at.load(Ordering::Relaxed).abs_diff(now) > KEPT;
        rank > self.rank.load(Ordering::Relaxed) || expired
    }

    #[inline(never)]
    fn keep(&self, rank: u64, now: u64, exemplar: impl FnOnce() -> Option<Exemplar>) {
        let Ok(mut kept) = self.kept.try_lock() else { return };
        // Another thread may have replaced it in the meantime.
        if !self.wants(rank, now) {
            return;
        }
        if let Some(exemplar) = exemplar() {
            *kept = Some(exemplar);
            self.rank.store(rank, Ordering::Relaxed);
            self.kept_at.store(now, Ordering::Relaxed);
        }
    }
}

impl Exemplars {
    pub(crate) fn new(slots: usize) -> Self {
        Self((0..slots).map(|_| Slot::default()).collect())
    }

    /// Offers a request as exemplar. Errors take precedence, then requests whose trace is recorded,
    /// then slower requests. After a minute, any request replaces the kept one.
    ///
    /// It never waits: while another thread reads or writes the slot, the offer is ignored.
    pub(crate) fn offer(&self, slot: usize, failed: bool, record: &Record, raw: u64) {
        let Some(slot) = self.0.get(slot) else { return };
        let now = millis(record.start().since_1970).saturating_add(millis(record.duration));
        let sampled = record.start().trace.flags.is_sampled();
        // The duration loses its two lowest bits to the two flags that take precedence.
        let rank = (u64::from(failed) << 63) | (u64::from(sampled) << 62) | (nanos(record.duration) >> 2);
        if slot.wants(rank, now) {
            slot.keep(rank, now, || {
                let at = record.start().started_at().checked_add(record.duration).unwrap_or(UNIX_EPOCH);
                Exemplar::of(record.start(), record.is_quiet(), raw, at)
            });
        }
    }

    /// Offers work that still runs as exemplar of a value that was measured now.
    pub(super) fn offer_of_work(&self, slot: usize, start: &Start, raw: u64) {
        let Some(slot) = self.0.get(slot) else { return };
        let now = Moment::now().since_1970;
        let rank = (u64::from(start.trace.flags.is_sampled()) << 62) | (raw >> 2);
        if slot.wants(rank, millis(now)) {
            let at = UNIX_EPOCH.checked_add(now).unwrap_or(UNIX_EPOCH);
            slot.keep(rank, millis(now), || Exemplar::of(start, false, raw, at));
        }
    }

    /// Calls `f` with the number and the exemplar of each slot that has one.
    pub(crate) fn each(&self, f: &mut dyn FnMut(usize, &Exemplar)) {
        for (number, slot) in self.0.iter().enumerate() {
            // Most slots never had an exemplar, so they need no lock.
            if slot.kept_at.load(Ordering::Relaxed) == 0 {
                continue;
            }
            if let Some(kept) = &*slot.kept.lock().unwrap_or_else(PoisonError::into_inner) {
                f(number, kept);
            }
        }
    }

    /// Returns the exemplar of each slot.
    #[cfg(test)]
    fn snapshot(&self) -> Vec<Option<Exemplar>> {
        let mut kept = vec![None; self.0.len()];
        self.each(&mut |number, exemplar| kept[number] = Some(exemplar.clone()));
        kept
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::{
        http::{head::RequestHead, headers::HeaderLookup},
        observer::Observer,
        outputs::records::Records,
        record::outcome::Outcome,
    };

    struct Headers(Vec<(&'static str, String)>);
    impl HeaderLookup for Headers {
        fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
            self.0.iter().filter(|(n, _)| *n == name).for_each(|(_, value)| f(value.as_bytes()));
        }
    }

    fn record(id: &str, sampled: bool, status: u16, duration: Duration) -> Record {
        let (send, records) = mpsc::channel();
        let observer = Observer::builder("test").no_environment().sink(Records(send)).build().expect("valid");
        let flags = u8::from(sampled);
        let headers = Headers(vec![
            ("x-request-id", id.to_owned()),
            ("traceparent", format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0{flags}")),
        ]);
        let mut observation = observer.start(&RequestHead::new("GET", "/", &headers));
        observation.responded(status, &());
        observation.finish(Outcome::Completed);
        let mut record = records.recv().expect("a record");
        record.duration = duration;
        record
    }

    fn ids(exemplars: &Exemplars) -> Vec<String> {
        let kept = exemplars.snapshot();
        kept.iter().flatten().filter_map(|e| e.request.as_ref().map(ToString::to_string)).collect()
    }

    #[test]
    fn errors_precede_slower_requests_and_exemplars_expire_after_a_minute() {
        let exemplars = Exemplars::new(1);
        let offer = |id, status, millis| {
            let record = record(id, true, status, Duration::from_millis(millis));
            exemplars.offer(0, record.error_type().is_some(), &record, millis);
            ids(&exemplars).remove(0)
        };
        assert_eq!(offer("first", 200, 20), "first");
        assert_eq!(offer("faster", 200, 10), "first");
        assert_eq!(offer("slower", 200, 30), "slower");
        assert_eq!(offer("error", 500, 1), "error");
        assert_eq!(offer("much-slower", 200, 40_000), "error");
        assert_eq!(offer("slower-error", 500, 2), "slower-error");
        // This request ends two minutes after one that started at the same time and ended at once.
        assert_eq!(offer("a-minute-later", 200, 120_000), "a-minute-later");
    }

    #[test]
    fn labels_are_bounded_and_unsampled_traces_are_not_shown() {
        let labels = |id: &str, sampled| {
            let exemplars = Exemplars::new(1);
            exemplars.offer(0, false, &record(id, sampled, 200, Duration::ZERO), 0);
            let kept = exemplars.snapshot().remove(0)?;
            let labels: Vec<_> = kept.labels().collect();
            assert!(labels.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() <= MAX_LABELS);
            Some(labels.into_iter().map(|(name, _)| name).collect::<Vec<_>>())
        };
        let (fits, long) = ("i".repeat(78), "i".repeat(79));
        assert_eq!(labels(&fits, true), Some(vec![TRACE_ID, REQUEST_ID]));
        assert_eq!(labels(&long, true), Some(vec![TRACE_ID]));
        assert_eq!(labels(&long, false), Some(vec![REQUEST_ID]));
        assert_eq!(labels(&"i".repeat(128), false), None);
    }

    #[test]
    fn labels_value_and_time_belong_to_one_request() {
        let exemplars = Exemplars::new(1);
        let records: Vec<_> =
            (1..=64_u64).map(|n| (n, record(&n.to_string(), true, 200, Duration::from_millis(n)))).collect();
        std::thread::scope(|scope| {
            for half in records.chunks(16) {
                let exemplars = &exemplars;
                scope
                    .spawn(move || half.iter().for_each(|(n, record)| exemplars.offer(0, false, record, *n)));
            }
            for _ in 0..1_000 {
                for kept in exemplars.snapshot().into_iter().flatten() {
                    let (n, record) = &records[usize::try_from(kept.raw).expect("small") - 1];
                    assert_eq!(kept.request.expect("an id").to_string(), n.to_string());
                    assert_eq!(kept.at, record.start().started_at() + record.duration);
                }
            }
        });
    }
}
