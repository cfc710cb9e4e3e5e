//! Spans that have ended and wait to be exported: bounded in number and bytes, for a thread that does not wake for each.

use std::{
    mem,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use opentelemetry::Context;
use opentelemetry_sdk::{
    error::{OTelSdkError, OTelSdkResult},
    trace::{Span, SpanData, SpanProcessor},
};

use super::{FLUSH, waiting::Waiting};
use crate::{
    base::{counter::Counter, diagnostics},
    extension::internal_metrics::InternalMetrics,
};

/// About how many bytes of spans a batch has at most: it is encoded and compressed beside those that wait.
const BATCH_BYTES: usize = 2 * 1024 * 1024;

/// Who waits longer waits for ever.
const LONGEST_FLUSH: Duration = Duration::from_secs(365 * 24 * 3600);

/// How much may wait, and how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) spans: usize,
    pub(super) bytes: usize,
    /// How many are exported at once.
    pub(super) batch: usize,
    /// How long the first of them waits for others.
    pub(super) delay: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { spans: 2048, bytes: 8 * 1024 * 1024, batch: 512, delay: Duration::from_secs(5) }
    }
}

#[derive(Default)]
struct State {
    spans: Vec<Waiting>,
    bytes: usize,
    /// When the first of them has come.
    since: Option<Instant>,
    /// The thread sleeps until it is woken.
    parked: bool,
    /// Spans that have come, that are done with, and those of them that were lost.
    pushed: u64,
    settled: u64,
    lost: u64,
    /// Somebody waits until then, and until so many are done with.
    flush: Option<(Instant, u64)>,
    closed: bool,
}

impl State {
    /// Until when somebody waits for spans that are not done with.
    fn flush_until(&self, now: Instant) -> Option<Instant> {
        self.flush.filter(|(until, all)| now < *until && self.settled < *all).map(|(until, _)| until)
    }
}

pub(super) struct Queue {
    limits: Limits,
    state: Mutex<State>,
    /// For the thread.
    wake: Condvar,
    /// For those who flush.
    done: Condvar,
    exported: Arc<Counter>,
    overflowed: Arc<Counter>,
    failed: Arc<Counter>,
    rejected: Arc<Counter>,
    late: Arc<Counter>,
    warned: AtomicBool,
}

impl Queue {
    pub(super) fn new(limits: Limits, own: &InternalMetrics) -> Self {
        let dropped = |reason: &'static str| {
            let help = "Spans that were lost, by reason.";
            own.counter("obs_spans_dropped_total", help, &[("reason", reason.into())])
        };
        Self {
            limits,
            state: Mutex::default(),
            wake: Condvar::new(),
            done: Condvar::new(),
            exported: own.counter("obs_spans_exported_total", "Spans that the collector has taken.", &[]),
            overflowed: dropped("queue_full"),
            failed: dropped("export_failed"),
            rejected: dropped("rejected"),
            late: dropped("shut_down"),
            warned: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, waiting: Waiting) {
        let mut state = self.lock();
        if state.closed {
            drop(state);
            return self.late.add(1);
        }
        let full = state.spans.len() >= self.limits.spans
            || state.bytes.saturating_add(waiting.bytes) > self.limits.bytes;
        if full {
            drop(state);
            self.overflowed.add(1);
            if !self.warned.swap(true, Ordering::Relaxed) {
                diagnostics::warn(format_args!(
                    "more spans end than can be exported, so some are lost; they are counted in `obs_spans_dropped_total`"
                ));
            }
            return;
        }
        state.bytes = state.bytes.saturating_add(waiting.bytes);
        state.pushed = state.pushed.saturating_add(1);
        state.since.get_or_insert_with(Instant::now);
        state.spans.push(waiting);
        let wake = mem::take(&mut state.parked) || state.spans.len() == self.limits.batch;
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }

