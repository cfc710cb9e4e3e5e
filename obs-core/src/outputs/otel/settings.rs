//! Settings of the spans and of their export, from code.

use std::{any::Any, path::PathBuf, sync::Arc, time::Duration};

use opentelemetry_sdk::{
    Resource,
    resource::TelemetryResourceDetector,
    trace::{Sampler, SdkTracerProvider, ShouldSample, SpanLimits},
};

use super::{
    attributes::{Attributes as _, KeyValues},
    ids::Ids,
    outlet,
    pipeline::Pipeline,
    queue::{self, Handing, SpanQueueLimits},
    sampling::PlainSampler,
    tracing::{SCOPE, Tracing},
};
use crate::{
    base::build_error::BuildError,
    extension::internal_metrics::InternalMetrics,
    outputs::otlp::{
        client::CollectorClient,
        envelope::{Attribute, Envelope},
        export::Export,
        resource,
        signal::TRACES,
    },
    record::service::Service,
};

/// How spans are made and exported, for [`ObserverBuilder::otel`](crate::ObserverBuilder::otel).
///
/// Over OTLP with HTTP and binary protobuf, by a thread of its own, whatever runtime the service has. The environment wins: see
/// `docs/opentelemetry.md` for its variables.
///
/// ```
/// use obs_core::{Observer, otel::Otel};
///
/// let otel = Otel::new()
///     .endpoint("http://collector:4318")
///     .header("x-tenant", "shop")
///     .gzip(true)
///     .sample_rate(0.1)
///     .resource_attribute("cloud.region", "eu-1");
/// let observer = Observer::builder("shop").otel(otel).build()?;
/// # Ok::<(), obs_core::BuildError>(())
/// ```
///
/// With a `TracerProvider` of the application's own, that one samples and exports:
///
/// ```
/// use obs_core::{Observer, otel::opentelemetry_sdk::trace::SdkTracerProvider};
///
/// let provider = SdkTracerProvider::builder().build();
/// let observer = Observer::builder("shop").otel(provider.clone()).build()?;
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "it does nothing until an observer is built with it"]
pub struct Otel {
    pub(super) provider: Option<SdkTracerProvider>,
    pub(super) export: Export,
    pub(super) sampler: Option<Chosen>,
    sample_rate: Option<f64>,
    pub(super) resource: Vec<(String, String)>,
    pub(super) span_limits: SpanLimits,
    pub(super) limits: SpanQueueLimits,
    pub(super) environment: bool,
}

/// Who decides which requests are recorded.
#[derive(Clone, Debug)]
pub(super) enum Chosen {
    Plain(PlainSampler),
    /// It may look at attributes.
    Other(Box<dyn ShouldSample>),
}

impl From<SdkTracerProvider> for Otel {
    fn from(provider: SdkTracerProvider) -> Self {
        Self { provider: Some(provider), ..Self::default() }
    }
}

