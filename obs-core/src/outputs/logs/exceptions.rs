//! Errors and panics of requests as log records over OTLP, if
//! `OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN` asks for them.
//!
//! ```text
//! record ─▶ error ──────────────────────────────────▶ each OTLP output
//!       └─▶ panic ─▶ backlog ─▶ a thread adds frames ─▶
//! ```
//! The symbols of a backtrace take milliseconds to resolve, so the request's thread does not do it.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::{
    LogPipeline, OWN_TARGET,
    format::LineStyle,
    line::{LineWork, MaskedLine},
    otlp,
};
use crate::{
    base::thread::spawn,
    extension::sink::RecordSink,
    outputs::exception::{Exception, MESSAGE, STACKTRACE, TYPE, with_frames},
    record::{call::CallTarget, fields::Fields, finished::Record, log_level::LogLevel},
    write::buffer,
};

/// The maximum number of panics that wait for their frames. Further ones have only their place.
const MOST: usize = 64;

/// The records of requests that panicked, which wait for their frames.
#[derive(Default)]
pub(super) struct PanicBacklog {
    state: Mutex<BacklogState>,
    /// Held while records are written.
    writing: Mutex<()>,
}

#[derive(Default)]
struct BacklogState {
    records: VecDeque<Record>,
    /// True if the thread runs.
    running: bool,
}

impl PanicBacklog {
    fn lock(&self) -> MutexGuard<'_, BacklogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room(&self) -> bool {
        self.lock().records.len() < MOST
    }

    /// Adds a record. Returns true if the thread must be started.
    fn push(&self, record: Record) -> bool {
        let mut state = self.lock();
        state.records.push_back(record);
        !mem::replace(&mut state.running, true)
    }
}

/// The sink that writes exceptions.
pub(super) struct ExceptionRecords(pub(super) Arc<LogPipeline>);

impl RecordSink for ExceptionRecords {
    fn name(&self) -> &str {
        "logs"
    }

    fn wants_starts(&self) -> bool {
        false
    }

    fn on_finish(&self, record: &Record) {
        if record.error.is_none() && record.panic.is_none() {
            return;
        }
        for exception in Exception::all(record) {
            if exception.backtrace.is_none() || !self.0.panicked.has_room() {
                self.0.write_exception(record, exception);
            } else if self.0.panicked.push(record.clone()) {
                let pipeline = Arc::clone(&self.0);
                // Without a thread, the next flush writes the record.
                if spawn("obs-exceptions", Box::new(move || pipeline.run_backlog())).is_err() {
                    self.0.panicked.lock().running = false;
                }
            }
        }
    }
}

impl LogPipeline {
    /// Writes the backlog until it is empty.
    fn run_backlog(&self) {
        loop {
            self.write_backlog(None);
            let mut state = self.panicked.lock();
            if state.records.is_empty() {
                state.running = false;
                return;
            }
        }
    }

    /// Writes the panics of the backlog. After `deadline` they have no frames.
    pub(super) fn write_backlog(&self, deadline: Option<Instant>) {
        let _writing = self.panicked.writing.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let Some(record) = self.panicked.lock().records.pop_front() else { return };
            let in_time = deadline.is_none_or(|deadline| Instant::now() < deadline);
            for mut exception in Exception::all(&record) {
                let Some(backtrace) = exception.backtrace else { continue };
                if in_time {
                    exception.stacktrace = Some(with_frames(exception.stacktrace.as_deref(), backtrace));
                }
                self.write_exception(&record, exception);
            }
        }
    }

    fn write_exception(&self, record: &Record, exception: Exception<'_>) {
        let mut fields = Fields::default();
        if let Some(kind) = exception.kind {
            fields.set(TYPE.into(), kind.into());
        }
        fields.set(MESSAGE.into(), exception.message.to_owned().into());
        if let Some(stacktrace) = exception.stacktrace {
            fields.set(STACKTRACE.into(), stacktrace.into());
        }
        let start = record.start();
        let end = record.request().map(|request| request.end);
        let (event, level) = event_of(record);
        let line = MaskedLine {
            since_1970: start.since_1970.saturating_add(record.duration),
            level,
            target: OWN_TARGET,
            message: exception.message,
            fields,
            source: None,
            work: Some(LineWork {
                start,
                span_id: start.trace.span_id,
                route: end.and_then(|end| end.route.clone()),
                ended: false,
            }),
            collected: false,
        };
        let bytes = buffer::written(|out| otlp::write(out, &line, Some(event)));
        let exports = self.outputs.iter().filter(|output| matches!(output.style, LineStyle::Otlp));
        exports.for_each(|output| output.destination.queue.push((&bytes, None)));
    }
}

/// Returns the name of the event of an exception and its level (semantic conventions for exceptions
/// in logs).
fn event_of(record: &Record) -> (&'static str, LogLevel) {
    if let Some(request) = record.request() {
        let grpc = request.end.grpc.is_some();
        let event = if grpc { "rpc.server.call.exception" } else { "http.server.request.exception" };
        return (event, LogLevel::Error);
    }
    let event = match record.call().map(|call| &call.start.target) {
        Some(CallTarget::Http(_)) => "http.client.request.exception",
        Some(CallTarget::Grpc(_)) => "rpc.client.call.exception",
        Some(CallTarget::Database(_)) => "db.client.operation.exception",
        Some(CallTarget::Other) | None => "exception",
    };
    (event, LogLevel::Warn)
}
