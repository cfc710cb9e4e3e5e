//! The output of OpenTelemetry's metrics. They are serialised as OTLP every minute and at the end,
//! and discarded.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use opentelemetry::global;
use opentelemetry_otlp::{MetricExporter, WithHttpConfig as _};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{
        SdkMeterProvider, Temporality,
        data::{AggregatedMetrics, MetricData, ResourceMetrics},
        exporter::PushMetricExporter,
    },
};

use super::Collector;

pub(in crate::settings::peers) struct Metrics {
    provider: SdkMeterProvider,
    requests: Arc<AtomicU64>,
}

impl Metrics {
    /// Starts the export, and makes its provider the global one.
    pub(in crate::settings::peers) fn start() -> Self {
        let otlp = MetricExporter::builder().with_http().with_http_client(Collector).build();
        let requests = Arc::default();
        let exporter =
            Counting { otlp: otlp.expect("the settings are right"), requests: Arc::clone(&requests) };
        let provider = SdkMeterProvider::builder().with_periodic_exporter(exporter).build();
        global::set_meter_provider(provider.clone());
        Self { provider, requests }
    }

    pub(in crate::settings::peers) fn check(self, requests: u64) {
        self.provider.shutdown().expect("the last metrics are exported");
        assert_eq!(self.requests.load(Relaxed), requests, "not every request is in the metrics");
    }
}

struct Counting {
    otlp: MetricExporter,
    /// The number of requests in the last export.
    requests: Arc<AtomicU64>,
}

impl PushMetricExporter for Counting {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.otlp.export(metrics).await?;
        self.requests.store(counted(metrics), Relaxed);
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.otlp.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.otlp.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.otlp.temporality()
    }
}

/// The number of requests that have a duration.
fn counted(metrics: &ResourceMetrics) -> u64 {
    let metrics = metrics.scope_metrics().flat_map(|scope| scope.metrics());
    metrics
        .filter(|metric| metric.name() == "http.server.request.duration")
        .filter_map(|metric| match metric.data() {
            AggregatedMetrics::F64(MetricData::Histogram(histogram)) => Some(histogram),
            _ => None,
        })
        .flat_map(|histogram| histogram.data_points().map(|point| point.count()))
        .sum()
}
