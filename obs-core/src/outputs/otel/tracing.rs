//! Tracing of requests: it starts, ends and exports their spans.

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
    call_attributes, ending, ids,
    pipeline::Pipeline,
    sink::SINK,
};
use crate::{
    base::{counter::Counter, panic::catch},
    extension::{internal_metrics::InternalMetrics, report::OutputCounts, sink::sink_errors},
    http::grpc::GrpcRequest,
    outputs::otlp::envelope::ItemScope,
    record::{
        call::CallStart,
        finished::Record,
        identity::IdentityPolicy,
        span::{Added, Recorder, WorkSpan},
        start::{RequestStart, Start, StartKind},
    },
    redact::diagnostics,
    trace::{self, TraceContext, ids::RemoteSpan, propagation::Propagators},
};

/// The instrumentation scope of request spans, with the version of the conventions that they
/// follow.
pub(super) const SCOPE: ItemScope = ItemScope {
    name: "obs",
    version: env!("CARGO_PKG_VERSION"),
    schema_url: "https://opentelemetry.io/schemas/1.39.0",
};

/// The spans of one observer.
pub(crate) struct Tracing {
    /// The export, if the provider is ours. It is dropped first, because the provider would wait
    /// for the remaining spans.
    own: Option<Pipeline>,
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    /// Counts panics of samplers, processors and id generators.
    panics: Arc<Counter>,
    warned: AtomicBool,
    /// True if the spans of requests have their exceptions as events.
    exceptions: bool,
}

/// Returns a no-op provider. Its spans do not even have ids, because it is already shut down.
pub(crate) fn off() -> SdkTracerProvider {
    let provider = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).build();
    // A provider without processors has nothing that could fail.
    let _ = provider.shutdown();
    provider
}

impl Tracing {
    /// Uses a provider of the application.
    pub(super) fn foreign(provider: SdkTracerProvider, own: &InternalMetrics) -> Self {
        Self {
            tracer: provider.tracer_with_scope(scope()),
            provider,
            own: None,
            panics: sink_errors(own, SINK),
            warned: AtomicBool::new(false),
            exceptions: true,
        }
    }

    /// Adds exceptions to spans, or not.
    pub(super) fn set_exceptions(&mut self, exceptions: bool) {
        self.exceptions = exceptions;
        if let Some(own) = &mut self.own {
            own.exceptions = exceptions;
        }
    }

    /// Uses our provider, which exports through the same pipeline.
    pub(super) fn own(provider: SdkTracerProvider, pipeline: Pipeline, own: &InternalMetrics) -> Self {
        let mut this = Self::foreign(provider, own);
        this.own = Some(pipeline);
        this
    }

    pub(crate) const fn provider(&self) -> &SdkTracerProvider {
        &self.provider
    }

    /// Decides whether a request is traced, if the trace context alone decides. Returns false if
    /// the span is certainly not recorded, so it needs no further data of the request.
    #[inline]
    pub(crate) fn decide(&self, trace: &mut TraceContext) -> bool {
        let decided = self.own.as_ref().and_then(|own| own.decide(trace));
        decided.unwrap_or(true)
    }

    /// Starts the span of a request after [`decide`](Self::decide), and stores its ids in the trace
    /// context. If a sampler or processor of the application panics, the request has no span.
    #[inline]
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

    /// Returns the context of a request without a span. Its trace is not sampled.
    #[cold]
    #[inline(never)]
    pub(crate) fn unrecorded(trace: &mut TraceContext) -> WorkSpan {
        trace.flags = trace.flags.with_sampled(false);
        let (trace_id, span_id) = ids::of(trace);
        let flags = TraceFlags::new(trace.flags.to_byte());
        let span = SpanContext::new(trace_id, span_id, flags, false, state(trace));
        let context = with_baggage(Context::new(), trace).with_remote_span_context(span);
        WorkSpan { context, recorder: Recorder::Nobody }
    }