impl Otel {
    /// Everything is exported to `http://localhost:4318`; a trace that a caller has begun only if the caller records it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where the collector takes OTLP over HTTP: `/v1/traces` is put behind it. `http://localhost:4318` by default.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.export.endpoint = Some(url.into());
        self
    }

    /// Where it takes spans, exactly so.
    pub fn traces_endpoint(mut self, url: impl Into<String>) -> Self {
        self.export.signal_endpoint = Some(url.into());
        self
    }

    /// One more header of each export: for a token, a tenant.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.export.headers.push((name.into(), value.into()));
        self
    }

    /// How long one try to export may take. 10 s by default.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.export.timeout = Some(timeout);
        self
    }

    /// Whether what is exported is compressed. Off by default.
    pub const fn gzip(mut self, compress: bool) -> Self {
        self.export.gzip = compress;
        self
    }

    /// The certificates (PEM) that sign the collector's, in place of the system's roots.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.export.ca_file = Some(path.into());
        self
    }

    /// The certificate and the key (PEM) by which the collector knows this service.
    pub fn client_certificate(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        (self.export.client_certificate, self.export.client_key) =
            (Some(certificate.into()), Some(key.into()));
        self
    }

    /// The share of the traces that begin here which is recorded, from 0 to 1; one that a caller has begun follows its caller.
    pub fn sample_rate(mut self, rate: f64) -> Self {
        self.sample_rate = Some(rate);
        self.plain(PlainSampler::parent_based(Sampler::TraceIdRatioBased(rate)))
    }

    /// Decides which requests are recorded. It sees what the conventions want it to see: method, path, addresses, user agent.
    pub fn sampler(mut self, sampler: impl ShouldSample + 'static) -> Self {
        // These three of the SDK's look at nothing; what stands below a parent-based one is hidden.
        self.sampler = Some(match (&sampler as &dyn Any).downcast_ref() {
            Some(root @ (Sampler::AlwaysOn | Sampler::AlwaysOff | Sampler::TraceIdRatioBased(_))) => {
                Chosen::Plain(PlainSampler::always(root.clone()))
            }
            _ => Chosen::Other(Box::new(sampler)),
        });
        self
    }

    pub(super) fn plain(mut self, sampler: PlainSampler) -> Self {
        self.sampler = Some(Chosen::Plain(sampler));
        self
    }

    /// One more attribute of the resource, beside the service, the host, the process, the container and Kubernetes' names.
    pub fn resource_attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.resource.push((name.into(), value.into()));
        self
    }

    /// How many spans may wait to be exported, and how many bytes they may take, about: what is above one of them is dropped and counted.
    /// 2,048 and 8 MiB by default.
    pub const fn queue(mut self, spans: usize, bytes: usize) -> Self {
        (self.limits.spans, self.limits.bytes) = (spans, bytes);
        self
    }

    /// How long a span waits for others, and how many are exported at once. 5 s and 512 by default.
    pub const fn batch(mut self, delay: Duration, spans: usize) -> Self {
        (self.limits.delay, self.limits.batch) = (delay, spans);
        self
    }

    /// Checks the settings and starts what exports.
    pub(crate) fn build(self, service: &Service, own: &InternalMetrics) -> Result<Tracing, BuildError> {
        if let Some(provider) = self.provider {
            return Ok(Tracing::foreign(provider, own));
        }
        if let Some(rate) = self.sample_rate.filter(|rate| !(0.0..=1.0).contains(rate)) {
            return Err(wrong("sample_rate", rate.to_string(), "a number between 0 and 1"));
        }
        let target = Export { proxy: self.environment, ..self.export }.target(&TRACES)?;
        // The SDK's own attributes, as they are found.
        let sdk = Resource::builder_empty().with_detector(Box::new(TelemetryResourceDetector)).build();
        let sdk = sdk.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        let resource = resource::detect(service, self.environment, sdk.chain(self.resource));
        let queue = Arc::new(queue::new(self.limits.checked()?, own));
        let waiting = Arc::downgrade(&queue);
        own.gauge("obs_spans_queued", "Spans that wait to be exported.", &[], move || {
            waiting.upgrade().map_or(0, |queue| queue.waiting())
        });
        let everything = || Chosen::Plain(PlainSampler::parent_based(Sampler::AlwaysOn));
        let (plain, sampler) = match self.sampler.unwrap_or_else(everything) {
            Chosen::Plain(plain) => (Some(plain.clone()), Box::new(plain.into_sampler()) as _),
            Chosen::Other(sampler) => (None, sampler),
        };
        let envelope = Envelope::new(&resource, &SCOPE);
        let worker =
            outlet::start(Arc::clone(&queue), CollectorClient::new(target), envelope).map_err(|error| {
                wrong("otel", error.to_string(), "a system that has room for one more thread")
            })?;
        let provider = SdkTracerProvider::builder()
            .with_resource(sdk_resource(&resource))
            .with_sampler(sampler)
            .with_id_generator(Ids)
            .with_span_limits(self.span_limits)
            .with_span_processor(Handing(Arc::clone(&queue)))
            .build();
        Ok(Tracing::own(
            provider,
            Pipeline { queue, _worker: worker, limits: self.span_limits, sampler: plain },
            own,
        ))
    }
}

/// The resource as the SDK has it.
fn sdk_resource(attributes: &[Attribute]) -> Resource {
    let mut all = Vec::with_capacity(attributes.len());
    let mut add = KeyValues(|attribute| all.push(attribute));
    attributes.iter().for_each(|(name, value)| add.field(name, value));
    Resource::builder_empty().with_attributes(all).build()
}

impl SpanQueueLimits {
    fn checked(self) -> Result<Self, BuildError> {
        if self.spans == 0 || self.bytes == 0 {
            let value = format!("{}, {}", self.spans, self.bytes);
            return Err(wrong("queue", value, "room for one span at least"));
        }
        if self.batch == 0 || self.batch > self.spans {
            return Err(wrong("batch", self.batch.to_string(), "between 1 and as many spans as may wait"));
        }
        Ok(self)
    }
}

const fn wrong(setting: &'static str, value: String, expected: &'static str) -> BuildError {
    BuildError { setting, value, expected }
}