    /// Waits for the next batch; `None` if there will be no other.
    pub(super) fn next(&self) -> Option<Vec<Waiting>> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let hurry = state.closed || state.flush_until(now).is_some();
            match state.since {
                None if state.closed => return None,
                None => {
                    state.parked = true;
                    state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                    state.parked = false;
                }
                Some(since) => {
                    let left = self.limits.delay.saturating_sub(now.saturating_duration_since(since));
                    if hurry || left.is_zero() || state.spans.len() >= self.limits.batch {
                        break;
                    }
                    state = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
        Some(self.take(&mut state))
    }

    /// The first of them, as many as one batch may have.
    fn take(&self, state: &mut State) -> Vec<Waiting> {
        let mut bytes = 0_usize;
        let fits = |waiting: &&Waiting| {
            bytes = bytes.saturating_add(waiting.bytes);
            bytes <= BATCH_BYTES
        };
        let count = state.spans.iter().take(self.limits.batch).take_while(fits).count().max(1);
        let batch = if count >= state.spans.len() {
            // Room for as many, so that it does not grow while requests wait for the lock.
            let room = Vec::with_capacity(state.spans.len());
            mem::replace(&mut state.spans, room)
        } else {
            state.spans.drain(..count).collect()
        };
        let taken = batch.iter().map(|waiting| waiting.bytes).sum();
        state.bytes = state.bytes.saturating_sub(taken);
        state.since = (!state.spans.is_empty()).then(Instant::now);
        batch
    }

    /// Waits before the next try, as long as it is said or, if somebody flushes, at most half of the time that is left. `false` if
    /// there is none.
    pub(super) fn pause(&self, wanted: Duration) -> bool {
        const LEAST: Duration = Duration::from_millis(50);
        let started = Instant::now();
        let mut state = self.lock();
        loop {
            if state.closed {
                return false;
            }
            let now = Instant::now();
            let until = match state.flush_until(now) {
                Some(flush) => {
                    let half = flush.saturating_duration_since(started) / 2;
                    started.checked_add(wanted.min(half.max(LEAST)))
                }
                None => started.checked_add(wanted),
            };
            let left = until.map_or(wanted, |until| until.saturating_duration_since(now));
            if left.is_zero() {
                return true;
            }
            state = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// How long a try may take: no longer than those who flush wait.
    pub(super) fn patience(&self, wanted: Duration) -> Duration {
        let now = Instant::now();
        let flush = self.lock().flush_until(now);
        flush.map_or(wanted, |until| wanted.min(until.saturating_duration_since(now)))
    }

    /// So many spans are done with: the collector has taken some, rejected some, and the others could not be exported.
    pub(super) fn settle(&self, exported: u64, rejected: u64, failed: u64) {
        self.exported.add(exported);
        self.rejected.add(rejected);
        self.failed.add(failed);
        let mut state = self.lock();
        let lost = rejected.saturating_add(failed);
        state.settled = state.settled.saturating_add(exported).saturating_add(lost);
        state.lost = state.lost.saturating_add(lost);
        drop(state);
        self.done.notify_all();
    }

    /// Exports what has come so far; `false` if something was left when the time was over, or was lost.
    pub(super) fn flush(&self, deadline: Duration) -> bool {
        let now = Instant::now();
        let until = now.checked_add(deadline.min(LONGEST_FLUSH)).unwrap_or(now);
        let mut state = self.lock();
        let (all, lost) = (state.pushed, state.lost);
        if state.settled >= all {
            return true;
        }
        // Of two that wait, the later one's patience and its spans count for both.
        state.flush = Some(match state.flush {
            Some((other, _)) if state.flush_until(now).is_some() => (other.max(until), all),
            _ => (until, all),
        });
        self.wake.notify_one();
        while state.settled < all {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.lost == lost
    }

    /// Nothing comes any more: the thread tries once more what is there, and ends.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
    }

    /// What waits now.
    pub(super) fn waiting(&self) -> u64 {
        let state = self.lock();
        state.pushed.saturating_sub(state.settled)
    }

    pub(super) fn exported_and_dropped(&self) -> (u64, u64) {
        let dropped = [&self.overflowed, &self.failed, &self.rejected, &self.late];
        (self.exported.get(), dropped.iter().map(|counter| counter.get()).sum())
    }
}

/// The way from the SDK into the queue.
pub(super) struct Handing(pub(super) Arc<Queue>);

impl std::fmt::Debug for Handing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handing").field("waiting", &self.0.waiting()).finish()
    }
}

impl SpanProcessor for Handing {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.0.push(Waiting::new(span));
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        if self.0.flush(FLUSH) { Ok(()) } else { Err(OTelSdkError::Timeout(FLUSH)) }
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        if self.0.lock().closed {
            return Ok(());
        }
        let flushed = self.0.flush(timeout);
        self.0.close();
        if flushed { Ok(()) } else { Err(OTelSdkError::Timeout(timeout)) }
    }
}

