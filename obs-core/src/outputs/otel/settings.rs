//! Settings of the spans and of their export, from code.

use std::{any::Any, path::PathBuf, sync::Arc, time::Duration};

use opentelemetry::KeyValue;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, ShouldSample, SpanLimits};

use super::{
    batch::Envelope,
    exporter,
    http::{Client, Target, Tls},
    ids::Ids,
    pipeline::Pipeline,
    queue::{Handing, Limits, Queue},
    resource,
    sampling::PlainSampler,
    tracing::{self, Tracing},
    url::{below, is_url, shown},
};
use crate::{
    base::{build_error::BuildError, text::percent_decoded},
    extension::internal_metrics::InternalMetrics,
    record::service::Service,
};

/// Where OTLP over HTTP goes by default.
pub(super) const DEFAULT_ENDPOINT: &str = "http://localhost:4318";

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
    pub(super) endpoint: Option<String>,
    pub(super) traces_endpoint: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) timeout: Option<Duration>,
    pub(super) gzip: bool,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) client_certificate: Option<PathBuf>,
    pub(super) client_key: Option<PathBuf>,
    pub(super) sampler: Option<Chosen>,
    sample_rate: Option<f64>,
    pub(super) resource: Vec<KeyValue>,
    pub(super) span_limits: SpanLimits,
    pub(super) limits: Limits,
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
        self.endpoint = Some(url.into());
        self
    }

    /// Where it takes spans, exactly so.
    pub fn traces_endpoint(mut self, url: impl Into<String>) -> Self {
        self.traces_endpoint = Some(url.into());
        self
    }

    /// One more header of each export: for a token, a tenant.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// How long one try to export may take. 10 s by default.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Whether what is exported is compressed. Off by default.
    pub const fn gzip(mut self, compress: bool) -> Self {
        self.gzip = compress;
        self
    }

    /// The certificates (PEM) that sign the collector's, in place of the system's roots.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// The certificate and the key (PEM) by which the collector knows this service.
    pub fn client_certificate(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        (self.client_certificate, self.client_key) = (Some(certificate.into()), Some(key.into()));
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
        self.resource.push(KeyValue::new(name.into(), value.into()));
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
        let target = self.target()?;
        let resource = resource::detect(service, self.environment, self.resource);
        let queue = Arc::new(Queue::new(self.limits.checked()?, own));
        let waiting = Arc::downgrade(&queue);
        own.gauge("obs_spans_queued", "Spans that wait to be exported.", &[], move || {
            waiting.upgrade().map_or(0, |queue| queue.waiting())
        });
        let everything = || Chosen::Plain(PlainSampler::parent_based(Sampler::AlwaysOn));
        let (plain, sampler) = match self.sampler.unwrap_or_else(everything) {
            Chosen::Plain(plain) => (Some(plain.clone()), Box::new(plain.into_sampler()) as _),
            Chosen::Other(sampler) => (None, sampler),
        };
        let envelope = Envelope::new((&resource).into(), &tracing::scope());
        exporter::start(Arc::clone(&queue), Client::new(target), envelope).map_err(|error| {
            wrong("otel", error.to_string(), "a system that has room for one more thread")
        })?;
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(sampler)
            .with_id_generator(Ids)
            .with_span_limits(self.span_limits)
            .with_span_processor(Handing(Arc::clone(&queue)))
            .build();
        Ok(Tracing::own(provider, Pipeline { queue, limits: self.span_limits, sampler: plain }, own))
    }

    fn target(&self) -> Result<Target, BuildError> {
        let url = match (&self.traces_endpoint, &self.endpoint) {
            (Some(url), _) => checked_url("traces_endpoint", url)?,
            (None, Some(url)) => below(&checked_url("endpoint", url)?),
            (None, None) => below(DEFAULT_ENDPOINT),
        };
        for (name, value) in &self.headers {
            let valid = ureq::http::HeaderName::try_from(name).is_ok()
                && ureq::http::HeaderValue::try_from(value).is_ok();
            if !valid {
                return Err(wrong("header", name.clone(), "the name and the value of a header"));
            }
        }
        let read = |setting, path: &PathBuf| {
            std::fs::read(path).map_err(|error| {
                wrong(setting, format!("{}: {error}", path.display()), "a file that can be read")
            })
        };
        let mut tls = Tls::default();
        if let Some(path) = &self.ca_file {
            let certificates = Tls::certificates(&read("ca_file", path)?);
            let missing = || wrong("ca_file", path.display().to_string(), "a file with certificates in PEM");
            tls.ca = Some(certificates.ok_or_else(missing)?);
        }
        if let Some((certificate, key)) = self.client_certificate.as_ref().zip(self.client_key.as_ref()) {
            let identity =
                Tls::identity(&read("client_certificate", certificate)?, &read("client_certificate", key)?);
            let missing = || {
                let value = format!("{}, {}", certificate.display(), key.display());
                wrong(
                    "client_certificate",
                    value,
                    "a file with certificates and one with their key, both in PEM",
                )
            };
            tls.client = Some(identity.ok_or_else(missing)?);
        }
        Ok(Target {
            url,
            headers: self.headers.clone(),
            timeout: self.timeout.unwrap_or(Duration::from_secs(10)),
            gzip: self.gzip,
            tls,
            proxy: self.environment,
        })
    }
}

impl Limits {
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

fn checked_url(setting: &'static str, url: &str) -> Result<String, BuildError> {
    let url = url.trim();
    if is_url(url) {
        return Ok(url.to_owned());
    }
    Err(wrong(setting, shown(url), "a URL such as `http://collector:4318`"))
}

pub(super) const fn wrong(setting: &'static str, value: String, expected: &'static str) -> BuildError {
    BuildError { setting, value, expected }
}

/// `key=value` with commas between them, percent-encoded.
pub(super) fn pairs(list: &str) -> impl Iterator<Item = Option<(String, String)>> {
    let members = list.split(',').map(str::trim).filter(|member| !member.is_empty());
    members.map(|member| {
        let (name, value) = member.split_once('=')?;
        Some((name.trim().to_owned(), percent_decoded(value.trim()).into_owned()))
    })
}
