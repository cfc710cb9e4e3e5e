//! A log line in the Elastic Common Schema (ecs-logging, ECS 9).
//!
//! Elasticsearch rejects a whole document if a field has another kind than before. So all fields of
//! the application are below `labels`, as texts, where every name is allowed.

use super::{line::MaskedLine, value_text};
use crate::{
    base::value::Value,
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
    let route = line.work.as_ref().and_then(|work| work.route.as_ref());
    let ended = line.work.as_ref().is_some_and(|work| work.ended);
    if route.is_none() && !ended && !line.collected && line.fields.iter().next().is_none() {
        return;
    }
    object.object(key!("labels"), |labels| {
        if let Some(route) = route {
            labels.text(key!("http_route"), route.as_str());
        }
        if ended {
            labels.word(key!("request_ended"), "true");
        }
        if line.collected {
            labels.word(key!("collected"), "true");
        }
        for (name, value) in line.fields.iter() {
            labels.any_key(&label(name));
            labels.bare_value(&Value::Str(value_text::of(value).into_owned().into()));
        }
    });
}

/// Returns the name of a label: `.`, `*` and `\` are not allowed in it.
fn label(name: &str) -> String {
    name.replace(['.', '*', '\\'], "_")
}
