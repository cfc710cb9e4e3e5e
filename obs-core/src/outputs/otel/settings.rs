//! Settings of spans and of their export, as code sets them.

use std::{io, mem, path::PathBuf, sync::Arc, time::Duration};

use opentelemetry_sdk::{
    Resource,
    resource::TelemetryResourceDetector,
    trace::{SdkTracerProvider, ShouldSample, SpanLimits},
};

use super::{
    attributes::KeyValues,
    ids::Ids,
    outlet,
    pipeline::Pipeline,
    queue::{self, Handing, SpanQueueLimits},
    sampling::{BuiltInSampler, SamplerChoice},
    tracing::{SCOPE, Tracing},
};
use crate::{
    base::{build_error::BuildError, environment::Environment, settings::settings},
    extension::internal_metrics::InternalMetrics,
    outputs::{
        facts::attributes::Attributes as _,
        otlp::{
            client::CollectorClient,
            envelope::{Attribute, Envelope},
            export::Export,
            resource,
            signal::TRACES,
        },
    },
    record::service::Service,
    redact::Redactor,
};

settings! {
    /// Settings of spans and of their export, for
    /// [`ObserverBuilder::otel`](crate::ObserverBuilder::otel).
    ///
    /// Spans are exported over OTLP with HTTP and binary protobuf. A separate thread exports them,
    /// so any async runtime works. Environment variables take precedence: see
    /// `docs/opentelemetry.md`.
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
    /// An application can pass its own `TracerProvider`, which then samples and exports:
    ///
    /// ```
    /// use obs_core::{Observer, otel::opentelemetry_sdk::trace::SdkTracerProvider};
    ///
    /// let provider = SdkTracerProvider::builder().build();
    /// let observer = Observer::builder("shop").otel(provider.clone()).build()?;
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    #[derive(Clone, Debug)]
    #[must_use = "it does nothing until an observer is built with it"]
    pub struct Otel {
        pub(super) provider: Option<SdkTracerProvider>,
        pub(super) client_key: Option<PathBuf>,
    }

    pub(super) endpoint: Option<String> = None, "`http://localhost:4318`" {
        /// Sets the base URL of the collector for OTLP over HTTP. `/v1/traces` is appended.
        fn endpoint(mut self, url: impl Into<String>) { self.endpoint = Some(url.into()) }
        variable "OTEL_EXPORTER_OTLP_ENDPOINT": "spans are exported to this base URL of the collector";
        variable "OTEL_EXPORTER_OTLP_PROTOCOL":
            "`http/protobuf`; `grpc` causes a warning and changes port 4317 to 4318";
        valid "a URL such as `http://collector:4318`";
    }

    pub(super) traces_endpoint: Option<String> = None, "none" {
        /// Sets the exact URL for spans.
        fn traces_endpoint(mut self, url: impl Into<String>) { self.traces_endpoint = Some(url.into()) }
        variable "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "the exact URL; setting it enables the export";
        valid "a URL such as `http://collector:4318/v1/traces`";
    }

    pub(super) headers: Vec<(String, String)> = Vec::new(), "none" {
        /// Adds a header to each export, such as a token or a tenant.
        fn header(mut self, name: impl Into<String>, value: impl Into<String>) {
            self.headers.push((name.into(), value.into()));
        }
        variable "OTEL_EXPORTER_OTLP_HEADERS": "`name=value`, separated by commas and percent-encoded";
        valid "the name and the value of a header";
    }

    pub(super) timeout: Option<Duration> = None, "10 s" {
        /// Limits the time of one export attempt.
        fn timeout(mut self, timeout: Duration) { self.timeout = Some(timeout) }
        variable "OTEL_EXPORTER_OTLP_TIMEOUT": "milliseconds above 0";
        variable "OTEL_BSP_EXPORT_TIMEOUT": "milliseconds above 0, used if there is no other timeout";
    }

    pub(super) gzip: bool = false, "`false`" {
        /// Compresses the export.
        fn gzip(mut self, compress: bool) { self.gzip = compress }
        variable "OTEL_EXPORTER_OTLP_COMPRESSION": "`gzip` or `none`";
    }

    pub(super) ca_file: Option<PathBuf> = None, "the system's roots" {
        /// Sets the file with the certificates (PEM) of the authorities that sign the collector's
        /// certificate.
        fn ca_file(mut self, path: impl Into<PathBuf>) { self.ca_file = Some(path.into()) }
        variable "OTEL_EXPORTER_OTLP_CERTIFICATE": "a file with certificates in PEM";
        valid "a file with certificates in PEM";
    }

    pub(super) client_certificate: Option<PathBuf> = None, "none" {
        /// Sets the files with the certificate and the key (PEM) that authenticate this service to
        /// the collector.
        fn client_certificate(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) {
            (self.client_certificate, self.client_key) = (Some(certificate.into()), Some(key.into()));
        }
        variable "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "a file with certificates in PEM";
        variable "OTEL_EXPORTER_OTLP_CLIENT_KEY": "a file with their key in PEM";
        valid "a file with certificates and one with their key, both in PEM";
    }

    pub(super) sampler: Option<SamplerChoice> = None, "that of `sample_rate`" {
        /// Sets the sampler that decides which requests are recorded. It sees the attributes that
        /// the conventions require at the start: method, path, addresses and user agent.
        fn sampler(mut self, sampler: impl ShouldSample + 'static) {
            self.sampler = Some(SamplerChoice::new(sampler));
        }
        variable "OTEL_TRACES_SAMPLER":
            "`always_on`, `always_off`, `traceidratio`, each also with the prefix `parentbased_`";
    }

    sample_rate: Option<f64> = None, "1" {
        /// Sets the share of traces that are recorded, from 0 to 1. A trace that a caller started
        /// follows the caller's decision.
        fn sample_rate(mut self, rate: f64) {
            self.sample_rate = Some(rate);
            self.sampler = Some(SamplerChoice::BuiltIn(BuiltInSampler::share(rate).parent_based()));
        }
        variable "OTEL_TRACES_SAMPLER_ARG": "a number between 0 and 1, for the ratio samplers";
        valid each "a number between 0 and 1" if |rate| (0.0..=1.0).contains(rate);
    }

    pub(super) resource: Vec<(String, String)> = Vec::new(),
        "attributes of the service, host, process, container and Kubernetes pod" {
        /// Adds an attribute to the resource.
        fn resource_attribute(mut self, name: impl Into<String>, value: impl Into<String>) {
            self.resource.push((name.into(), value.into()));
        }
        variable "OTEL_RESOURCE_ATTRIBUTES": "all other keys become attributes of the resource";
    }

    pub(super) limits: SpanQueueLimits = SpanQueueLimits::default(), "2,048 spans and 8 MiB; 5 s and 512 spans" {
        /// Limits the spans that wait for the export, by number and by approximate bytes. Spans
        /// beyond the limits are dropped and counted.
        fn queue(mut self, spans: usize, bytes: usize) {
            (self.limits.spans, self.limits.bytes) = (spans, bytes);
        }
        /// Limits the time for which a span waits for others, and the number of spans in one
        /// export.
        fn batch(mut self, delay: Duration, spans: usize) {
            (self.limits.delay, self.limits.batch) = (delay, spans);
        }
        variable "OTEL_BSP_MAX_QUEUE_SIZE": "the limit of waiting spans, above 0";
        variable "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "the limit of spans in one export, above 0";
        variable "OTEL_BSP_SCHEDULE_DELAY": "the milliseconds for which a span waits for others";
        valid "room for at least one span, and a batch that is not larger than the queue";
    }

    pub(super) span_limits: SpanLimits = SpanLimits::default(), "at most 128 of each kind; values of any length" {
        variable "OTEL_ATTRIBUTE_COUNT_LIMIT": "the limit of attributes of a span, of an event and of a link";
        variable "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "the limit of attributes of a span";
        variable "OTEL_SPAN_EVENT_COUNT_LIMIT": "the limit of events of a span";
        variable "OTEL_SPAN_LINK_COUNT_LIMIT": "the limit of links of a span";
        variable "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": "the limit of attributes of an event of a span";
        variable "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": "the limit of attributes of a link";
        variable "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "ignored with a warning: values have no limit";
        variable "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "ignored with a warning: values have no limit";
    }
}

