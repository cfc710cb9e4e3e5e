//! Starts a request's span.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use opentelemetry::{
    Context, InstrumentationScope, KeyValue,
    baggage::BaggageExt as _,
    trace::{
        Link, Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, TraceContextExt as _, TraceFlags,
        TraceId, TraceState, Tracer as _, TracerProvider as _,
    },
};
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};

use super::{
    attributes::{self, KeyValues},
    ending, ids,
    pipeline::Pipeline,
    sink::SINK,
};
use crate::{
    base::{counter::Counter, diagnostics, panic::catch},
    extension::{internal_metrics::InternalMetrics, report::OutputCounts, sink::sink_errors},
    http::grpc::GrpcRequest,
    outputs::otlp::envelope::ItemScope,
    record::{
        finished::Record,
        identity::IdentityPolicy,
        span::{Recorder, WorkSpan},
        start::{RequestStart, Start, StartKind},
    },
    trace::{self, TraceContext, ids::RemoteSpan, propagation::Propagators},
};

/// The scope of requests' spans, with the conventions that their attributes follow.
pub(super) const SCOPE: ItemScope = ItemScope {
    name: "obs",
    version: env!("CARGO_PKG_VERSION"),
    schema_url: "https://opentelemetry.io/schemas/1.39.0",
};

/// Makes the spans of one observer's requests.
pub(crate) struct Tracing {
    /// The way of spans, if the provider is ours. It is dropped first: the provider would wait for spans that are left.
    own: Option<Pipeline>,
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    /// Samplers, processors and generators that panicked.
    panics: Arc<Counter>,
    warned: AtomicBool,
}

/// A provider whose spans are nothing, without ids even: it was shut down before it had any.
pub(crate) fn off() -> SdkTracerProvider {
    let provider = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).build();
    // It has nothing that could fail.
    let _ = provider.shutdown();
    provider
}

impl Tracing {
    /// With a provider of the application's own.
    pub(super) fn foreign(provider: SdkTracerProvider, own: &InternalMetrics) -> Self {
        Self {
            tracer: provider.tracer_with_scope(scope()),
            provider,
            own: None,
            panics: sink_errors(own, SINK),
            warned: AtomicBool::new(false),
        }
    }

    /// With a provider of ours, which gives spans to the same pipeline as we do.
    pub(super) fn own(provider: SdkTracerProvider, pipeline: Pipeline, own: &InternalMetrics) -> Self {
        let mut this = Self::foreign(provider, own);
        this.own = Some(pipeline);
        this
    }

    pub(crate) const fn provider(&self) -> &SdkTracerProvider {
        &self.provider
    }

    /// Decides whether a request is traced, where its trace alone decides. Says whether its span may want to know more of it.
    pub(crate) fn decide(&self, trace: &mut TraceContext) -> bool {
        let decided = self.own.as_ref().and_then(|own| own.decide(trace));
        decided.unwrap_or(true)
    }

    /// Starts the span of a request that was [decided](Self::decide) on, and takes over its ids. What the application has given to OpenTelemetry may panic: that request has
    /// no span then.
    pub(crate) fn start(
        &self,
        start: &mut Start,
        grpc: Option<&GrpcRequest>,
        identities: &IdentityPolicy,
    ) -> Option<WorkSpan> {
        if let Some(span) = self.own.as_ref().and_then(|own| own.start(&start.trace)) {
            return Some(span);
        }
        self.start_with_sdk(start, grpc, identities)
    }

    #[inline(never)]
    fn start_with_sdk(
        &self,
        start: &mut Start,
        grpc: Option<&GrpcRequest>,
        identities: &IdentityPolicy,
    ) -> Option<WorkSpan> {
        let parent = remote_context(&Context::new(), &start.trace);
        let span = match catch(|| self.begin(start, grpc, identities, &parent)) {
            Ok(begun) => begun,
            Err(panic) => {
                self.panics.add(1);
                if !self.warned.swap(true, Ordering::Relaxed) {
                    diagnostics::warn(format_args!(
                        "a sampler or a span processor panicked: {}; it is counted in `obs_sink_errors_total`",
                        panic.report().message
                    ));
                }
                return None;
            }
        };
        // A provider that was shut down gives none; the request keeps its own then.
        adopt(&mut start.trace, span.span_context(), self.own.is_some())?;
        let context = with_baggage(parent, &start.trace).with_span(span);
        Some(WorkSpan { context, recorder: Recorder::Sdk })
    }

    fn begin(
        &self,
        start: &Start,
        grpc: Option<&GrpcRequest>,
        identities: &IdentityPolicy,
        parent: &Context,
    ) -> opentelemetry_sdk::trace::Span {
        let StartKind::Request(request) = &start.kind;
        let mut builder = SpanBuilder::from_name(attributes::name_at_start(request, grpc))
            .with_kind(SpanKind::Server)
            .with_start_time(start.started_at)
            .with_attributes(attributes_at_start(request, grpc, identities));
        if let Some(link) = &start.trace.link {
            builder = builder.with_links(vec![linked(link)]);
        }
        self.build(builder, &start.trace, parent)
    }

    fn build(
        &self,
        builder: SpanBuilder,
        trace: &TraceContext,
        parent: &Context,
    ) -> opentelemetry_sdk::trace::Span {
        let build = || self.tracer.build_with_context(builder, parent);
        if self.own.is_some() { ids::with(trace, build) } else { build() }
    }

