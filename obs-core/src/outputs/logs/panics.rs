//! Panics that no request records, as log lines. The panic hook of the process writes them.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic::PanicHookInfo,
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
};

use super::{LogPipeline, line::LogLine};
use crate::{base::panic::message_of, record::log_level::LogLevel, work::handle::Work};

/// The target of the lines.
const TARGET: &str = "panic";

/// The pipelines that write such lines. The hook is one for the whole process, too.
static PIPELINES: Mutex<Vec<Weak<LogPipeline>>> = Mutex::new(Vec::new());

impl LogPipeline {
    /// Writes a line for each panic of the process that no request records, from now on. Further
    /// calls change nothing.
    ///
    /// The line has the level error, the target `panic`, the thread and the location. It has a
    /// backtrace if `RUST_BACKTRACE` is set. The [panic hook](crate::ObserverBuilder::panic_hook)
    /// writes the line, so the hook must be installed.
    pub fn write_panics(self: &Arc<Self>) {
        let mut pipelines = PIPELINES.lock().unwrap_or_else(PoisonError::into_inner);
        pipelines.retain(|pipeline| pipeline.strong_count() > 0);
        if !pipelines.iter().any(|pipeline| Weak::ptr_eq(pipeline, &Arc::downgrade(self))) {
            pipelines.push(Arc::downgrade(self));
        }
    }
}

/// Writes the line of a panic to all pipelines. Only the panic hook may call it.
pub(crate) fn write(info: &PanicHookInfo<'_>, work: &Work) {
    // The lock is released before the lines are written, because a drop of a pipeline takes time.
    let pipelines = PIPELINES.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let pipelines: Vec<_> = pipelines
        .iter()
        .filter_map(Weak::upgrade)
        .filter(|pipeline| pipeline.levels().writes(TARGET, LogLevel::Error))
        .collect();
    if pipelines.is_empty() {
        return;
    }
    let message = format!("panicked: {}", message_of(info.payload()));
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    let thread = thread::current();
    for pipeline in pipelines {
        let mut line = LogLine::new(LogLevel::Error, TARGET, &*message)
            .field("thread.name", thread.name().unwrap_or("unnamed").to_owned())
            .of(work.clone());
        if let Some(location) = info.location() {
            line = line.source(location.file(), Some(location.line()));
        }
        if let Some(backtrace) = &backtrace {
            line = line.field("exception.stacktrace", backtrace.clone());
        }
        pipeline.write(line);
    }
}