    #[inline(never)]
    fn start_with_sdk(
        &self,
        start: &mut Start,
        grpc: Option<&GrpcRequest>,
        identities: &IdentityPolicy,
    ) -> Option<WorkSpan> {
        let parent = remote_context(&Context::new(), &start.trace);
        self.start_in(start, grpc, identities, parent)
    }

    /// Starts a span of the SDK inside of this context.
    fn start_in(
        &self,
        start: &mut Start,
        grpc: Option<&GrpcRequest>,
        identities: &IdentityPolicy,
        parent: Context,
    ) -> Option<WorkSpan> {
        let span = match catch(|| self.begin(start, grpc, identities, &parent)) {
            Ok(begun) => begun,
            Err(panic) => {
                self.panics.add(1);
                if !self.warned.swap(true, Ordering::Relaxed) {
                    diagnostics::warn(format_args!(
                        "a sampler or span processor panicked: {}; such panics are counted in `obs_sink_errors_total`",
                        panic.report().message
                    ));
                }
                return None;
            }
        };
        // A provider that is shut down returns no ids. Then the request keeps its own ids.
        adopt(&mut start.trace, span.span_context(), self.own.is_some())?;
        let context = with_baggage(parent, &start.trace).with_span(span);
        Some(WorkSpan { context, recorder: Recorder::Sdk })
    }

    /// Decides whether work inside of other work is traced, and starts its span if the SDK records
    /// it. Otherwise its span is made from its record.
    pub(crate) fn start_inner(&self, start: &mut Start, parent: Option<&WorkSpan>) -> Option<WorkSpan> {
        let begins = start.trace.parent_id.is_none();
        if parent.is_none() && !begins {
            // The work around it has no span, so one of this work would have no parent.
            start.trace.flags = start.trace.flags.with_sampled(false);
            return None;
        }
        match self.own.as_ref() {
            Some(own) if own.sampler.is_some() => {
                if begins {
                    own.decide(&mut start.trace);
                }
                // The application may add to a span of its own, and may start others inside of it.
                start.call().is_none().then(|| own.start(&start.trace)).flatten()
            }
            _ => {
                // A span of the application that is active inside of the work is the parent.
                let (inner, around) = (Context::current(), parent.map(|parent| parent.context().clone()));
                let trace_id = |context: &Context| context.span().span_context().trace_id();
                let around = around.unwrap_or_default();
                let is_inside = !begins && trace_id(&inner) == trace_id(&around);
                let around = if is_inside { inner } else { around };
                let identities = IdentityPolicy::default();
                self.start_in(start, None, &identities, around)
            }
        }
    }

