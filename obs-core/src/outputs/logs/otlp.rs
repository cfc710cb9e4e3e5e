//! Log lines over OTLP (OpenTelemetry's log data model): their encoding, and the sink that sends
//! them to a collector (feature `otlp`).

use std::time::Duration;

use super::line::MaskedLine;
use crate::{
    base::{build_error::BuildError, value::Value},
    extension::setup::Setup,
    outputs::{
        delivery::{
            batch::Batch,
            failure::{Delivered, Failure},
            sink::BatchSink,
        },
        otlp::{
            attribute,
            client::CollectorClient,
            envelope::{Envelope, ItemScope},
            export::Export,
            protobuf::{bytes, bytes_head, bytes_length, fixed32, fixed64, number},
            resource,
            signal::LOGS,
        },
    },
    record::log_level::LogLevel,
    write::buffer::{self, BufferWriter},
};

/// The limit of a message, in bytes before compression. Collectors limit messages, too.
const MAX_MESSAGE: usize = 1024 * 1024;

// Field numbers of `ScopeLogs`, `InstrumentationScope`, `LogRecord` and `AnyValue`.
const SCOPE: u8 = 1;
const SCOPE_NAME: u8 = 1;
const RECORD: u8 = 2;
const TIME: u8 = 1;
const SEVERITY_NUMBER: u8 = 2;
const SEVERITY_TEXT: u8 = 3;
const BODY: u8 = 5;
const ATTRIBUTE: u8 = 6;
const FLAGS: u8 = 8;
const TRACE_ID: u8 = 9;
const SPAN_ID: u8 = 10;
const OBSERVED_TIME: u8 = 11;
const EVENT_NAME: u8 = 12;
const TEXT: u8 = 1;

/// Writes a line as a `ScopeLogs` message with one record. The target of the line is the scope.
/// `event` is the name of an event of OpenTelemetry's conventions.
pub(super) fn write(out: &mut BufferWriter<'_>, line: &MaskedLine<'_>, event: Option<&str>) {
    let record = buffer::written(|out| {
        record(out, line);
        if let Some(name) = event {
            bytes(out, EVENT_NAME, name.as_bytes());
        }
    });
    bytes_head(out, SCOPE, bytes_length(line.target.len()));
    bytes(out, SCOPE_NAME, line.target.as_bytes());
    bytes(out, RECORD, &record);
}

fn record(out: &mut BufferWriter<'_>, line: &MaskedLine<'_>) {
    let time = u64::try_from(line.since_1970.as_nanos()).unwrap_or(u64::MAX);
    let (severity, text) = severity(line.level);
    fixed64(out, TIME, time);
    number(out, SEVERITY_NUMBER, severity);
    bytes(out, SEVERITY_TEXT, text.as_bytes());
    bytes_head(out, BODY, bytes_length(line.message.len()));
    bytes(out, TEXT, line.message.as_bytes());
    let mut add = |name: &str, value: &Value| attribute::value(out, ATTRIBUTE, name, value);
    if let Some((file, number)) = line.source {
        add("code.file.path", &file.into());
        if let Some(number) = number {
            add("code.line.number", &number.into());
        }
    }
    for (name, value) in line.fields.iter() {
        add(name, value);
    }
    if line.collected {
        add("collected", &true.into());
    }
    if let Some(work) = &line.work {
        add("request_id", &work.start.id.as_str().into());
        if let Some(route) = &work.route {
            add("http.route", &route.as_str().into());
        }
        if work.ended {
            add("request_ended", &true.into());
        }
        let trace = &work.start.trace;
        fixed32(out, FLAGS, u32::from(trace.flags.to_byte()));
        bytes(out, TRACE_ID, &trace.trace_id.to_bytes());
        bytes(out, SPAN_ID, &work.span_id.to_bytes());
    }
    fixed64(out, OBSERVED_TIME, time);
}

/// The severity's number and text.
const fn severity(level: LogLevel) -> (u64, &'static str) {
    match level {
        LogLevel::Trace => (1, "TRACE"),
        LogLevel::Debug => (5, "DEBUG"),
        LogLevel::Info => (9, "INFO"),
        LogLevel::Warn => (13, "WARN"),
        LogLevel::Error => (17, "ERROR"),
    }
}

/// A sink that sends lines to a collector.
pub(super) struct OtlpLogs {
    client: CollectorClient,
    envelope: Envelope,
    /// The limit of lines in one message.
    most: usize,
}

impl OtlpLogs {
    pub(super) fn new(export: Export, most: usize, setup: &Setup<'_>) -> Result<Self, BuildError> {
        let named = setup.environment.get("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        let resource = resource::detect(setup.service, setup.environment, resource::parse_list(&named));
        let scope = ItemScope { name: "", version: "", schema_url: "" };
        Ok(Self {
            client: CollectorClient::new(export.target(&LOGS)?),
            envelope: Envelope::new(&resource, &scope),
            most,
        })
    }
}

impl BatchSink for OtlpLogs {
    fn send(&mut self, batch: &Batch<'_>) -> Result<Delivered, Failure> {
        let mut size = 0_usize;
        let fits = |line: &&[u8]| {
            let first = size == 0;
            size = size.saturating_add(line.len());
            first || size <= MAX_MESSAGE
        };
        let lines: Vec<_> = batch.each_bytes().take(self.most).take_while(fits).map(<[u8]>::to_vec).collect();
        let body = self.client.compressed(self.envelope.message(&[], &lines));
        match self.client.send(&body, |timeout: Duration| timeout) {
            Ok(delivered) => Ok(delivered.of(lines.len())),
            Err(failure) => failure.reject(lines.len()),
        }
    }
}
