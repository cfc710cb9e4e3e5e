//! The names, labels and buckets of the HTTP metrics.

use std::{borrow::Cow, sync::Arc};

use super::{
    family::{Family, Kind, LabelSet},
    histogram::{BucketBounds, Layout, Unit},
    names::{
        FamilyName, FamilyNames, OPENTELEMETRY, OPENTELEMETRY_DURATION, PROMETHEUS, PROMETHEUS_DURATION,
    },
    settings::{LabelSource, MetricLabel, MetricNaming, Metrics},
};
use crate::{
    base::text,
    http::{
        grpc::status::GrpcStatus,
        method::Method,
        protocol::{HttpVersion, UrlScheme},
    },
    record::{
        finished::{FinishedRequest, Record},
        route::Route,
    },
};

/// The value of every label of an overflow series.
const OVERFLOW: &str = "overflow";

/// The facts of a request that labels can show.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) method: Method,
    pub(super) route: Option<&'a Route>,
    /// The status that was sent.
    pub(super) status: Option<u16>,
    /// The status that the metrics count.
    pub(super) status_label: u16,
    pub(super) error_type: Option<&'static str>,
    pub(super) grpc: bool,
    pub(super) grpc_status: Option<GrpcStatus>,
    pub(super) scheme: UrlScheme,
    pub(super) version: Option<HttpVersion>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(record: &Record, request: &FinishedRequest<'a>) -> Self {
        let FinishedRequest { start, end, .. } = *request;
        Self {
            method: start.method,
            route: end.route.as_ref(),
            status: end.status,
            status_label: request.status_label(),
            error_type: record.error_type(),
            grpc: end.grpc.is_some(),
            grpc_status: end.grpc_status(),
            scheme: start.scheme,
            version: start.version,
        }
    }

    /// Returns the facts of a future request, as far as they are known.
    pub(super) const fn expected(method: Method, route: &'a Route) -> Self {
        Self {
            method,
            route: Some(route),
            status: None,
            status_label: 0,
            error_type: None,
            grpc: false,
            grpc_status: None,
            scheme: UrlScheme::Http,
            version: Some(HttpVersion::Http11),
        }
    }

    /// Returns the facts of the same request with the response status `status`.
    pub(super) fn answered(self, status: u16) -> Self {
        let error_type = (status >= 500).then(|| text::status(status));
        Self { status: Some(status), status_label: status, error_type, ..self }
    }

    /// Returns the facts of the same request with a failure. With gRPC, failures also have the HTTP
    /// status 200.
    pub(super) fn failed(self) -> Self {
        if !self.grpc {
            return self.answered(500);
        }
        let status = GrpcStatus::Internal;
        Self { error_type: Some(status.as_str()), grpc_status: Some(status), ..self.answered(200) }
    }
}

/// The key of a label set. It contains only the facts that some label shows.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct SeriesKey {
    /// Route (32 bits), status (16), method (6), gRPC status (5), scheme (2) and version (3) in one
    /// number, because one number is hashed faster than six.
    packed: u64,
    error_type: Option<&'static str>,
}

/// A builder of the keys of one family.
struct SeriesKeys {
    /// The bits of [`SeriesKey::packed`] that some label shows.
    label_bits: u64,
    /// True if the key contains only the class of the status.
    class_only: bool,
    error_type: bool,
}

impl SeriesKeys {
    const STATUS: u64 = 0xffff << 16;

