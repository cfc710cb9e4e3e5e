//! A log line in the Elastic Common Schema (ecs-logging, ECS 9).
//!
//! Elasticsearch rejects a whole document if the type of a field differs from the type in earlier
//! documents. So all fields of the application are texts inside the object `labels`, where every
//! name is allowed.

use std::borrow::Cow;

use super::{line::MaskedLine, value_text};
use crate::{
    record::service::Service,
    write::{
        buffer::BufferWriter,
        json::{Object, key},
    },
};

/// The version of the schema.
const VERSION: &str = "9.2.0";

/// Writes the line, with its line feed. The first three members are in the order that ecs-logging
/// requires.
pub(super) fn write(out: &mut BufferWriter<'_>, line: &MaskedLine<'_>, service: &Service) {
    let mut object = Object::open(out);
    object.time(key!("@timestamp"), line.since_1970);
    object.word(key!("log.level"), line.level.as_str());
    object.text(key!("message"), line.message);
    object.word(key!("ecs.version"), VERSION);
    object.text(key!("service.name"), &service.name);
    if let Some(version) = &service.version {
        object.text(key!("service.version"), version);
    }
    if let Some(environment) = &service.environment {
        object.text(key!("service.environment"), environment);
    }
    object.text(key!("service.node.name"), &service.instance);
    object.text(key!("event.dataset"), &service.name);
    object.text(key!("log.logger"), line.target);
    if let Some((file, number)) = line.source {
        object.object(key!("log.origin"), |origin| {
            origin.object(key!("file"), |place| {
                place.text(key!("name"), file);
                if let Some(number) = number {
                    place.number(key!("line"), number);
                }
            });
        });
    }
    if let Some(work) = &line.work {
        object.word(key!("trace.id"), work.start.trace.trace_id.hex());
        object.word(key!("transaction.id"), work.start.trace.span_id.hex());
        object.word(key!("http.request.id"), work.start.id.as_bytes());
    }
    labels(&mut object, line);
    object.close_line();
}

/// Writes the fields of the application, and the facts for which the schema has no name.
fn labels(object: &mut Object<'_, '_>, line: &MaskedLine<'_>) {
    let mut labels: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
    if let Some(route) = line.work.as_ref().and_then(|work| work.route.as_ref()) {
        labels.push(("http_route".into(), route.as_str().into()));
    }
    if line.work.as_ref().is_some_and(|work| work.ended) {
        labels.push(("request_ended".into(), "true".into()));
    }
    if line.collected {
        labels.push(("collected".into(), "true".into()));
    }
    for (name, value) in line.fields.iter() {
        let (name, value) = (label(name), value_text::of(value));
        // Elasticsearch rejects a document that has a name twice.
        match labels.iter_mut().find(|(other, _)| *other == name) {
            Some((_, earlier)) => *earlier = value,
            None => labels.push((name, value)),
        }
    }
    if labels.is_empty() {
        return;
    }
    object.object(key!("labels"), |object| {
        for (name, value) in &labels {
            object.any_text(name, value);
        }
    });
}

/// Returns the name of a label: `.`, `*` and `\` are not allowed in it, and it is not empty.
fn label(name: &str) -> Cow<'_, str> {
    if name.trim().is_empty() {
        return Cow::Borrowed("_");
    }
    match name.contains(['.', '*', '\\']) {
        true => name.replace(['.', '*', '\\'], "_").into(),
        false => name.into(),
    }
}
