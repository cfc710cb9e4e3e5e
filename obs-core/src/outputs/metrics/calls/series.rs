//! The time series of finished calls: the key of a label set, and its labels.

use std::{borrow::Cow, sync::Arc};

use super::families::CallLabel;
use crate::{
    base::{counter::Counter, read_mostly::ReadMostly},
    outputs::metrics::{exemplar::Exemplars, family::LabelSet, histogram::Histograms, limited::Observable},
    record::{
        call::{CallTarget, FinishedCall, ServerAddress},
        finished::Record,
        route::intern_text,
    },
    write::digits,
};

/// The value of a label for a status that was not sent.
const NONE: &str = "none";

/// The maximum number of operations, gRPC methods and servers that labels distinguish. Further ones
/// are `other`.
const MAX_TEXTS: usize = 2_000;

/// The histogram of one label set.
pub(super) struct CallSeries {
    pub(super) labels: LabelSet,
    pub(super) created: f64,
    pub(super) durations: Histograms,
    pub(super) exemplars: Exemplars,
}

/// The errors of one label set.
pub(super) struct CallErrors {
    pub(super) labels: LabelSet,
    pub(super) created: f64,
    pub(super) count: Counter,
    pub(super) exemplar: Exemplars,
}

impl Observable for CallSeries {
    fn observations(&self) -> u64 {
        self.durations.observations(0)
    }
}

impl Observable for CallErrors {
    fn observations(&self) -> u64 {
        self.count.get()
    }
}

/// The key of a label set. It contains only the facts that some label shows.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct CallKey {
    dependency: u32,
    status: u16,
    method: u8,
    grpc: u8,
    version: u8,
    operation: u32,
    server: u32,
    port: u16,
    namespace: u32,
    error_type: Option<&'static str>,
}

/// Texts with a number each.
pub(super) struct Texts(ReadMostly<&'static str, u32>);

impl Texts {
    pub(super) fn new() -> Self {
        Self(ReadMostly::new())
    }

    /// Returns the number of a text; 0 for texts above the limit.
    fn number(&self, text: &str) -> u32 {
        self.0.read(text, |number| *number).unwrap_or_else(|| self.add(text))
    }

    #[cold]
    fn add(&self, text: &str) -> u32 {
        if self.0.len() >= MAX_TEXTS {
            return 0;
        }
        let make = |before: usize| u32::try_from(before).unwrap_or(0).saturating_add(1);
        self.0.get_or_insert(intern_text(text), MAX_TEXTS, make).unwrap_or(0)
    }

    fn is_known(&self, text: &str) -> bool {
        self.0.read(text, |_| ()).is_some()
    }
}

/// A finished call as labels see it.
pub(super) struct CallFacts<'a> {
    pub(super) record: &'a Record,
    pub(super) call: FinishedCall<'a>,
    pub(super) texts: &'a Texts,
}

impl CallFacts<'_> {
    /// Returns the key of the call for these labels.
    pub(super) fn key(&self, labels: &[(CallLabel, &str)]) -> CallKey {
        let mut key = CallKey::default();
        let FinishedCall { start, end } = self.call;
        for (label, _) in labels {
            match label {
                CallLabel::Dependency => key.dependency = start.dependency.id(),
                CallLabel::Method => {
                    if let CallTarget::Http(http) = &start.target {
                        key.method = http.method as u8;
                    }
                }
                CallLabel::Status | CallLabel::SentStatus => key.status = end.status.unwrap_or(0),
                CallLabel::GrpcStatus | CallLabel::SentGrpcStatus => {
                    key.grpc = end.grpc_status.map_or(0, |status| status.code().saturating_add(1));
                }
                CallLabel::RpcMethod | CallLabel::Operation => {
                    key.operation = self.operation().map_or(0, |text| self.texts.number(text));
                }
                CallLabel::ErrorType => key.error_type = self.record.error_type(),
                CallLabel::ServerAddress => {
                    key.server = self.server().map_or(0, |server| self.texts.number(&server.host));
                }
                CallLabel::ServerPort => {
                    key.port = self.server().and_then(|server| server.port).unwrap_or(0);
                }
                CallLabel::Version => {
                    key.version = end.version.map_or(0, |version| (version as u8).saturating_add(1));
                }
                CallLabel::Namespace => {
                    key.namespace = self.namespace().map_or(0, |text| self.texts.number(text));
                }
                // The family or the dependency determines it.
                CallLabel::System => {}
            }
        }
        key
    }

    /// Returns the label set of the call. A label without a value is skipped.
    pub(super) fn labels(&self, labels: &[(CallLabel, &'static str)]) -> LabelSet {
        let FinishedCall { start, end } = self.call;
        let value = |label: CallLabel| -> Option<Cow<'_, str>> {
            Some(match label {
                CallLabel::Dependency => start.dependency.as_str().into(),
                CallLabel::Method => match &start.target {
                    CallTarget::Http(http) => http.method.as_str().into(),
                    _ => return None,
                },
                CallLabel::Status => end.status.map_or(NONE, digits::status).into(),
                CallLabel::SentStatus => digits::status(end.status?).into(),
                CallLabel::GrpcStatus => end.grpc_status.map_or(NONE, |status| status.as_str()).into(),
                CallLabel::SentGrpcStatus => end.grpc_status?.as_str().into(),
                CallLabel::RpcMethod | CallLabel::Operation => self.known(self.operation()?).into(),
                CallLabel::ErrorType => self.record.error_type()?.into(),
                CallLabel::ServerAddress => self.known(&self.server()?.host).into(),
                CallLabel::ServerPort => self.server()?.port?.to_string().into(),
                CallLabel::Version => end.version?.as_str().into(),
                CallLabel::System => match &start.target {
                    CallTarget::Database(database) => database.system.into(),
                    _ => "grpc".into(),
                },
                CallLabel::Namespace => self.known(self.namespace()?).into(),
            })
        };
        let labels = labels
            .iter()
            .filter_map(|(label, name)| Some((Cow::Borrowed(*name), value(*label)?.into_owned())));
        labels.collect()
    }

    /// Returns the text, or `other` if labels do not distinguish it.
    fn known<'t>(&self, text: &'t str) -> &'t str {
        if self.texts.is_known(text) { text } else { "other" }
    }

    fn server(&self) -> Option<&ServerAddress> {
        self.call.start.server()
    }

    fn operation(&self) -> Option<&str> {
        match &self.call.start.target {
            CallTarget::Grpc(grpc) => Some(&grpc.method),
            _ => self.call.start.operation.as_deref(),
        }
    }

    fn namespace(&self) -> Option<&str> {
        match &self.call.start.target {
            CallTarget::Database(database) => database.namespace.as_deref(),
            _ => None,
        }
    }
}

/// Returns the labels of the overflow series: every label has the same value.
pub(super) fn overflow(labels: &[(CallLabel, &'static str)], opentelemetry: bool) -> LabelSet {
    if opentelemetry {
        // Metrics SDK specification, "Cardinality limits".
        return Arc::new([("otel_metric_overflow".into(), "true".to_owned())]);
    }
    labels.iter().map(|(_, name)| (Cow::Borrowed(*name), "overflow".to_owned())).collect()
}
