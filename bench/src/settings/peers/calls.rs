//! Calls through `reqwest_middleware`. The innermost middleware answers without a socket, so only
//! the middleware around it costs something.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use obs_client::reqwest::CallMiddleware;
use opentelemetry_0_32::{global, trace::TracerProvider as _};
use opentelemetry_sdk_0_32::{
    error::OTelSdkResult,
    propagation::TraceContextPropagator,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter},
};
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next, Result};
use reqwest_tracing::TracingMiddleware;
use tracing_subscriber::layer::SubscriberExt as _;

use super::super::{Setting, Share, calls::in_request};
use crate::{drive::Drive, sample, single_thread};

pub(in super::super) static BARE: Setting =
    Setting { name: "call-reqwest-bare", bare: None, run: |drive| send(drive, &client(|builder| builder)) };

/// Our middleware, with metrics, the entry in the event, and a span that is exported.
pub(in super::super) static OURS: Setting = Setting {
    name: "call-reqwest-observed",
    bare: Some(&BARE),
    run: |drive| {
        in_request(Some(Share::All), |observer| {
            send(drive, &client(|builder| builder.with(CallMiddleware::new(observer))));
        });
    },
};

/// reqwest-tracing, with a span that is exported.
pub(in super::super) static REQWEST_TRACING: Setting = Setting {
    name: "call-reqwest-tracing",
    bare: Some(&BARE),
    run: |drive| {
        let exported = Arc::<AtomicU64>::default();
        let batches = BatchConfigBuilder::default().with_max_queue_size(100_000).build();
        let processor = BatchSpanProcessor::builder(Discarding(Arc::clone(&exported)));
        let processor = processor.with_batch_config(batches).build();
        let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
        global::set_text_map_propagator(TraceContextPropagator::new());
        let layer = tracing_opentelemetry_0_33::layer().with_tracer(provider.tracer("bench"));
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::set_global_default(subscriber).expect("the first subscriber");
        tracing::info_span!("request").in_scope(|| {
            send(drive, &client(|builder| builder.with(TracingMiddleware::default())));
        });
        provider.shutdown().expect("the last spans are exported");
        let Drive::Requests(calls) = drive else { return };
        assert_eq!(exported.load(Relaxed), calls + 1, "not every call has a span");
    },
};

/// Answers each request.
struct Answers;

#[async_trait::async_trait]
impl Middleware for Answers {
    async fn handle(&self, request: Request, _: &mut http::Extensions, _: Next<'_>) -> Result<Response> {
        drop(request);
        Ok(Response::from(http::Response::new(sample::ANSWER)))
    }
}

fn client(with: impl FnOnce(ClientBuilder) -> ClientBuilder) -> ClientWithMiddleware {
    with(ClientBuilder::new(reqwest::Client::new())).with(Answers).build()
}

/// Sends the calls, and reads each response to its end.
fn send(drive: Drive, client: &ClientWithMiddleware) {
    let Drive::Requests(calls) = drive else { panic!("a call cannot be served") };
    single_thread::block_on(async {
        for _ in 0..calls {
            let response = client.get("http://payments.internal/payments/7").send().await.expect("an answer");
            let body = response.bytes().await.expect("a body");
            assert_eq!(body.len(), sample::ANSWER.len());
        }
    });
}

/// Counts the spans, and discards them.
#[derive(Debug)]
struct Discarding(Arc<AtomicU64>);

impl SpanExporter for Discarding {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.fetch_add(batch.len() as u64, Relaxed);
        Ok(())
    }
}