    fn new(labels: &[(LabelSource, Cow<'static, str>)]) -> Self {
        let mut this = Self { label_bits: 0, class_only: false, error_type: false };
        let has_code = labels.iter().any(|(source, _)| *source == LabelSource::Status);
        for (source, _) in labels {
            this.label_bits |= match source {
                LabelSource::Route => 0xffff_ffff << 32,
                LabelSource::Status => Self::STATUS,
                // If both labels exist, the code determines the class.
                LabelSource::StatusClass => {
                    this.class_only = !has_code;
                    Self::STATUS
                }
                LabelSource::Method => 0b11_1111 << 10,
                LabelSource::GrpcStatus => 0b1_1111 << 5,
                LabelSource::Scheme => 0b11 << 3,
                LabelSource::ProtocolVersion => 0b111,
                LabelSource::ErrorType => {
                    this.error_type = true;
                    0
                }
            };
        }
        this
    }

    fn of(&self, facts: &Facts<'_>, status: Option<u16>) -> SeriesKey {
        let status = status.unwrap_or_default();
        let status = if self.class_only { status / 100 } else { status };
        let grpc = facts.grpc_status.map_or(0, |status| status.code().saturating_add(1));
        let version = facts.version.map_or(0, |version| (version as u64).saturating_add(1));
        let packed = u64::from(facts.route.map_or(0, Route::id)) << 32
            | u64::from(status) << 16
            | (facts.method as u64) << 10
            | u64::from(grpc) << 5
            | (facts.scheme as u64) << 3
            | version;
        SeriesKey {
            packed: packed & self.label_bits,
            error_type: facts.error_type.filter(|_| self.error_type),
        }
    }
}

/// The naming, labels and buckets of one observer.
pub(super) struct Scheme {
    pub(super) names: &'static FamilyNames,
    naming: MetricNaming,
    labels: Vec<(LabelSource, Cow<'static, str>)>,
    /// The labels of errors: without the status, and with the kind of failure.
    error_labels: Vec<(LabelSource, Cow<'static, str>)>,
    keys: SeriesKeys,
    error_keys: SeriesKeys,
    /// The histograms of the duration, both sizes, and the time to the head if it is measured.
    pub(super) layout: Layout,
    pub(super) stream: Layout,
    pub(super) head: bool,
}

/// The index of each histogram in the layout.
pub(super) const DURATION_PART: usize = 0;
pub(super) const REQUEST_SIZE_PART: usize = 1;
pub(super) const RESPONSE_SIZE_PART: usize = 2;
pub(super) const HEAD_PART: usize = 3;

impl Scheme {
    pub(super) fn new(settings: &Metrics) -> Self {
        let naming = settings.naming;
        let (names, buckets): (_, &[f64]) = match naming {
            MetricNaming::Prometheus => (&PROMETHEUS, &PROMETHEUS_DURATION),
            MetricNaming::OpenTelemetry => (&OPENTELEMETRY, &OPENTELEMETRY_DURATION),
        };
        let chosen = settings.labels.clone().unwrap_or_else(|| default_labels(naming));
        let named = |label: MetricLabel| {
            let name = label.name.unwrap_or(Cow::Borrowed(default_name(naming, label.source)));
            (label.source, name)
        };
        let labels: Vec<_> = chosen.into_iter().map(named).collect();
        let mut error_labels = labels.clone();
        error_labels.retain(|(source, _)| {
            !matches!(
                source,
                LabelSource::Status
                    | LabelSource::StatusClass
                    | LabelSource::ErrorType
                    | LabelSource::GrpcStatus
            )
        });
        let own = labels.iter().find(|(source, _)| *source == LabelSource::ErrorType).cloned();
        error_labels.push(own.unwrap_or_else(|| named(MetricLabel::error_type())));

        let duration =
            Arc::new(BucketBounds::new(Unit::Seconds, settings.duration.as_deref().unwrap_or(buckets)));
        let size = Arc::new(BucketBounds::new(Unit::Bytes, &settings.size));
        let head = settings.response_head.then(|| Arc::clone(&duration));
        Self {
            names,
            naming,
            keys: SeriesKeys::new(&labels),
            error_keys: SeriesKeys::new(&error_labels),
            labels,
            error_labels,
            layout: Layout::new([duration, Arc::clone(&size), size].into_iter().chain(head)),
            stream: Layout::new([Arc::new(BucketBounds::new(Unit::Seconds, &settings.stream))]),
            head: settings.response_head,
        }
    }

    pub(super) fn key(&self, facts: &Facts<'_>) -> SeriesKey {
        self.keys.of(facts, self.status(facts))
    }

    pub(super) fn error_key(&self, facts: &Facts<'_>) -> SeriesKey {
        self.error_keys.of(facts, self.status(facts))
    }

    fn status(&self, facts: &Facts<'_>) -> Option<u16> {
        match self.naming {
            MetricNaming::Prometheus => Some(facts.status_label),
            MetricNaming::OpenTelemetry => facts.status,
        }
    }

    pub(super) fn label_set(&self, facts: &Facts<'_>) -> LabelSet {
        self.set_of(&self.labels, facts)
    }

    pub(super) fn error_label_set(&self, facts: &Facts<'_>) -> LabelSet {
        self.set_of(&self.error_labels, facts)
    }

    /// Returns the label set. A label without a value is skipped, which Prometheus treats as an
    /// empty one.
    fn set_of(&self, labels: &[(LabelSource, Cow<'static, str>)], facts: &Facts<'_>) -> LabelSet {
        let value = |source: LabelSource| match source {
            LabelSource::Method => Some(facts.method.as_str().to_owned()),
            LabelSource::Route => match facts.route {
                Some(route) => Some(route.as_str().to_owned()),
                None => (self.naming == MetricNaming::Prometheus)
                    .then(|| crate::record::route::UNMATCHED.to_owned()),
            },
            LabelSource::Status => self.status(facts).map(|status| text::status(status).to_owned()),
            LabelSource::StatusClass => self.status(facts).map(|status| format!("{}xx", status / 100)),
            LabelSource::ErrorType => facts.error_type.map(str::to_owned),
            LabelSource::GrpcStatus => facts.grpc_status.map(|status| status.as_str().to_owned()),
            LabelSource::Scheme => Some(facts.scheme.as_str().to_owned()),
            LabelSource::ProtocolVersion => facts.version.map(|version| version.as_str().to_owned()),
        };
        let labels = labels.iter().filter_map(|(source, name)| Some((name.clone(), value(*source)?)));
        labels.collect()
    }

    pub(super) fn overflow(&self) -> LabelSet {
        self.overflow_of(&self.labels)
    }

    pub(super) fn error_overflow(&self) -> LabelSet {
        self.overflow_of(&self.error_labels)
    }

    fn overflow_of(&self, labels: &[(LabelSource, Cow<'static, str>)]) -> LabelSet {
        match self.naming {
            MetricNaming::Prometheus => {
                // Only some series have the label of the gRPC status.
                let every = labels.iter().filter(|(source, _)| *source != LabelSource::GrpcStatus);
                every.map(|(_, name)| (name.clone(), OVERFLOW.to_owned())).collect()
            }
            // Metrics SDK specification, "Cardinality limits".
            MetricNaming::OpenTelemetry => [("otel_metric_overflow".into(), "true".to_owned())].into(),
        }
    }

    /// Returns the labels of requests in flight, which use only facts of the request's head.
    pub(super) fn in_flight_labels(&self, method: Method, scheme: UrlScheme) -> LabelSet {
        let labels = self.labels.iter().filter_map(|(source, name)| match source {
            LabelSource::Method => Some((name.clone(), method.as_str().to_owned())),
            LabelSource::Scheme => Some((name.clone(), scheme.as_str().to_owned())),
            _ => None,
        });
        labels.collect()
    }

    /// Returns the sort key of a series in the page: its route, then its other labels.
    pub(super) fn order<'a>(&self, labels: &'a LabelSet) -> (Option<&'a str>, &'a LabelSet) {
        let route = self.labels.iter().find(|(source, _)| *source == LabelSource::Route);
        let value = route.and_then(|(_, name)| labels.iter().find(|(n, _)| n == name));
        (value.map(|(_, value)| value.as_str()), labels)
    }

    pub(super) fn family((name, help): FamilyName, kind: Kind) -> Family {
        Family::new(name, help, kind)
    }
}

fn default_labels(naming: MetricNaming) -> Vec<MetricLabel> {
    let common =
        [MetricLabel::method(), MetricLabel::route(), MetricLabel::status(), MetricLabel::grpc_status()]
            .into_iter();
    match naming {
        MetricNaming::Prometheus => common.collect(),
        MetricNaming::OpenTelemetry => common
            .chain([MetricLabel::error_type(), MetricLabel::scheme(), MetricLabel::protocol_version()])
            .collect(),
    }
}

const fn default_name(naming: MetricNaming, source: LabelSource) -> &'static str {
    match (naming, source) {
        (_, LabelSource::ErrorType) => "error_type",
        (MetricNaming::Prometheus, LabelSource::Method) => "method",
        (MetricNaming::Prometheus, LabelSource::Route) => "endpoint",
        (MetricNaming::Prometheus, LabelSource::Status) => "status",
        (MetricNaming::Prometheus, LabelSource::GrpcStatus) => "grpc_status",
        (MetricNaming::Prometheus, LabelSource::Scheme) => "scheme",
        (MetricNaming::Prometheus, LabelSource::ProtocolVersion) => "version",
        (_, LabelSource::StatusClass) => "status_class",
        (MetricNaming::OpenTelemetry, LabelSource::Method) => "http_request_method",
        (MetricNaming::OpenTelemetry, LabelSource::Route) => "http_route",
        (MetricNaming::OpenTelemetry, LabelSource::Status) => "http_response_status_code",
        (MetricNaming::OpenTelemetry, LabelSource::GrpcStatus) => "rpc_response_status_code",
        (MetricNaming::OpenTelemetry, LabelSource::Scheme) => "url_scheme",
        (MetricNaming::OpenTelemetry, LabelSource::ProtocolVersion) => "network_protocol_version",
    }
}

impl Metrics {
    /// Returns the names of all labels that a sample may have, in the order of the settings.
    pub(crate) fn label_names(&self) -> Vec<Cow<'static, str>> {
        let scheme = Scheme::new(self);
        scheme.labels.into_iter().map(|(_, name)| name).collect()
    }
}
