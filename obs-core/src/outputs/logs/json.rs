//! A log line as JSON, with the names of the events.

use super::line::MaskedLine;
use crate::{
    outputs::facts::template,
    record::service::Service,
    write::{
        buffer::{self, BufferWriter},
        json::{Object, key},
    },
};

/// The members of the observer's own service, which are the same in most lines, written once.
pub(super) struct ServiceMembers {
    service: Service,
    members: Vec<u8>,
}

impl ServiceMembers {
    pub(super) fn new(service: &Service) -> Self {
        let members = buffer::written(|out| write_service(&mut Object::open(out), service));
        Self { service: service.clone(), members }
    }

    fn write(&self, object: &mut Object<'_, '_>, service: &Service) {
        if self.service == *service {
            object.members(&self.members);
        } else {
            write_service(object, service);
        }
    }
}

#[inline(never)]
fn write_service(object: &mut Object<'_, '_>, service: &Service) {
    object.text(key!("service.name"), &service.name);
    if let Some(version) = &service.version {
        object.text(key!("service.version"), version);
    }
    object.text(key!("service.instance.id"), &service.instance);
    if let Some(environment) = &service.environment {
        object.text(key!("deployment.environment.name"), environment);
    }
}

/// Writes the line, with its line feed.
pub(super) fn write(
    out: &mut BufferWriter<'_>,
    line: &MaskedLine<'_>,
    service: &Service,
    own: &ServiceMembers,
) {
    let mut object = Object::open(out);
    object.time(key!("time"), line.since_1970);
    object.word(key!("level"), line.level.as_str());
    object.text(key!("message"), line.message);
    own.write(&mut object, service);
    if let Some(work) = &line.work {
        object.word(key!("request_id"), work.start.id.as_bytes());
        object.word(key!("trace_id"), work.start.trace.trace_id.hex());
        object.word(key!("span_id"), work.span_id.hex());
        if let Some(route) = &work.route {
            object.text(key!("http.route"), route.as_str());
        }
        if work.ended {
            object.flag(key!("request_ended"));
        }
    }
    if line.collected {
        object.flag(key!("collected"));
    }
    object.text(key!("target"), line.target);
    if let Some((file, number)) = line.source {
        object.text(key!("code.file.path"), file);
        if let Some(number) = number {
            object.number(key!("code.line.number"), number);
        }
    }
    if line.fields.iter().next().is_some() {
        object.object(key!("fields"), |object| template::write(object, &line.fields));
    }
    object.close_line();
}
