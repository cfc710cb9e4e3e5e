//! An event as one line of JSON. Names are OpenTelemetry's where it has one; `schema/event-1.json` describes all of them.

use super::template;
use crate::{
    http::grpc::GrpcCall,
    record::{
        finished::{FinishedRequest, Record, RequestEnd},
        identity::{Client, User},
        route::Route,
        service::Service,
        start::{RequestStart, Start},
    },
    write::{
        json::{Object, key},
        scribe::{self, Scribe},
    },
};

/// The version of the schema. It grows when a field changes its meaning or goes; new fields may come at any time.
const SCHEMA: u64 = 1;

/// What an event is made of.
pub(super) struct Event<'a> {
    pub(super) record: &'a Record,
    /// The rate at which it was kept.
    pub(super) sample_rate: f64,
    /// What all events of the service have in common: see [`service`].
    pub(super) service: &'a [u8],
}

impl Event<'_> {
    /// The address of a request's client, as the settings allow it.
    pub(super) fn client(&self, request: &RequestStart) -> Option<Client> {
        self.record.state.policy.identities.client(request.client?)
    }
}

/// An event's line, made once for all outputs, in memory that the next event uses again.
#[derive(Default)]
pub(super) struct Line {
    memory: Vec<u8>,
    length: usize,
}

impl Line {
    pub(super) const fn new() -> Self {
        Self { memory: Vec::new(), length: 0 }
    }

    /// The next event's turn.
    pub(super) fn clear(&mut self) {
        self.length = 0;
        // What one huge event has taken is given back.
        if self.memory.len() > MOST_MEMORY {
            self.memory = Vec::new();
        }
    }

    pub(super) fn of(&mut self, event: &Event<'_>) -> &[u8] {
        if self.length == 0 {
            self.length = scribe::write(&mut self.memory, |out| write(out, event));
        }
        self.memory.get(..self.length).unwrap_or_default()
    }
}

/// The most memory that is kept, in bytes: more than nearly all events need.
const MOST_MEMORY: usize = 16 * 1024;

/// Writes the event's line, with its line feed.
pub(super) fn write(out: &mut Scribe<'_>, event: &Event<'_>) {
    let record = event.record;
    let mut object = Object::open(out);
    let start = record.start();
    object.time(key!("time"), start.since_1970);
    object.members(event.service);
    object.word(key!("kind"), start.kind.as_str());
    identify(&mut object, start);
    let request = record.request();
    if let Some(request) = &request {
        describe(&mut object, event, request);
    }
    object.word(key!("outcome"), record.outcome.as_str());
    let error_type = record.error_type();
    if error_type.is_some() || record.error.is_some() || record.panic.is_some() {
        error(&mut object, record, error_type);
    }
    object.millis(key!("duration_ms"), record.duration);
    if let Some(request) = &request {
        measure(&mut object, request.end);
    }
    if record.draining {
        object.flag(key!("draining"));
    }
    match &record.user {
        Some(User::Id(id)) => object.text(key!("user.id"), id),
        Some(User::Hash(hash)) => object.word(key!("user.hash"), hash),
        None => {}
    }
    if !record.flags.is_empty() || !record.calls.by_dependency().is_empty() {
        flags_and_calls(&mut object, record);
    }
    if record.fields.iter().next().is_some() {
        object.object(key!("fields"), |object| template::write(object, &record.fields));
    }
    if record.fields.dropped() > 0 {
        object.number(key!("fields_dropped"), u64::from(record.fields.dropped()));
    }
    object.share(key!("sample_rate"), event.sample_rate);
    object.close();
    out.put(b"\n");
}

/// The members that are the same in every event of a service.
pub(super) fn service(service: &Service) -> Vec<u8> {
    scribe::written(|out| {
        let mut object = Object::open(out);
        object.number(key!("schema"), SCHEMA);
        object.text(key!("service.name"), &service.name);
        if let Some(version) = &service.version {
            object.text(key!("service.version"), version);
        }
        object.text(key!("service.instance.id"), &service.instance);
        if let Some(environment) = &service.environment {
            object.text(key!("deployment.environment.name"), environment);
        }
    })
}

/// The ids of the work.
#[inline]
fn identify(object: &mut Object<'_, '_>, start: &Start) {
    object.word(key!("request_id"), start.id.as_bytes());
    object.word(key!("trace_id"), start.trace.trace_id.hex());
    object.word(key!("span_id"), start.trace.span_id.hex());
    if let Some(parent) = &start.trace.parent_id {
        object.word(key!("parent_span_id"), parent.hex());
    }
    if let Some(link) = &start.trace.link {
        object.word(key!("link.trace_id"), link.trace_id.hex());
        object.word(key!("link.span_id"), link.span_id.hex());
    }
}

