//! The output of spans. The SDK batches them; they are serialised as OTLP and discarded.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use opentelemetry::{global, trace::TracerProvider as _};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    propagation::TraceContextPropagator,
    trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, SpanData},
};

use super::Collector;
use crate::settings::Share;

pub(in crate::settings::peers) struct Spans {
    provider: SdkTracerProvider,
    exported: Arc<AtomicU64>,
    share: Share,
}

impl Spans {
    /// Starts the export, and makes its provider the global one. The share decides what is sampled,
    /// not the callers.
    pub(in crate::settings::peers) fn start(share: Share) -> Self {
        let otlp = SpanExporter::builder().with_http().with_http_client(Collector).build();
        let exported = Arc::default();
        let exporter =
            Counting { otlp: otlp.expect("the settings are right"), exported: Arc::clone(&exported) };
        // The queue is large enough for all spans, so none is dropped.
        let batches = BatchConfigBuilder::default().with_max_queue_size(100_000).build();
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        let sampler = match share {
            Share::None => Sampler::AlwaysOff,
            Share::OnePercent | Share::Undelivered => Sampler::TraceIdRatioBased(0.01),
            Share::All => Sampler::AlwaysOn,
        };
        let provider =
            SdkTracerProvider::builder().with_span_processor(processor).with_sampler(sampler).build();
        global::set_tracer_provider(provider.clone());
        global::set_text_map_propagator(TraceContextPropagator::new());
        Self { provider, exported, share }
    }

    pub(in crate::settings::peers) fn tracer(&self) -> SdkTracer {
        self.provider.tracer("bench")
    }

    pub(in crate::settings::peers) fn check(self, requests: u64) {
        self.provider.shutdown().expect("the last spans are exported");
        self.share.check(requests, self.exported.load(Relaxed));
    }
}

#[derive(Debug)]
struct Counting {
    otlp: SpanExporter,
    exported: Arc<AtomicU64>,
}

impl opentelemetry_sdk::trace::SpanExporter for Counting {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        self.otlp.export(batch).await?;
        self.exported.fetch_add(spans, Relaxed);
        Ok(())
    }
}