#[cfg(all(test, not(obs_loom)))]
mod tests {
    use std::{thread, time::SystemTime};

    use opentelemetry::{
        InstrumentationScope, KeyValue,
        trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
    };
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};

    use super::*;

    fn queue(limits: Limits) -> Arc<Queue> {
        Arc::new(Queue::new(limits, &InternalMetrics::default()))
    }

    fn span(bytes: usize) -> SpanData {
        let (trace, span) = (TraceId::from(1), SpanId::from(1));
        SpanData {
            span_context: SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Server,
            name: "GET".into(),
            start_time: SystemTime::now(),
            end_time: SystemTime::now(),
            attributes: vec![KeyValue::new("text", "x".repeat(bytes))],
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::default(),
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn batches_are_bounded_in_number_and_bytes_and_come_in_order() {
        let queue = queue(Limits { spans: 100, bytes: 1 << 30, batch: 4, delay: HOUR });
        for bytes in [0, 0, 0, 0, BATCH_BYTES, 1, BATCH_BYTES / 2, BATCH_BYTES / 2] {
            queue.push(Waiting::new(span(bytes)));
        }
        queue.close();
        let sizes: Vec<_> = std::iter::from_fn(|| queue.next()).map(|batch| batch.len()).collect();
        assert_eq!(sizes, [4, 1, 2, 1], "one that is too large goes alone");
        queue.push(Waiting::new(span(0)));
        assert_eq!((queue.late.get(), queue.lock().bytes), (1, 0));
    }

    #[test]
    fn a_flush_hurries_until_it_is_done() {
        let queue = queue(Limits { delay: HOUR, ..Limits::default() });
        queue.push(Waiting::new(span(0)));
        let flushing = Arc::clone(&queue);
        let flush = thread::spawn(move || flushing.flush(Duration::MAX));
        assert_eq!(queue.next().map(|batch| batch.len()), Some(1), "long before the hour is over");
        queue.settle(1, 0, 0);
        assert!(flush.join().expect("no panic"));
        assert_eq!(queue.lock().flush_until(Instant::now()), None);
        assert!(queue.flush(Duration::ZERO), "nothing is left");
        queue.push(Waiting::new(span(0)));
        assert!(!queue.flush(Duration::ZERO), "one is, and there is no time");
        queue.settle(0, 0, 1);
        assert_eq!(queue.exported_and_dropped(), (1, 1));
    }

    #[test]
    fn a_pause_ends_early_for_those_who_wait() {
        let queue = queue(Limits::default());
        queue.push(Waiting::new(span(0)));
        let pausing = Arc::clone(&queue);
        let pause = thread::spawn(move || pausing.pause(HOUR));
        while !pause.is_finished() {
            assert!(!queue.flush(Duration::from_millis(100)));
        }
        assert!(pause.join().expect("no panic"), "there is another try");
        queue.close();
        assert!(!queue.pause(HOUR), "nobody will send anything");
    }
}
