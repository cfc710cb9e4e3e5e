//! The exceptions of finished work, which are its error and its panic, by OpenTelemetry's
//! conventions.

use std::{backtrace::Backtrace, sync::Arc};

use crate::{
    base::{panic::PanicReport, text::bounded},
    record::{error::ErrorReport, finished::Record},
};

pub(crate) const TYPE: &str = "exception.type";
pub(crate) const MESSAGE: &str = "exception.message";
pub(crate) const STACKTRACE: &str = "exception.stacktrace";

/// The limit of an exported backtrace, in bytes.
pub(crate) const MAX_BACKTRACE: usize = 16 * 1024;

/// The signals that contain exceptions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ExceptionSignal {
    /// Events of spans.
    #[default]
    Spans,
    /// Log records.
    Logs,
    #[cfg(feature = "logs")]
    Both,
}

impl ExceptionSignal {
    /// Parses the value of `OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN`.
    #[cfg(feature = "logs")]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "logs" => Some(Self::Logs),
            "logs/dup" => Some(Self::Both),
            _ => None,
        }
    }

    #[cfg(feature = "logs")]
    pub(crate) fn is_in_logs(self) -> bool {
        self != Self::Spans
    }

    #[cfg(feature = "otel")]
    pub(crate) fn is_in_spans(self) -> bool {
        self != Self::Logs
    }
}

/// An exception of a record.
pub(crate) struct Exception<'a> {
    pub(crate) kind: Option<&'static str>,
    pub(crate) message: &'a str,
    /// The sources of an error, or the place of a panic.
    pub(crate) stacktrace: Option<String>,
    /// The stack of a panic, whose symbols are not resolved.
    #[cfg_attr(not(feature = "logs"), expect(dead_code, reason = "spans keep it themselves"))]
    pub(crate) backtrace: Option<&'a Arc<Backtrace>>,
}

impl<'a> Exception<'a> {
    /// Returns the exceptions of the error and of the panic, which is the last.
    pub(crate) fn all(record: &'a Record) -> impl Iterator<Item = Self> {
        let error = record.error.as_deref().filter(|_| !is_only_a_message(record)).map(Self::of_error);
        error.into_iter().chain(record.panic.as_deref().map(Self::of_panic))
    }

    fn of_error(error: &'a ErrorReport) -> Self {
        let sources: Vec<_> = error.sources.iter().map(|source| format!("caused by: {source}")).collect();
        let stacktrace = (!sources.is_empty()).then(|| sources.join("\n"));
        Self { kind: error.type_name, message: &error.message, stacktrace, backtrace: None }
    }

    fn of_panic(panic: &'a PanicReport) -> Self {
        Self {
            kind: Some("panic"),
            message: &panic.message,
            stacktrace: panic.location.as_ref().map(|location| format!("at {location}")),
            backtrace: panic.backtrace.as_ref(),
        }
    }
}

/// Returns true if the error is only the message of a gRPC status, which is not an exception.
pub(crate) fn is_only_a_message(record: &Record) -> bool {
    let bare = |error: &ErrorReport| error.type_name.is_none() && error.sources.is_empty();
    let grpc = record.request().is_some_and(|request| request.end.grpc.is_some());
    grpc && record.error.as_deref().is_some_and(bare)
}

/// Returns the frames of a panic below its place. Symbols are resolved here, which takes
/// milliseconds.
pub(crate) fn with_frames(place: Option<&str>, backtrace: &Backtrace) -> String {
    let text = match place {
        Some(place) => format!("{place}\n{backtrace}"),
        None => backtrace.to_string(),
    };
    bounded(&text, MAX_BACKTRACE).into_owned()
}
