//! The variables of OpenTelemetry for the export of lines.

use std::time::Duration;

use crate::{
    base::environment::Environment,
    outputs::{
        exception::ExceptionSignal,
        logs::{export::LineBatches, output::LogOutput, settings::Logs},
    },
};

#[test]
fn variables_of_opentelemetry_switch_the_export_on_and_off() {
    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
    let urls = |mut logs: Logs, pairs: &'static [(&str, &str)]| {
        let environment = Environment::of_pairs(pairs);
        logs.read_environment(&environment).expect("valid");
        assert!(environment.warnings().is_empty(), "{:?}", environment.warnings());
        let exports = logs.outputs.iter().flatten().filter_map(|output| output.export.clone());
        exports.map(|export| export.signal_url.unwrap_or_default()).collect::<Vec<_>>()
    };
    assert!(urls(Logs::new(), &[]).is_empty());
    assert_eq!(urls(Logs::new(), &[ENDPOINT]), ["http://collector:4318/v1/logs"]);
    assert_eq!(urls(LogOutput::otlp().into(), &[ENDPOINT]), ["http://collector:4318/v1/logs"]);
    assert_eq!(urls(LogOutput::otlp().into(), &[]), [""]);
    assert_eq!(urls(Logs::new(), &[("OTEL_LOGS_EXPORTER", "otlp")]), [""]);
    let exact = &[ENDPOINT, ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://logs:4318/in")];
    assert_eq!(urls(Logs::new(), exact), ["http://logs:4318/in"]);
    assert!(urls(Logs::new(), &[ENDPOINT, ("OTEL_LOGS_EXPORTER", "none")]).is_empty());
    assert!(urls(LogOutput::otlp().into(), &[("OTEL_SDK_DISABLED", "true")]).is_empty());
    assert!(urls(Logs::off(), &[ENDPOINT]).is_empty());
}

#[test]
fn variables_of_the_batch_processor_are_read() {
    let read = |pairs: &'static [(&str, &str)]| {
        let environment = Environment::of_pairs(pairs);
        let mut logs = Logs::from(LogOutput::otlp());
        logs.read_environment(&environment).expect("valid");
        let output = logs.outputs.into_iter().flatten().next().expect("an output");
        let timeout = output.export.expect("an export").timeout;
        (output.batches, timeout, environment.take_warnings())
    };
    let (batches, timeout, warnings) = read(&[]);
    let seconds = |seconds| Duration::from_secs(seconds);
    assert_eq!(batches, LineBatches { queue: usize::MAX, batch: 512, delay: seconds(1) });
    assert_eq!((timeout, warnings.len()), (None, 0));
    let (batches, timeout, warnings) = read(&[
        ("OTEL_BLRP_SCHEDULE_DELAY", "2000"),
        ("OTEL_BLRP_EXPORT_TIMEOUT", "3000"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "100"),
    ]);
    assert_eq!(batches, LineBatches { queue: 100, batch: 100, delay: seconds(2) });
    assert_eq!((timeout, warnings.len()), (Some(seconds(3)), 0));
    let own = &[("OTEL_BLRP_EXPORT_TIMEOUT", "3000"), ("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "4000")];
    assert_eq!(read(own).1, Some(seconds(4)), "the exporter's own timeout wins");
    let wrong = [
        ("OTEL_BLRP_SCHEDULE_DELAY", "soon"),
        ("OTEL_BLRP_EXPORT_TIMEOUT", "0"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "-1"),
        ("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", "spans"),
    ];
    let wrong: &'static [_] = Box::leak(Box::new(wrong));
    let (batches, timeout, warnings) = read(wrong);
    assert_eq!((batches, timeout), (LineBatches::default(), None));
    for (name, _) in wrong {
        assert_eq!(
            warnings.iter().filter(|warning| warning.contains(name)).count(),
            1,
            "{name}: {warnings:?}"
        );
    }
}

#[test]
fn exceptions_move_to_logs_only_if_lines_are_exported() {
    let read = |logs: Logs, pairs: &'static [(&str, &str)]| {
        let (mut logs, environment) = (logs, Environment::of_pairs(pairs));
        logs.read_environment(&environment).expect("valid");
        (logs.exceptions, environment.take_warnings().len())
    };
    const ONLY: (&str, &str) = ("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", "logs");
    const BOTH: (&str, &str) = ("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", "logs/dup");
    assert_eq!(read(LogOutput::otlp().into(), &[]), (ExceptionSignal::Spans, 0));
    assert_eq!(read(LogOutput::otlp().into(), &[ONLY]), (ExceptionSignal::Logs, 0));
    assert_eq!(read(LogOutput::otlp().into(), &[BOTH]), (ExceptionSignal::Both, 0));
    assert_eq!(read(Logs::new(), &[ONLY]), (ExceptionSignal::Spans, 1), "no lines are exported");
    let disabled = &[ONLY, ("OTEL_SDK_DISABLED", "true")];
    assert_eq!(read(LogOutput::otlp().into(), disabled), (ExceptionSignal::Spans, 0));
}
