//! A log line with the names of Google Cloud Logging.

use super::line::MaskedLine;
use crate::{
    outputs::facts::template,
    record::{log_level::LogLevel, service::Service},
    write::{
        buffer::BufferWriter,
        json::{Object, key},
    },
};

/// Writes the line, with its line feed. Without a project, the trace is only its id.
pub(super) fn write(
    out: &mut BufferWriter<'_>,
    line: &MaskedLine<'_>,
    service: &Service,
    project: Option<&str>,
) {
    let mut object = Object::open(out);
    object.word(key!("severity"), severity(line.level));
    object.time(key!("time"), line.since_1970);
    object.text(key!("message"), line.message);
    object.object(key!("serviceContext"), |context| {
        context.text(key!("service"), &service.name);
        if let Some(version) = &service.version {
            context.text(key!("version"), version);
        }
    });
    if let Some(work) = &line.work {
        let trace = &work.start.trace;
        match project {
            Some(project) => {
                let name = format!("projects/{project}/traces/{}", trace.trace_id);
                object.text(key!("logging.googleapis.com/trace"), &name);
            }
            None => object.word(key!("logging.googleapis.com/trace"), trace.trace_id.hex()),
        }
        object.word(key!("logging.googleapis.com/spanId"), work.span_id.hex());
        if trace.flags.is_sampled() {
            object.flag(key!("logging.googleapis.com/trace_sampled"));
        }
        object.word(key!("request_id"), work.start.id.as_bytes());
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
        object.object(key!("logging.googleapis.com/sourceLocation"), |place| {
            place.text(key!("file"), file);
            if let Some(number) = number {
                // The API has a 64-bit number here, which JSON writes as a text.
                place.word(key!("line"), number.to_string());
            }
        });
    }
    if line.fields.iter().next().is_some() {
        object.object(key!("fields"), |object| template::write(object, &line.fields));
    }
    object.close_line();
}

const fn severity(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "ERROR",
        LogLevel::Warn => "WARNING",
        LogLevel::Info => "INFO",
        LogLevel::Debug | LogLevel::Trace => "DEBUG",
    }
}
