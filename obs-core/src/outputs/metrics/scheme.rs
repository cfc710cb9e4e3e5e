//! The names, labels and buckets of the HTTP metrics.

use std::borrow::Cow;

use super::{
    custom_labels::CustomLabels,
    family::{Family, Kind, LabelSet},
    histogram::{BucketBounds, Layout},
    names::{FamilyName, FamilyNames, OPENTELEMETRY, PROMETHEUS},
    request_histograms::{REQUEST_HISTOGRAMS, RequestHistogram, STREAM},
    series_key::{LabelFacts, SeriesKey, SeriesKeys},
    settings::{LabelSource, MetricLabel, MetricNaming, Metrics},
};
use crate::{
    http::{method::Method, protocol::UrlScheme},
    record::outcome::Outcome,
    write::digits,
};

/// The value of every label of an overflow series.
const OVERFLOW: &str = "overflow";

/// The naming, labels and buckets of one observer.
pub(super) struct Scheme {
    pub(super) names: &'static FamilyNames,
    naming: MetricNaming,
    labels: Vec<(LabelSource, Cow<'static, str>)>,
    /// The labels of errors: without the status, and with the kind of failure.
    error_labels: Vec<(LabelSource, Cow<'static, str>)>,
    keys: SeriesKeys,
    error_keys: SeriesKeys,
    /// The labels of the application's own, if there are any.
    pub(super) custom: Option<CustomLabels>,
    /// The labels of gRPC calls, if these are in families of their own.
    calls: Option<CallLabels>,
    /// The rows of [`REQUEST_HISTOGRAMS`].
    pub(super) layout: Layout,
    /// The row of [`STREAM`].
    pub(super) stream: Layout,
}

/// The labels of gRPC calls in OpenTelemetry's naming (semantic conventions, "RPC server metrics").
struct CallLabels {
    labels: Vec<(LabelSource, Cow<'static, str>)>,
    keys: SeriesKeys,
}

impl Scheme {
    pub(super) fn new(settings: &Metrics) -> Self {
        let naming = settings.naming;
        let names = match naming {
            MetricNaming::Prometheus => &PROMETHEUS,
            MetricNaming::OpenTelemetry => &OPENTELEMETRY,
        };
        let mut chosen = settings.chosen_labels();
        let custom = CustomLabels::of(&mut chosen);
        let named = |label: MetricLabel| {
            let name = label.name.unwrap_or(Cow::Borrowed(default_name(naming, label.source)));
            (label.source, name)
        };
        let calls = (naming == MetricNaming::OpenTelemetry).then(|| CallLabels::of(&chosen));
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

        let bounds = |row: &RequestHistogram| {
            let enabled = row.enabled.is_none_or(|enabled| enabled(settings));
            enabled.then(|| BucketBounds::new(row.unit, (row.buckets)(settings)))
        };
        Self {
            names,
            naming,
            keys: SeriesKeys::new(&labels),
            error_keys: SeriesKeys::new(&error_labels),
            calls,
            custom,
            labels,
            error_labels,
            layout: Layout::new(REQUEST_HISTOGRAMS.iter().map(bounds).collect()),
            stream: Layout::new(vec![bounds(&STREAM)]),
        }
    }

    #[inline]
    pub(super) fn key(&self, facts: &LabelFacts<'_>) -> SeriesKey {
        match self.calls_of(facts) {
            Some(calls) => calls.key(facts),
            None => self.keys.of(facts, self.status(facts)),
        }
    }

    /// Returns the labels of calls, if the request is a call whose family is not that of requests.
    #[inline]
    fn calls_of(&self, facts: &LabelFacts<'_>) -> Option<&CallLabels> {
        self.calls.as_ref().filter(|_| facts.grpc)
    }

    /// Returns true if gRPC calls are in families of their own.
    pub(super) const fn has_families_of_calls(&self) -> bool {
        self.calls.is_some()
    }

    /// Returns true if the series of the request belongs to the families of calls.
    pub(super) fn is_call(&self, facts: &LabelFacts<'_>) -> bool {
        self.calls_of(facts).is_some()
    }

    pub(super) fn error_key(&self, facts: &LabelFacts<'_>) -> SeriesKey {
        self.error_keys.of(facts, self.status(facts))
    }

    fn status(&self, facts: &LabelFacts<'_>) -> Option<u16> {
        match self.naming {
            MetricNaming::Prometheus => Some(facts.status_label),
            MetricNaming::OpenTelemetry => facts.status,
        }
    }

    pub(super) fn label_set(&self, facts: &LabelFacts<'_>) -> LabelSet {
        if let Some(calls) = self.calls_of(facts) {
            return calls.label_set(facts, self.custom.as_ref());
        }
        self.set_of(&self.labels, facts)
    }

    pub(super) fn error_label_set(&self, facts: &LabelFacts<'_>) -> LabelSet {
        self.set_of(&self.error_labels, facts)
    }

    /// Returns the label set. A label without a value is skipped, which Prometheus treats as an
    /// empty one.
    fn set_of(&self, labels: &[(LabelSource, Cow<'static, str>)], facts: &LabelFacts<'_>) -> LabelSet {
        let value = |source: LabelSource| match source {
            LabelSource::Method => Some(facts.method.as_str().to_owned()),
            LabelSource::Route => match facts.route {
                Some(route) => Some(route.as_str().to_owned()),
                None => (self.naming == MetricNaming::Prometheus)
                    .then(|| crate::record::route::UNMATCHED.to_owned()),
            },
            LabelSource::Status => self.status(facts).map(|status| digits::status(status).to_owned()),
            LabelSource::StatusClass => self.status(facts).map(|status| format!("{}xx", status / 100)),
            LabelSource::ErrorType => facts.error_type.map(str::to_owned),
            LabelSource::GrpcStatus => facts.grpc_status.map(|status| status.as_str().to_owned()),
            LabelSource::Scheme => Some(facts.scheme.as_str().to_owned()),
            LabelSource::ProtocolVersion => facts.version.map(|version| version.as_str().to_owned()),
            LabelSource::Custom(place) => self.custom.as_ref()?.text(place, facts.record?),
        };
        with_values(labels, &value)
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
                with_values(labels, &|source| {
                    (source != LabelSource::GrpcStatus).then(|| OVERFLOW.to_owned())
                })
            }
            // Metrics SDK specification, "Cardinality limits".
            MetricNaming::OpenTelemetry => [("otel_metric_overflow".into(), "true".to_owned())].into(),
        }
    }

    /// Returns the labels of requests in flight, which use only facts of the request's head.
    #[inline(never)]
    pub(super) fn in_flight_labels(&self, method: Method, scheme: UrlScheme) -> LabelSet {
        with_values(&self.labels, &|source| match source {
            LabelSource::Method => Some(method.as_str().to_owned()),
            LabelSource::Scheme => Some(scheme.as_str().to_owned()),
            _ => None,
        })
    }

    /// Returns the sort key of a series in the page: its route, then its other labels.
    pub(super) fn order<'a>(&self, labels: &'a LabelSet) -> (Option<&'a str>, &'a LabelSet) {
        let of_calls = self.calls.iter().flat_map(|calls| &calls.labels);
        let mut routes =
            self.labels.iter().chain(of_calls).filter(|(source, _)| *source == LabelSource::Route);
        let value = routes.find_map(|(_, name)| labels.iter().find(|(n, _)| n == name));
        (value.map(|(_, value)| value.as_str()), labels)
    }

    /// The name of a histogram.
    pub(super) const fn name_of(&self, row: &RequestHistogram) -> &'static str {
        row.name(self.naming)
    }

    pub(super) fn family((name, help): FamilyName, kind: Kind) -> Family {
        Family::new(name, help, kind)
    }
}

impl CallLabels {
    /// The status in the keys of calls. No request has it, so no key of a call is one of a request.
    const STATUS: u16 = u16::MAX;
    const SYSTEM: &'static str = "rpc_system_name";