    /// Ends a request's span.
    pub(super) fn end(&self, span: &WorkSpan, record: &Record) {
        match (&span.recorder, &self.own) {
            (Recorder::Nobody, _) | (Recorder::Ourselves(_), None) => {}
            (Recorder::Ourselves(adding), Some(own)) => own.export(adding.end(), record),
            (Recorder::Sdk, _) => ending::end(&span.context.span(), record),
        }
    }

    /// The span of a request that is worth one only because it has failed.
    pub(super) fn export_late(&self, record: &Record) {
        if self.own.as_ref().is_some_and(|own| own.export_late(record)) {
            return;
        }
        let start = record.start();
        let parent = remote_context(&Context::new(), &start.trace);
        let span = self.begin(start, None, &record.state.policy.identities, &parent);
        ending::end(&parent.with_span(span).span(), record);
    }

    /// Exports what has ended; `false` if something is left.
    pub(super) fn flush(&self, deadline: Duration) -> bool {
        match &self.own {
            Some(own) => own.flush(deadline),
            // The application's own exporters may take as long as they like.
            None => {
                let (provider, (send, flushed)) = (self.provider.clone(), std::sync::mpsc::channel());
                let flush = move || {
                    let _ = send.send(provider.force_flush().is_ok());
                };
                let thread = std::thread::Builder::new().name("obs-spans-flush".to_owned()).spawn(flush);
                thread.is_ok() && flushed.recv_timeout(deadline).unwrap_or(false)
            }
        }
    }

    /// Returns whether we export the spans ourselves; a provider of the application's own keeps its own counts.
    pub(crate) const fn exports(&self) -> bool {
        self.own.is_some()
    }

    /// The counts of the spans that we export.
    pub(crate) fn counts(&self) -> OutputCounts {
        let (delivered, lost) = self.own.as_ref().map_or((0, 0), Pipeline::exported_and_dropped);
        OutputCounts { delivered, lost }
    }
}

/// The scope of requests' spans, as the SDK has it.
fn scope() -> InstrumentationScope {
    let scope = InstrumentationScope::builder(SCOPE.name).with_version(SCOPE.version);
    scope.with_schema_url(SCOPE.schema_url).build()
}

/// What a request's head tells, for the SDK.
fn attributes_at_start(
    start: &RequestStart,
    grpc: Option<&GrpcRequest>,
    identities: &IdentityPolicy,
) -> Vec<KeyValue> {
    // With what comes at the end, so that it seldom grows.
    let mut all = Vec::with_capacity(16);
    attributes::at_start(&mut KeyValues(|attribute| all.push(attribute)), start, grpc, identities);
    all
}

pub(super) fn linked(link: &RemoteSpan) -> Link {
    Link::with_context(span_context(link, TraceState::NONE))
}

/// The context with the caller's span.
pub(crate) fn remote_context(context: &Context, trace: &TraceContext) -> Context {
    let Some(span_id) = trace.parent_id else { return context.clone() };
    let remote = RemoteSpan { trace_id: trace.trace_id, span_id, flags: trace.flags };
    context.with_remote_span_context(span_context(&remote, state(trace)))
}

/// What tracing systems pass along. Keys that the SDK does not know yet (Trace Context level 2) stay in what we pass on.
pub(super) fn state(trace: &TraceContext) -> TraceState {
    if trace.state.is_empty() { TraceState::NONE } else { trace.state.as_str().parse().unwrap_or_default() }
}

/// The trace of a span; `None` if it is not a valid one.
pub(crate) fn from_span_context(span: &SpanContext, propagators: Propagators) -> Option<TraceContext> {
    Some(TraceContext {
        trace_id: trace::TraceId::from_bytes(span.trace_id().to_bytes())?,
        span_id: trace::SpanId::from_bytes(span.span_id().to_bytes())?,
        parent_id: None,
        flags: trace::TraceFlags::from_byte(span.trace_flags().to_u8()),
        state: trace::TraceState::parse(&span.trace_state().header()),
        link: None,
        baggage: trace::Baggage::default(),
        propagators,
    })
}

fn span_context(remote: &RemoteSpan, state: TraceState) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(remote.trace_id.to_bytes()),
        SpanId::from_bytes(remote.span_id.to_bytes()),
        TraceFlags::new(remote.flags.to_byte()),
        true,
        state,
    )
}

/// Takes the span's ids over; `None` if it has none.
fn adopt(trace: &mut TraceContext, span: &SpanContext, own_ids: bool) -> Option<()> {
    trace.span_id = trace::SpanId::from_bytes(span.span_id().to_bytes())?;
    let trace_id = trace::TraceId::from_bytes(span.trace_id().to_bytes())?;
    if !own_ids && trace.trace_id != trace_id {
        // Which bits of a generator that is not ours are random, only it can say.
        trace.flags = trace::TraceFlags::from_byte(span.trace_flags().to_u8());
    }
    trace.trace_id = trace_id;
    trace.flags = trace.flags.with_sampled(span.is_sampled());
    Some(())
}

#[inline]
pub(crate) fn with_baggage(context: Context, trace: &TraceContext) -> Context {
    if trace.baggage.is_empty() { context } else { context_with_baggage(&context, &trace.baggage) }
}

#[inline(never)]
fn context_with_baggage(context: &Context, baggage: &trace::Baggage) -> Context {
    let member =
        |(key, value): (&str, std::borrow::Cow<'_, str>)| KeyValue::new(key.to_owned(), value.into_owned());
    context.with_baggage(baggage.iter().map(member))
}
