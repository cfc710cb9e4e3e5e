//! The export of lines over OTLP: the `OTEL_*` variables that configure it, and its batches.

use std::time::Duration;

use super::output::LogOutput;
use crate::{
    base::environment::Environment,
    outputs::{
        delivery::queue::limits::{Pace, QueueBounds},
        exception::ExceptionSignal,
        otlp::{environment::SignalVariables, export::Export, signal::LOGS},
    },
};

/// The limits of the export of lines. The defaults are those of OpenTelemetry's specification for
/// its batch processor; the number of waiting lines is limited only by their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LineBatches {
    /// The limit of waiting lines.
    pub(super) queue: usize,
    /// The limit of lines in one export.
    pub(super) batch: usize,
    /// The time for which the first line of a batch waits for others.
    pub(super) delay: Duration,
}

impl Default for LineBatches {
    fn default() -> Self {
        Self { queue: usize::MAX, batch: 512, delay: Duration::from_secs(1) }
    }
}

impl LineBatches {
    /// Applies the variables of the batch processor. An invalid value causes a warning.
    pub(super) fn read(&mut self, variables: &mut SignalVariables<'_>, export: &mut Export) {
        let positive = |number: &usize| *number > 0;
        if let Some(lines) = variables.number("OTEL_BLRP_MAX_QUEUE_SIZE", "a whole number above 0", positive)
        {
            self.queue = lines;
        }
        if let Some(lines) =
            variables.number("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "a whole number above 0", positive)
        {
            self.batch = lines;
        }
        self.batch = self.batch.min(self.queue);
        if let Some(millis) = variables.number("OTEL_BLRP_SCHEDULE_DELAY", "milliseconds", |_: &u64| true) {
            self.delay = Duration::from_millis(millis);
        }
        let timeout =
            variables.number("OTEL_BLRP_EXPORT_TIMEOUT", "milliseconds above 0", |millis: &u64| *millis > 0);
        export.timeout = export.timeout.or(timeout.map(Duration::from_millis));
    }

    /// The limits of the queue, and the intervals of its worker.
    pub(super) const fn limits(&self, bytes: usize) -> (QueueBounds, Pace) {
        let bounds = QueueBounds { entries: self.queue, bytes, patience: Duration::ZERO };
        (bounds, Pace { delay: self.delay, batch: self.batch, park_after: Duration::ZERO })
    }
}

/// Applies the `OTEL_*` variables to the export of lines, which they also switch on and off.
/// Without any output, they are ignored.
pub(super) fn read_environment(outputs: &mut Vec<LogOutput>, environment: &Environment) -> ExceptionSignal {
    if outputs.is_empty() {
        return ExceptionSignal::default();
    }
    let get = |name: &str| environment.get(name);
    let mut warnings = Vec::new();
    let mut variables = SignalVariables::new(&get, &mut warnings, &LOGS);
    let exporter = variables.exporter();
    let collector = variables.url();
    let disabled = variables.disabled();
    if disabled || exporter == Some(false) {
        outputs.retain(|output| output.export.is_none());
    } else {
        let named = collector.is_some() || exporter == Some(true);
        if named && outputs.iter().all(|output| output.export.is_none()) {
            outputs.push(LogOutput::otlp());
        }
        for output in outputs.iter_mut() {
            if let Some(export) = &mut output.export {
                variables.export(export, collector.clone());
                output.batches.read(&mut variables, export);
            }
        }
    }
    let exports = outputs.iter().any(|output| output.export.is_some());
    let exceptions = if disabled { ExceptionSignal::default() } else { exceptions(&mut variables, exports) };
    warnings.into_iter().for_each(|warning| environment.warn(warning));
    exceptions
}

/// Returns the signals that contain exceptions. They stay events of spans if no lines are exported,
/// so that they are not lost.
fn exceptions(variables: &mut SignalVariables<'_>, exports: bool) -> ExceptionSignal {
    let Some((name, value)) = variables.read("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN") else {
        return ExceptionSignal::default();
    };
    let parsed = ExceptionSignal::parse(&value).filter(|_| exports);
    if parsed.is_none() {
        let expected = if exports { "`logs` or `logs/dup`" } else { "unset if lines are not exported" };
        variables.warn(&name, value, expected);
    }
    parsed.unwrap_or_default()
}
