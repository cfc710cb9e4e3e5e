//! The thread that exports spans: batch by batch, each until it is taken, for a minute.

use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use opentelemetry::Context;
use opentelemetry_proto::{
    tonic::collector::trace::v1::ExportTraceServiceRequest,
    transform::{
        common::tonic::ResourceAttributesWithSchema, trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::trace::SpanData;
use prost::Message as _;

use super::{
    http::{Client, Failure},
    queue::Queue,
};
use crate::diagnostics;

/// How long a batch is tried.
const TRIED_FOR: Duration = Duration::from_secs(60);

/// The first pause between two tries and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The longest pause that a collector is granted (`Retry-After`).
const LONGEST_GRANTED: Duration = Duration::from_secs(30);

/// Starts the thread.
pub(super) fn start(
    queue: Arc<Queue>,
    client: Client,
    resource: ResourceAttributesWithSchema,
) -> io::Result<()> {
    let run = move || {
        // What the client's libraries say of their own work would come back here.
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        let mut exporter = Exporter { queue: &queue, client, resource, failing: false };
        while let Some(batch) = queue.next() {
            exporter.export(batch);
        }
    };
    thread::Builder::new().name("obs-spans".to_owned()).spawn(run).map(drop)
}

struct Exporter<'a> {
    queue: &'a Queue,
    client: Client,
    resource: ResourceAttributesWithSchema,
    /// The last try failed, and somebody was told.
    failing: bool,
}

impl Exporter<'_> {
    fn export(&mut self, batch: Vec<SpanData>) {
        let count = batch.len() as u64;
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let body = self.client.compressed(body);
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            match self.client.send(&body, |timeout| self.queue.patience(timeout)) {
                Ok(rejected) => {
                    self.succeeded(&rejected);
                    let rejected = rejected.spans.min(count);
                    return self.queue.settle(count.saturating_sub(rejected), rejected, 0);
                }
                Err(failure) => {
                    self.failed(&failure);
                    let wanted = failure.retry_after.unwrap_or(pause).min(LONGEST_GRANTED);
                    let over = started.elapsed().saturating_add(wanted) > TRIED_FOR;
                    if !failure.may_pass || over || !self.queue.pause(wanted) {
                        return self.queue.settle(0, 0, count);
                    }
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    fn succeeded(&mut self, rejected: &super::http::Rejected) {
        if rejected.spans > 0 {
            diagnostics::warn(format_args!(
                "{} has rejected {} spans: {:?}",
                self.client.url(),
                rejected.spans,
                rejected.message
            ));
        }
        if self.failing {
            self.failing = false;
            diagnostics::info(format_args!("spans are exported to {} again", self.client.url()));
        }
    }

    /// Said once until it works again.
    fn failed(&mut self, failure: &Failure) {
        if !self.failing {
            self.failing = true;
            let then = if failure.may_pass { "they wait and are tried again" } else { "they are lost" };
            diagnostics::warn(format_args!(
                "spans cannot be exported to {}: {}; {then}",
                self.client.url(),
                failure.reason
            ));
        }
    }
}