    fn begin(
        &self,
        start: &Start,
        grpc: Option<&GrpcRequest>,
        identities: &IdentityPolicy,
        parent: &Context,
    ) -> opentelemetry_sdk::trace::Span {
        let (name, kind, attributes) = match &start.kind {
            StartKind::Request(request) => (
                attributes::name_at_start(request, grpc),
                SpanKind::Server,
                attributes_at_start(request, grpc, identities),
            ),
            StartKind::Span(span) => (span.name.clone(), SpanKind::Internal, Vec::new()),
            StartKind::Call(call) => {
                (call_attributes::name(call).into(), SpanKind::Client, of_call_at_start(call))
            }
        };
        let mut builder = SpanBuilder::from_name(name)
            .with_kind(kind)
            .with_start_time(start.started_at())
            .with_attributes(attributes);
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

    /// Ends the span of a request.
    pub(super) fn end(&self, span: &WorkSpan, record: &Record) {
        match (&span.recorder, &self.own) {
            (Recorder::Nobody, _) | (Recorder::Ourselves(_), None) => {}
            // Its route became known after its start.
            (Recorder::Ourselves(_), _) if record.excluded.spans => {}
            (Recorder::Ourselves(adding), Some(own)) => own.export(adding.end(), record),
            (Recorder::Sdk, _) => ending::end(&span.context.span(), record, self.exceptions),
        }
    }

    /// Exports the span of a call, if it is traced and no SDK records it.
    pub(super) fn export_call(&self, record: &Record) {
        if let Some(own) = &self.own
            && own.sampler.is_some()
            && !record.excluded.spans
            && record.start().trace.flags.is_sampled()
        {
            own.export(Added::default(), record);
        }
    }

    /// Creates the span of a request that has one only because it failed.
    pub(super) fn export_late(&self, record: &Record) {
        if self.own.as_ref().is_some_and(|own| own.export_late(record)) {
            return;
        }
        let start = record.start();
        let parent = remote_context(&Context::new(), &start.trace);
        let span = self.begin(start, None, &record.state.policy.identities, &parent);
        ending::end(&parent.with_span(span).span(), record, self.exceptions);
    }

    /// Exports the ended spans. Returns false if some remain.
    pub(super) fn flush(&self, deadline: Duration) -> bool {
        match &self.own {
            Some(own) => own.flush(deadline),
            // The application's exporters may ignore the deadline, so another thread waits for
            // them.
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

    /// Returns true if obs exports the spans itself. A provider of the application has its own
    /// counts.
    pub(crate) const fn exports(&self) -> bool {
        self.own.is_some()
    }

    /// Returns the counts of the spans that obs exports, for the report of a shutdown.
    pub(crate) fn counts(&self) -> OutputCounts {
        let (delivered, lost) = self.own.as_ref().map_or((0, 0), Pipeline::report);
        OutputCounts { delivered, lost }
    }
}

/// Returns the scope of request spans as a type of the SDK.
fn scope() -> InstrumentationScope {
    let scope = InstrumentationScope::builder(SCOPE.name).with_version(SCOPE.version);
    scope.with_schema_url(SCOPE.schema_url).build()
}

/// Returns the attributes of a request's head for the SDK.
fn attributes_at_start(
    start: &RequestStart,
    grpc: Option<&GrpcRequest>,
    identities: &IdentityPolicy,
) -> Vec<KeyValue> {
    // The capacity includes the attributes of the end, so the vector rarely grows.
    let mut all = Vec::with_capacity(16);
    attributes::at_start(&mut KeyValues(|attribute| all.push(attribute)), start, grpc, identities);
    all
}

/// Returns the attributes of a call that are known before it is sent, for the SDK.
fn of_call_at_start(call: &CallStart) -> Vec<KeyValue> {
    let mut all = Vec::with_capacity(12);
    call_attributes::at_start(&mut KeyValues(|attribute| all.push(attribute)), call);
    all
}

pub(super) fn linked(link: &RemoteSpan) -> Link {
    Link::with_context(span_context(link, TraceState::NONE))
}

/// Returns the context with the caller's span.
pub(crate) fn remote_context(context: &Context, trace: &TraceContext) -> Context {
    let Some(span_id) = trace.parent_id else { return context.clone() };
    let remote = RemoteSpan { trace_id: trace.trace_id, span_id, flags: trace.flags };
    context.with_remote_span_context(span_context(&remote, state(trace)))
}

/// Returns the `tracestate` as a type of the SDK. The SDK rejects the keys that Trace Context level
/// 2 added. They are still propagated, because outgoing headers do not use this value.
pub(super) fn state(trace: &TraceContext) -> TraceState {
    if trace.state.is_empty() { TraceState::NONE } else { trace.state.as_str().parse().unwrap_or_default() }
}

/// Returns the trace context of a span, or `None` if it is invalid.
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

/// Stores the span's ids in the trace context. Returns `None` if it has none.
fn adopt(trace: &mut TraceContext, span: &SpanContext, own_ids: bool) -> Option<()> {
    trace.span_id = trace::SpanId::from_bytes(span.span_id().to_bytes())?;
    let trace_id = trace::TraceId::from_bytes(span.trace_id().to_bytes())?;
    if !own_ids && trace.trace_id != trace_id {
        // Only a foreign generator knows which bits of its ids are random, so its flags are used.
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
