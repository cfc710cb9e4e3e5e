//! The name and the attributes of a call's span. They follow OpenTelemetry's semantic conventions
//! for HTTP client spans (stable), gRPC client spans and database client spans (stable).

use crate::{
    http::method::Method,
    outputs::facts::attributes::Attributes,
    record::{
        call::{CallStart, CallTarget, FinishedCall, ServerAddress},
        finished::Record,
    },
};

/// Returns the name of a call's span, which has few values.
pub(super) fn name(call: &CallStart) -> String {
    if let Some(operation) = &call.operation {
        return operation.to_string();
    }
    match &call.target {
        CallTarget::Http(http) if http.method == Method::Other => "HTTP".to_owned(),
        CallTarget::Http(http) => http.method.as_str().to_owned(),
        CallTarget::Grpc(grpc) => grpc.method.to_string(),
        CallTarget::Database(database) => database.namespace.as_deref().unwrap_or(database.system).to_owned(),
        CallTarget::Other => call.dependency.as_str().to_owned(),
    }
}

/// Sets the attributes that are known before a call is sent. Samplers should see all of them.
pub(super) fn at_start(all: &mut impl Attributes, call: &CallStart) {
    match &call.target {
        CallTarget::Http(http) => {
            all.word("http.request.method", http.method.as_str());
            if let Some(original) = &http.method_original {
                all.text("http.request.method_original", original);
            }
            all.text("url.full", &http.url);
            if http.resend > 0 {
                all.number("http.request.resend_count", i64::from(http.resend));
            }
            server(all, &http.server);
        }
        CallTarget::Grpc(grpc) => {
            all.word("rpc.system.name", "grpc");
            all.text("rpc.method", &grpc.method);
            server(all, &grpc.server);
        }
        CallTarget::Database(database) => {
            all.word("db.system.name", database.system);
            if let Some(namespace) = &database.namespace {
                all.text("db.namespace", namespace);
            }
            if let Some(summary) = &call.operation {
                all.text("db.query.summary", summary);
            }
            if let Some(query) = &database.query {
                all.text("db.query.text", query);
            }
            server(all, &database.server);
        }
        CallTarget::Other => {}
    }
    // A host is the name of a dependency only if the application has not named it.
    let is_host = |server: &ServerAddress| call.dependency.as_str().starts_with(&*server.host);
    if !call.server().is_some_and(is_host) {
        all.text("peer.service", call.dependency.as_str());
    }
}

fn server(all: &mut impl Attributes, server: &ServerAddress) {
    if server.host.is_empty() {
        return;
    }
    all.text("server.address", &server.host);
    if let Some(port) = server.port {
        all.number("server.port", i64::from(port));
    }
}

/// Returns true for a statement whose rows are those that it changed. The conventions have a name
/// only for rows that were returned.
fn changes_rows(operation: Option<&str>) -> bool {
    let word = operation.and_then(|operation| operation.split(' ').next()).unwrap_or_default();
    let changes = ["insert", "update", "delete", "replace", "merge", "copy"];
    changes.iter().any(|change| word.eq_ignore_ascii_case(change))
}

/// Sets the attributes that are known at the end.
pub(super) fn at_end(all: &mut impl Attributes, record: &Record, call: &FinishedCall<'_>) {
    let FinishedCall { start, end } = *call;
    match &start.target {
        CallTarget::Http(_) | CallTarget::Other => {
            if let Some(status) = end.status {
                all.number("http.response.status_code", i64::from(status));
            }
            if let Some(version) = end.version {
                all.word("network.protocol.version", version.as_str());
            }
        }
        CallTarget::Grpc(_) => {
            if let Some(status) = end.grpc_status {
                all.word("rpc.response.status_code", status.as_str());
            }
        }
        CallTarget::Database(_) => {
            if let Some(code) = &end.code {
                all.text("db.response.status_code", code);
            }
            if let Some(rows) = end.rows.filter(|_| !changes_rows(start.operation.as_deref())) {
                all.number("db.response.returned_rows", i64::try_from(rows).unwrap_or(i64::MAX));
            }
        }
    }
    if let Some(peer) = end.peer {
        all.text("network.peer.address", &peer.ip().to_canonical().to_string());
        all.number("network.peer.port", i64::from(peer.port()));
    }
    if let Some(error_type) = record.error_type() {
        all.word("error.type", error_type);
    }
}
