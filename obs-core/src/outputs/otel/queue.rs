//! The queue of ended spans that wait for the export.

use std::{sync::Arc, time::Duration};

use opentelemetry::Context;
use opentelemetry_sdk::{
    error::{OTelSdkError, OTelSdkResult},
    trace::{Span, SpanData, SpanProcessor},
};

use super::{FLUSH, waiting::Waiting};
use crate::{
    extension::internal_metrics::InternalMetrics,
    outputs::delivery::{
        items::ItemStore,
        queue::{
            Queue,
            counts::DeliveryCounts,
            limits::{Pace, QueueBounds},
        },
    },
};

/// The metric that counts lost spans.
pub(super) const DROPPED: &str = "obs_spans_dropped_total";

/// The queue of the spans of one observer.
pub(super) type SpanQueue = Queue<ItemStore<Waiting>>;

/// The bounds of the queue, and the size of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct SpanQueueLimits {
    pub(super) spans: usize,
    pub(super) bytes: usize,
    /// The number of spans in one export.
    pub(super) batch: usize,
    /// The time for which the first span of a batch waits for others.
    pub(super) delay: Duration,
}

impl Default for SpanQueueLimits {
    fn default() -> Self {
        Self { spans: 2048, bytes: 8 * 1024 * 1024, batch: 512, delay: Duration::from_secs(5) }
    }
}

/// Creates the queue and its counters.
pub(super) fn new(limits: SpanQueueLimits, own: &InternalMetrics) -> SpanQueue {
    let dropped = |reason: &'static str| {
        own.counter(DROPPED, "Spans that were lost, by reason.", &[("reason", reason.into())])
    };
    let counts = DeliveryCounts {
        delivered: own.counter("obs_spans_exported_total", "Spans that the collector accepted.", &[]),
        full: dropped("queue_full"),
        failed: dropped("export_failed"),
        rejected: dropped("rejected"),
        closed: dropped("shut_down"),
    };
    let bounds = QueueBounds { entries: limits.spans, bytes: limits.bytes, patience: Duration::ZERO };
    // Spans may wait for seconds, so an idle worker sleeps until the first span wakes it, and not
    // until the next delay.
    let pace = Pace { delay: limits.delay, batch: limits.batch, park_after: Duration::ZERO };
    Queue::new(bounds, pace, counts)
}

/// A span processor that pushes the SDK's spans into the queue.
pub(super) struct Handing(pub(super) Arc<SpanQueue>);

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
        if self.0.is_closed() {
            return Ok(());
        }
        // The observer's shutdown has waited for these spans and reported them as lost.
        if self.0.is_given_up() {
            self.0.close();
            return Err(OTelSdkError::Timeout(Duration::ZERO));
        }
        let flushed = self.0.flush(timeout);
        self.0.close();
        if flushed { Ok(()) } else { Err(OTelSdkError::Timeout(timeout)) }
    }
}
