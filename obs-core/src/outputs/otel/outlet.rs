//! The outlet of the span queue. It encodes a batch once, and sends it to the collector until the
//! collector accepts it or the retries end.

use std::{io, sync::Arc, time::Duration};

use opentelemetry::{Context, ContextGuard};
use opentelemetry_proto::transform::{
    common::tonic::ResourceAttributesWithSchema, trace::tonic::group_spans_by_resource_and_scope,
};
use opentelemetry_sdk::trace::SpanData;
use prost::Message as _;

use super::{
    queue::{DROPPED, SpanQueue},
    trace_state,
    waiting::{Resolved, Waiting},
};
use crate::{
    base::panic::catch,
    outputs::{
        delivery::{
            failure::{Delivered, Failure},
            items::{ItemBatch, ItemStore},
            problem::Subject,
            retry::RetryPolicy,
            worker::{Outlet, Worker},
        },
        otlp::{client::CollectorClient, envelope::Envelope},
    },
    redact::Redactor,
};

/// The retries of a batch, which end after a minute.
const RETRY: RetryPolicy = RetryPolicy {
    first: Duration::from_millis(500),
    longest: Duration::from_secs(10),
    give_up: Some(Duration::from_secs(60)),
};

/// Starts the thread.
pub(super) fn start(
    queue: Arc<SpanQueue>,
    client: CollectorClient,
    envelope: Envelope,
    redactor: Redactor,
) -> io::Result<Worker<ItemStore<Waiting>>> {
    let subject =
        Subject { entries: "spans", destination: client.url(), counter: DROPPED, redactor: redactor.clone() };
    let shared = Arc::clone(&queue);
    Worker::start("obs-spans".to_owned(), subject, queue, RETRY, move || SpanOutlet {
        queue: shared,
        client,
        envelope,
        redactor,
        body: Vec::new(),
        _suppressed: Context::enter_telemetry_suppressed_scope(),
    })
}

struct SpanOutlet {
    queue: Arc<SpanQueue>,
    client: CollectorClient,
    envelope: Envelope,
    /// Masks the `tracestate` of spans of the SDK.
    redactor: Redactor,
    /// The encoded batch.
    body: Vec<u8>,
    /// Suppresses the telemetry of the client's own libraries, which would otherwise be exported
    /// here in a loop.
    _suppressed: ContextGuard,
}

impl Outlet<ItemBatch<Waiting>> for SpanOutlet {
    /// Sends a batch as a whole. After a panic the batch is dropped, because it would probably
    /// cause the panic again, and the client is reset.
    fn send(&mut self, batch: &mut ItemBatch<Waiting>) -> Result<Delivered, Failure> {
        let sent = catch(|| {
            if let Some(spans) = batch.unpack() {
                self.body = self.client.compressed(message(&self.envelope, spans, &self.redactor));
            }
            self.client.send(&self.body, |timeout| self.queue.attempt_timeout(timeout))
        });
        sent.unwrap_or_else(|panic| {
            self.client.reset();
            Err(Failure::never(format!("panicked: {}", panic.report().message)))
        })
    }

    fn tick(&mut self) {
        if self.queue.waiting() == 0 {
            self.body = Vec::new();
        }
    }
}

/// Returns the encoded message of a batch.
fn message(
    envelope: &Envelope,
    spans: impl ExactSizeIterator<Item = Waiting>,
    redactor: &Redactor,
) -> Vec<u8> {
    let (mut requests, mut others) = (Vec::with_capacity(spans.len()), Vec::new());
    for span in spans {
        match span.resolved() {
            Resolved::Encoded(span) => requests.push(span),
            Resolved::Data(mut span) => {
                trace_state::mask_span(&mut span, redactor);
                others.push(*span);
            }
        }
    }
    envelope.message(&requests, &scopes(others))
}

/// Returns the SDK's spans as one encoded message for each scope.
fn scopes(spans: Vec<SpanData>) -> Vec<Vec<u8>> {
    // The envelope adds the resource.
    let of_resource = group_spans_by_resource_and_scope(spans, &ResourceAttributesWithSchema::default());
    let scopes = of_resource.into_iter().flat_map(|of_resource| of_resource.scope_spans);
    scopes.map(|scope| scope.encode_to_vec()).collect()
}