    /// Selects the labels that calls have.
    fn of(chosen: &[MetricLabel]) -> Self {
        let label = |label: &MetricLabel| {
            let name = match label.source {
                LabelSource::Route => "rpc_method",
                LabelSource::GrpcStatus | LabelSource::ErrorType => {
                    default_name(MetricNaming::OpenTelemetry, label.source)
                }
                // It has a name already.
                LabelSource::Custom(_) => "",
                _ => return None,
            };
            Some((label.source, label.name.clone().unwrap_or(Cow::Borrowed(name))))
        };
        let labels: Vec<_> = chosen.iter().filter_map(label).collect();
        Self { keys: SeriesKeys::of_calls(&labels), labels }
    }

    #[inline(never)]
    fn key(&self, facts: &LabelFacts<'_>) -> SeriesKey {
        let error_type = Self::error_type(facts);
        self.keys.of(&LabelFacts { error_type, ..*facts }, Some(Self::STATUS))
    }

    fn error_type(facts: &LabelFacts<'_>) -> Option<&'static str> {
        facts.error_type.map(|error_type| Outcome::rpc_error_type(error_type, facts.grpc_status))
    }

    /// A method that the service does not know has the name of the conventions for it.
    fn label_set(&self, facts: &LabelFacts<'_>, custom: Option<&CustomLabels>) -> LabelSet {
        let method = facts.route.map(|route| route.grpc_method().unwrap_or_else(|| route.as_str()));
        let value = |source: LabelSource| match source {
            LabelSource::Route => Some(method.unwrap_or("_OTHER").to_owned()),
            LabelSource::GrpcStatus => facts.grpc_status.map(|status| status.as_str().to_owned()),
            LabelSource::Custom(place) => custom?.text(place, facts.record?),
            _ => Self::error_type(facts).map(str::to_owned),
        };
        let labels = with_values(&self.labels, &value);
        labels.iter().cloned().chain([(Self::SYSTEM.into(), "grpc".to_owned())]).collect()
    }
}

/// Returns the labels that have a value.
fn with_values(
    labels: &[(LabelSource, Cow<'static, str>)],
    value: &dyn Fn(LabelSource) -> Option<String>,
) -> LabelSet {
    let labels = labels.iter().filter_map(|(source, name)| Some((name.clone(), value(*source)?)));
    labels.collect()
}

fn default_labels(naming: MetricNaming) -> Vec<MetricLabel> {
    let mut labels =
        vec![MetricLabel::method(), MetricLabel::route(), MetricLabel::status(), MetricLabel::grpc_status()];
    if naming == MetricNaming::OpenTelemetry {
        labels.extend([MetricLabel::error_type(), MetricLabel::scheme(), MetricLabel::protocol_version()]);
    }
    labels
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
        // It has a name already.
        (_, LabelSource::Custom(_)) => "",
        (MetricNaming::OpenTelemetry, LabelSource::Method) => "http_request_method",
        (MetricNaming::OpenTelemetry, LabelSource::Route) => "http_route",
        (MetricNaming::OpenTelemetry, LabelSource::Status) => "http_response_status_code",
        (MetricNaming::OpenTelemetry, LabelSource::GrpcStatus) => "rpc_response_status_code",
        (MetricNaming::OpenTelemetry, LabelSource::Scheme) => "url_scheme",
        (MetricNaming::OpenTelemetry, LabelSource::ProtocolVersion) => "network_protocol_version",
    }
}

impl Metrics {
    /// Returns the labels of the settings, in their order.
    pub(super) fn chosen_labels(&self) -> Vec<MetricLabel> {
        let mut chosen = self.labels.clone().unwrap_or_else(|| default_labels(self.naming));
        chosen.extend_from_slice(&self.added_labels);
        chosen
    }

    /// Returns the names of all labels that a sample may have, in the order of the settings.
    pub(crate) fn label_names(&self) -> Vec<Cow<'static, str>> {
        let scheme = Scheme::new(self);
        let mut names: Vec<_> = scheme.labels.iter().map(|(_, name)| name.clone()).collect();
        let of_calls = scheme.calls.as_ref().map_or(&[][..], |calls| &calls.labels);
        for (_, name) in of_calls.iter().filter(|(source, _)| *source == LabelSource::Route) {
            names.push(name.clone());
        }
        // The last label of errors is the kind of failure, which need not be one of the others.
        if let Some((source, name)) = scheme.error_labels.last().filter(|_| scheme.names.errors.is_some())
            && !scheme.labels.iter().any(|(other, _)| other == source)
        {
            names.push(name.clone());
        }
        if !of_calls.is_empty() {
            names.push(Cow::Borrowed(CallLabels::SYSTEM));
        }
        names
    }
}