/// Everything that a request's head said, and the route and status that it got.
#[inline]
fn describe(object: &mut Object<'_, '_>, event: &Event<'_>, finished: &FinishedRequest<'_>) {
    let FinishedRequest { start: request, end, .. } = *finished;
    object.word(key!("http.request.method"), request.method.as_str());
    if let Some(original) = &request.method_original {
        object.text(key!("http.request.method_original"), original);
    }
    if let Some(route) = &end.route {
        object.known_text(key!("http.route"), route.as_str(), route.is_plain());
    }
    let plain = request.text.is_plain();
    object.known_text(key!("url.path"), request.path(), plain);
    if let Some(query) = request.query() {
        object.known_text(key!("url.query"), query, plain);
    }
    if let Some(version) = request.version {
        object.word(key!("network.protocol.version"), version.as_str());
    }
    match event.client(request) {
        Some(Client::Address(address)) => object.address(key!("client.address"), address),
        Some(Client::Hash(hash)) => object.word(key!("client.address"), hash),
        None => {}
    }
    if let Some(user_agent) = request.user_agent() {
        object.known_text(key!("user_agent.original"), user_agent, plain);
    }
    for (name, values) in &request.headers {
        object.prefixed_texts("http.request.header.", name, values);
    }
    if let Some(status) = end.status {
        object.number(key!("http.response.status_code"), u64::from(status));
    }
    if let Some(call) = &end.grpc {
        grpc(object, end, call);
    }
}

/// Times and sizes of a request.
#[inline]
fn measure(object: &mut Object<'_, '_>, end: &RequestEnd) {
    if let Some(time) = end.time_to_head {
        object.millis(key!("time_to_head_ms"), time);
    }
    if let Some(bytes) = end.request_bytes.filter(|bytes| *bytes > 0) {
        object.number(key!("http.request.body.size"), bytes);
    }
    object.number(key!("http.response.body.size"), end.response_bytes);
    for (name, is) in [(key!("stream"), end.stream), (key!("probe"), end.endpoint)] {
        if is {
            object.flag(name);
        }
    }
}

// What few events have is not inlined: it would lie between the instructions that each event needs.

#[inline(never)]
fn grpc(object: &mut Object<'_, '_>, end: &RequestEnd, call: &GrpcCall) {
    object.word(key!("rpc.system.name"), "grpc");
    if let Some(method) = end.route.as_ref().and_then(Route::grpc_method) {
        object.word(key!("rpc.method"), method);
    }
    if let Some(status) = call.status {
        object.word(key!("rpc.response.status_code"), status.as_str());
    }
    if let Some(messages) = call.request_messages {
        object.number(key!("grpc.request.messages"), messages);
    }
    object.number(key!("grpc.response.messages"), call.response_messages);
    if let Some(timeout) = call.timeout {
        object.millis(key!("grpc.timeout_ms"), timeout);
    }
}

#[inline(never)]
fn error(object: &mut Object<'_, '_>, record: &Record, error_type: Option<&'static str>) {
    let error = record.error.as_ref();
    if let Some(error_type) = error_type {
        object.text(key!("error.type"), error_type);
    } else if let Some(reported) = error.and_then(|error| error.type_name) {
        // An error below 500 is no failure, but its type is still worth reading.
        object.text(key!("exception.type"), reported);
    }
    if let Some(panic) = &record.panic {
        object.text(key!("error.message"), &panic.message);
        if let Some(location) = &panic.location {
            object.text(key!("error.location"), &location.to_string());
        }
    } else if let Some(error) = error {
        object.text(key!("error.message"), &error.message);
        if !error.sources.is_empty() {
            object.texts(key!("error.sources"), &error.sources);
        }
    }
}

/// As lists of objects: names that differ from service to service are values there, and no columns.
#[inline(never)]
fn flags_and_calls(object: &mut Object<'_, '_>, record: &Record) {
    object.objects(key!("feature_flags"), record.flags.iter(), |object, (key, variant)| {
        object.text(key!("key"), key);
        object.text(key!("variant"), variant);
    });
    object.objects(key!("calls"), record.calls.by_dependency().iter(), |object, calls| {
        object.text(key!("dependency"), &calls.dependency);
        object.number(key!("count"), u64::from(calls.count));
        object.number(key!("errors"), u64::from(calls.errors));
        object.millis(key!("total_ms"), calls.total);
        object.millis(key!("longest_ms"), calls.longest);
    });
    object.objects(key!("slowest_calls"), record.calls.slowest().iter(), |object, call| {
        object.text(key!("dependency"), &call.dependency);
        if let Some(operation) = &call.operation {
            object.text(key!("operation"), operation);
        }
        if let Some(status) = call.status {
            object.number(key!("status"), u64::from(status));
        }
        if call.failed {
            object.flag(key!("failed"));
        }
        object.millis(key!("start_ms"), call.start);
        object.millis(key!("duration_ms"), call.duration);
    });
}
