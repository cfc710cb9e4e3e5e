//! The families of calls: one row for each kind of call, with names and labels for both namings.

use crate::{
    outputs::metrics::{
        family::{Family, Kind},
        histogram::Unit,
        repeated,
        settings::MetricNaming,
    },
    record::call::{CallStart, CallTarget},
};

/// The families of one kind of call.
pub(super) struct CallFamily {
    /// The histogram of durations, in both namings.
    pub(super) duration: [&'static str; 2],
    pub(super) duration_help: &'static str,
    /// The gauge of calls in flight, in both namings.
    pub(super) in_flight: [&'static str; 2],
    /// The counter of errors. OpenTelemetry has none, because the failure is a label of the
    /// histogram.
    pub(super) errors: &'static str,
    /// The labels of the durations, in both namings.
    pub(super) labels: [&'static [(CallLabel, &'static str)]; 2],
    /// True for the buckets of databases, whose operations are shorter.
    pub(super) is_database: bool,
}

/// The value of a label.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CallLabel {
    Dependency,
    Method,
    /// The HTTP status, or `none`.
    Status,
    /// The HTTP status, if there was one.
    SentStatus,
    RpcMethod,
    /// The gRPC status, or `none`.
    GrpcStatus,
    /// The gRPC status, if there was one.
    SentGrpcStatus,
    /// The summary of a query.
    Operation,
    ErrorType,
    ServerAddress,
    ServerPort,
    Version,
    System,
    Namespace,
}

use CallLabel::{
    Dependency, ErrorType, GrpcStatus, Method, Namespace, Operation, RpcMethod, SentGrpcStatus, SentStatus,
    ServerAddress, ServerPort, Status, System, Version,
};

/// The labels of errors.
pub(super) const ERROR_LABELS: &[(CallLabel, &str)] =
    &[(Dependency, "dependency"), (ErrorType, "error_type")];

/// The rows, in the order of [`CallFamily::index`].
pub(super) static CALL_FAMILIES: [CallFamily; CallFamily::COUNT] = [
    CallFamily {
        duration: ["http_client_request_duration_seconds"; 2],
        duration_help: "Time from the start of an outgoing request to the end of its response.",
        in_flight: ["http_client_requests_in_flight", "http_client_active_requests"],
        errors: "http_client_errors_total",
        labels: [
            &[(Method, "method"), (Dependency, "dependency"), (Status, "status")],
            &[
                (Method, "http_request_method"),
                (ServerAddress, "server_address"),
                (ServerPort, "server_port"),
                (SentStatus, "http_response_status_code"),
                (Version, "network_protocol_version"),
                (ErrorType, "error_type"),
            ],
        ],
        is_database: false,
    },
    CallFamily {
        duration: ["rpc_client_call_duration_seconds"; 2],
        duration_help: "Time from the start of an outgoing gRPC call to its end.",
        in_flight: ["rpc_client_calls_in_flight"; 2],
        errors: "rpc_client_errors_total",
        labels: [
            &[(RpcMethod, "rpc_method"), (Dependency, "dependency"), (GrpcStatus, "grpc_status")],
            &[
                (RpcMethod, "rpc_method"),
                (System, "rpc_system_name"),
                (ServerAddress, "server_address"),
                (ServerPort, "server_port"),
                (SentGrpcStatus, "rpc_response_status_code"),
                (ErrorType, "error_type"),
            ],
        ],
        is_database: false,
    },
    CallFamily {
        duration: ["db_client_operation_duration_seconds"; 2],
        duration_help: "Time of an operation of a database.",
        in_flight: ["db_client_operations_in_flight"; 2],
        errors: "db_client_errors_total",
        labels: [
            &[(Dependency, "dependency"), (Operation, "operation")],
            &[
                (System, "db_system_name"),
                (Namespace, "db_namespace"),
                (Operation, "db_query_summary"),
                (ServerAddress, "server_address"),
                (ServerPort, "server_port"),
                (ErrorType, "error_type"),
            ],
        ],
        is_database: true,
    },
    CallFamily {
        duration: ["dependency_call_duration_seconds"; 2],
        duration_help: "Time of a call that the application records by hand.",
        in_flight: ["dependency_calls_in_flight"; 2],
        errors: "dependency_call_errors_total",
        labels: [&[(Dependency, "dependency")], &[(Dependency, "dependency"), (ErrorType, "error_type")]],
        is_database: false,
    },
];

impl CallFamily {
    pub(super) const COUNT: usize = 4;

    /// Returns the place of a call's row.
    pub(super) const fn index(call: &CallStart) -> usize {
        match call.target {
            CallTarget::Http(_) => 0,
            CallTarget::Grpc(_) => 1,
            CallTarget::Database(_) => 2,
            CallTarget::Other => 3,
        }
    }

    /// Returns the family of durations, without samples.
    pub(super) fn durations(&self, naming: MetricNaming) -> Family {
        let name = of_naming(self.duration, naming);
        Family { unit: Some(Unit::Seconds), ..Family::new(name, self.duration_help, Kind::Histogram) }
    }

    /// Returns the family of calls in flight, without samples.
    pub(super) fn running(&self, naming: MetricNaming) -> Family {
        let name = of_naming(self.in_flight, naming);
        Family::new(name, "Calls that have started and not ended.", Kind::Gauge)
    }

    /// Returns the family of errors, without samples.
    pub(super) fn failed(&self) -> Family {
        Family::new(self.errors, "Calls that failed, by the kind of failure.", Kind::Counter)
    }
}

/// Appends all families of calls without samples.
pub(in crate::outputs::metrics) fn empty(naming: MetricNaming, out: &mut Vec<Family>) {
    for row in &CALL_FAMILIES {
        out.extend([row.durations(naming), row.running(naming)]);
        if naming == MetricNaming::Prometheus {
            out.push(row.failed());
        }
    }
    out.push(repeated::empty());
}

/// Returns the value of this naming from a pair.
pub(super) fn of_naming<T>([prometheus, opentelemetry]: [T; 2], naming: MetricNaming) -> T {
    match naming {
        MetricNaming::Prometheus => prometheus,
        MetricNaming::OpenTelemetry => opentelemetry,
    }
}
