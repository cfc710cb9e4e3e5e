//! The table of the histograms of requests. A histogram is one row. Everything else about it is
//! read from its row.

use super::{
    histogram::{CurrentHistograms, Unit},
    settings::{MetricNaming, Metrics},
};
use crate::{
    base::clock::nanos,
    record::finished::{Record, RequestEnd},
};

/// A row of the table.
pub(super) struct RequestHistogram {
    /// The name in the naming of Prometheus.
    pub(super) prometheus: &'static str,
    /// The name in the naming of OpenTelemetry. The semantic conventions for HTTP define it, in the
    /// form that Prometheus writes. A histogram that they lack has a similar name.
    pub(super) opentelemetry: &'static str,
    /// The name for gRPC calls in the naming of OpenTelemetry, whose conventions have metrics of
    /// their own for calls.
    pub(super) rpc: &'static str,
    pub(super) help: &'static str,
    pub(super) unit: Unit,
    /// Returns the upper bounds of the buckets, in the unit.
    pub(super) buckets: fn(&Metrics) -> &[f64],
    /// The setting that switches the histogram on; `None` for a histogram that is always on.
    pub(super) enabled: Option<fn(&Metrics) -> bool>,
    /// Returns the value of a request, in nanoseconds or bytes; `None` if the request has none.
    pub(super) value: fn(&Record, &RequestEnd) -> Option<u64>,
}

impl RequestHistogram {
    pub(super) const fn name(&self, naming: MetricNaming) -> &'static str {
        match naming {
            MetricNaming::Prometheus => self.prometheus,
            MetricNaming::OpenTelemetry => self.opentelemetry,
        }
    }
}

/// Defines the table, and the function that observes a request. The function is written out for
/// each row, because the compiler does not unroll a loop over the rows: it would call each `value`
/// through a pointer.
macro_rules! request_histograms {
    ($($row:ident: $histogram:expr;)+) => {
        /// The places of the rows.
        #[expect(non_camel_case_types, reason = "they are the names of rows")]
        enum HistogramIndex { $($row),+ }

        /// The histograms that each series has.
        pub(super) const REQUEST_HISTOGRAMS: [RequestHistogram; [$(HistogramIndex::$row),+].len()] = [$($histogram),+];

        /// Observes a request in the histograms of its series. Returns the bucket and the value
        /// of its duration, if it has one.
        #[inline]
        pub(super) fn observe(
            histograms: CurrentHistograms<'_>,
            record: &Record,
            end: &RequestEnd,
        ) -> Option<(usize, u64)> {
            let mut duration = None;
            $({
                const ROW: RequestHistogram = $histogram;
                let part = HistogramIndex::$row as usize;
                if (ROW.enabled.is_none() || histograms.has(part))
                    && let Some(value) = (ROW.value)(record, end)
                {
                    let bucket = histograms.observe(part, value);
                    if part == DURATION {
                        duration = Some((bucket, value));
                    }
                }
            })+
            duration
        }
    };
}

/// The row that counts the requests. Its buckets have exemplars.
pub(super) const DURATION: usize = HistogramIndex::duration as usize;

request_histograms! {
    duration: RequestHistogram {
        prometheus: "http_request_duration_seconds",
        opentelemetry: "http_server_request_duration_seconds",
        rpc: "rpc_server_call_duration_seconds",
        help: "Time from a request's head to its response's last byte.",
        unit: Unit::Seconds,
        buckets: duration_buckets,
        enabled: None,
        value: |record, end| (!end.stream).then(|| nanos(record.duration)),
    };
    request_size: RequestHistogram {
        prometheus: "http_request_size_bytes",
        opentelemetry: "http_server_request_body_size_bytes",
        rpc: "rpc_server_request_size_bytes",
        help: "Size of the request's body, where it is known.",
        unit: Unit::Bytes,
        buckets: |settings| &settings.size,
        enabled: None,
        value: |_, end| end.request_bytes,
    };
    response_size: RequestHistogram {
        prometheus: "http_response_size_bytes",
        opentelemetry: "http_server_response_body_size_bytes",
        rpc: "rpc_server_response_size_bytes",
        help: "Bytes of the response's body that were handed to the transport.",
        unit: Unit::Bytes,
        buckets: |settings| &settings.size,
        enabled: None,
        value: |_, end| end.status.is_some().then_some(end.response_bytes),
    };
    time_to_head: RequestHistogram {
        prometheus: "http_response_head_seconds",
        opentelemetry: "http_server_response_head_duration_seconds",
        rpc: "rpc_server_response_head_duration_seconds",
        help: "Time from a request's head to its response's head.",
        unit: Unit::Seconds,
        buckets: duration_buckets,
        enabled: Some(|settings| settings.response_head),
        value: |_, end| end.time_to_head.map(nanos),
    };
}

/// The duration of streams. It is not in the table, because few series have streams: those keep it
/// in a block of its own.
pub(super) const STREAM: RequestHistogram = RequestHistogram {
    prometheus: "http_stream_duration_seconds",
    opentelemetry: "http_server_stream_duration_seconds",
    rpc: "rpc_server_stream_duration_seconds",
    help: "Time that long-lived streams lasted; they are not in the latency.",
    unit: Unit::Seconds,
    buckets: |settings| &settings.stream,
    enabled: None,
    value: |record, end| end.stream.then(|| nanos(record.duration)),
};

/// The bounds of the duration's buckets: those of the settings, otherwise those of the naming.
pub(super) fn duration_buckets(settings: &Metrics) -> &[f64] {
    const PROMETHEUS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    const OPENTELEMETRY: &[f64] =
        &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
    settings.duration.as_deref().unwrap_or(match settings.naming {
        MetricNaming::Prometheus => PROMETHEUS,
        MetricNaming::OpenTelemetry => OPENTELEMETRY,
    })
}