impl From<SdkTracerProvider> for Otel {
    fn from(provider: SdkTracerProvider) -> Self {
        Self { provider: Some(provider), ..Self::default() }
    }
}

impl Default for Otel {
    fn default() -> Self {
        Self::defaults(None, None)
    }
}

impl Otel {
    /// Returns the default settings. All requests are exported to `http://localhost:4318`, except
    /// those whose caller decided not to record the trace.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn built_in(mut self, sampler: BuiltInSampler) -> Self {
        self.sampler = Some(SamplerChoice::BuiltIn(sampler));
        self
    }

    /// Moves the settings of the export out, so that the environment can change them or the export
    /// can be built.
    pub(super) fn take_export(&mut self) -> Export {
        Export {
            url: self.endpoint.take(),
            signal_url: self.traces_endpoint.take(),
            headers: mem::take(&mut self.headers),
            timeout: self.timeout.take(),
            gzip: self.gzip,
            ca_file: self.ca_file.take(),
            client_certificate: self.client_certificate.take(),
            client_key: self.client_key.take(),
            proxy: false,
        }
    }

    /// Moves the settings of the export back in.
    pub(super) fn set_export(&mut self, export: Export) {
        let Export {
            url,
            signal_url,
            headers,
            timeout,
            gzip,
            ca_file,
            client_certificate,
            client_key,
            proxy: _,
        } = export;
        (self.endpoint, self.traces_endpoint, self.headers) = (url, signal_url, headers);
        (self.timeout, self.gzip, self.ca_file) = (timeout, gzip, ca_file);
        (self.client_certificate, self.client_key) = (client_certificate, client_key);
    }

    /// Checks the settings and starts the export.
    pub(crate) fn build(
        mut self,
        service: &Service,
        own: &InternalMetrics,
        environment: &Environment,
        redactor: &Redactor,
    ) -> Result<Tracing, BuildError> {
        if let Some(provider) = self.provider {
            return Ok(Tracing::foreign(provider, own));
        }
        let target = Export { proxy: environment.is_read(), ..self.take_export() }.target(&TRACES)?;
        // The attributes that the SDK adds about itself.
        let sdk = Resource::builder_empty().with_detector(Box::new(TelemetryResourceDetector)).build();
        let sdk = sdk.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        let resource = resource::detect(service, environment, sdk.chain(self.resource));
        let queue = Arc::new(queue::new(self.limits.checked()?, own));
        let waiting = Arc::downgrade(&queue);
        own.gauge("obs_spans_queued", "Spans that wait to be exported.", &[], move || {
            waiting.upgrade().map_or(0, |queue| queue.waiting())
        });
        let everything = || SamplerChoice::BuiltIn(BuiltInSampler::always(true).parent_based());
        let (built_in, sampler) = match self.sampler.unwrap_or_else(everything) {
            SamplerChoice::BuiltIn(built_in) => (Some(built_in.clone()), built_in.into_sampler()),
            SamplerChoice::Other(sampler) => (None, sampler),
        };
        let envelope = Envelope::new(&resource, &SCOPE);
        let client = CollectorClient::new(target);
        let worker =
            outlet::start(Arc::clone(&queue), client, envelope, redactor.clone()).map_err(|error| {
                let message = format!("cannot start the thread that exports spans: {error}");
                BuildError::failed("otel", io::Error::new(error.kind(), message))
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
            Pipeline { queue, worker, limits: self.span_limits, sampler: built_in, exceptions: true },
            own,
        ))
    }
}

/// Converts the resource to the type of the SDK.
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
            return Err(BuildError::new("queue", value, "room for at least one span"));
        }
        if self.batch == 0 || self.batch > self.spans {
            return Err(BuildError::new(
                "batch",
                self.batch.to_string(),
                "between 1 and the number of spans in the queue",
            ));
        }
        Ok(self)
    }
}
