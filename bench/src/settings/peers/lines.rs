//! Other crates that write log lines as JSON. The ids of the request come from a span around the
//! lines, or with `logforth` from the line itself.

use std::{fmt, io};

use log::kv::ToValue as _;
use logforth::{
    Append, Diagnostic, Error, Layout,
    layout::JsonLayout,
    record::{LevelFilter, Record},
};
use tracing_bunyan_formatter::{BunyanFormattingLayer, JsonStorageLayer};
use tracing_subscriber::{Layer as _, Registry, filter::LevelFilter as Level, layer::SubscriberExt as _};

use super::super::{
    Setting,
    lines::{NONE, times, write},
};
use crate::drive::Drive;

const REQUEST_ID: &str = "01a22f2a-a5a9-7f4f-87af-0cf7c8baf678";
const TRACE_ID: &str = "784879e5bc13507a4b32d410f3bf3b42";
const SPAN_ID: &str = "3615c253d7b96bef";
const ROUTE: &str = "/orders/{id}";

pub(in super::super) static FMT_JSON: Setting = Setting {
    name: "line-tracing-subscriber-json",
    bare: Some(&NONE),
    run: |drive| {
        // The list of spans would repeat the current span.
        let layer = tracing_subscriber::fmt::layer().json().with_span_list(false).with_writer(io::sink);
        in_span(drive, tracing_subscriber::registry().with(layer.with_filter(Level::INFO)));
    },
};

pub(in super::super) static BUNYAN: Setting = Setting {
    name: "line-bunyan",
    bare: Some(&NONE),
    run: |drive| {
        let layer = BunyanFormattingLayer::new("bench".to_owned(), io::sink);
        in_span(drive, Registry::default().with(Level::INFO).with(JsonStorageLayer).with(layer));
    },
};

pub(in super::super) static JSON_SUBSCRIBER: Setting = Setting {
    name: "line-json-subscriber",
    bare: Some(&NONE),
    run: |drive| {
        let layer = json_subscriber::fmt::layer().with_span_list(false).with_writer(io::sink);
        in_span(drive, Registry::default().with(Level::INFO).with(layer));
    },
};

pub(in super::super) static LOGFORTH: Setting = Setting {
    name: "line-logforth",
    bare: Some(&NONE),
    run: |drive| {
        let info = LevelFilter::MoreSevereEqual(logforth::record::Level::Info);
        logforth::starter_log::builder()
            .dispatch(|dispatch| dispatch.filter(info).append(Discarded::default()))
            .apply();
        times(drive, |order| {
            log::info!(
                request_id = REQUEST_ID, trace_id = TRACE_ID, span_id = SPAN_ID, route = ROUTE, order,
                customer = "c-1029", total = 12.5.to_value();
                "the order is placed"
            );
        });
    },
};

/// Writes lines in a span with the ids of a request.
fn in_span(drive: Drive, subscriber: impl tracing::Subscriber + Send + Sync) {
    tracing::subscriber::set_global_default(subscriber).expect("the first subscriber");
    let span = tracing::info_span!(
        "request",
        request_id = REQUEST_ID,
        trace_id = TRACE_ID,
        span_id = SPAN_ID,
        route = ROUTE
    );
    span.in_scope(|| times(drive, write));
}

/// Formats lines and discards them.
#[derive(Default)]
struct Discarded(JsonLayout);

impl Append for Discarded {
    fn append(&self, record: &Record, diagnostics: &[Box<dyn Diagnostic>]) -> Result<(), Error> {
        std::hint::black_box(self.0.format(record, diagnostics)?);
        Ok(())
    }

    fn flush(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl fmt::Debug for Discarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Discarded")
    }
}
