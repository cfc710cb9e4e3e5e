//! A propagator for `opentelemetry::global` that uses this crate's formats and parsers.

use std::fmt;

use opentelemetry::{
    Context,
    baggage::BaggageExt as _,
    global,
    propagation::{Extractor, Injector, TextMapPropagator, text_map_propagator::FieldIter},
    trace::TraceContextExt as _,
};
use opentelemetry_sdk::trace::SdkTracerProvider;

use crate::{
    http::headers::HeaderLookup,
    observer::Observer,
    outputs::otel::tracing::{self, from_span_context, remote_context, with_baggage},
    trace::{
        TraceContext,
        baggage::Baggage,
        propagation::{Propagator, Propagators},
    },
    work::scope::current,
};

impl Observer {
    /// The provider whose spans become children of the requests' spans. Use it for
    /// `tracing_opentelemetry::layer().with_tracer(..)` and for the application's own spans. If
    /// OpenTelemetry is off, it returns a no-op provider.
    #[must_use]
    pub fn tracer_provider(&self) -> SdkTracerProvider {
        match self.tracing() {
            Some(tracing) => tracing.provider().clone(),
            None => tracing::off(),
        }
    }

    /// Sets this observer's `TracerProvider` and propagator as the process' globals, for libraries
    /// that use `opentelemetry::global`.
    ///
    /// This is the only code that changes these globals. No code of this crate reads them.
    pub fn install_otel_globals(&self) {
        global::set_tracer_provider(self.tracer_provider());
        global::set_text_map_propagator(RequestPropagator::new(self));
    }
}

/// A propagator that reads and writes trace context and baggage as the observer does: strictly,
/// within their limits, in the configured formats.
///
/// [`Observer::install_otel_globals`] installs it globally.
///
/// ```
/// use obs_core::{Observer, otel::RequestPropagator};
/// use obs_core::otel::opentelemetry::propagation::TextMapPropagator;
/// use std::collections::HashMap;
///
/// let observer = Observer::builder("shop").no_environment().otlp().build()?;
/// let mut headers = HashMap::new();
/// RequestPropagator::new(&observer).inject(&mut headers);
/// assert!(headers.is_empty(), "there is no span here");
/// # Ok::<(), obs_core::BuildError>(())
/// ```
pub struct RequestPropagator {
    propagators: Propagators,
    fields: Vec<String>,
}

impl RequestPropagator {
    /// Makes a propagator with the formats of this observer.
    #[must_use]
    pub fn new(observer: &Observer) -> Self {
        let propagators = observer.policy().propagators;
        let fields = propagators.iter().flat_map(headers).map(|name| (*name).to_owned());
        Self { fields: fields.collect(), propagators }
    }
}

/// The headers of a format.
const fn headers(propagator: Propagator) -> &'static [&'static str] {
    match propagator {
        Propagator::TraceContext => &["traceparent", "tracestate"],
        Propagator::Baggage => &["baggage"],
        Propagator::B3 => &["b3"],
        Propagator::B3Multi => &["x-b3-traceid", "x-b3-spanid", "x-b3-sampled"],
        Propagator::Jaeger => &["uber-trace-id"],
    }
}

impl fmt::Debug for RequestPropagator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestPropagator").field("fields", &self.fields).finish()
    }
}

impl TextMapPropagator for RequestPropagator {
    fn inject_context(&self, cx: &Context, injector: &mut dyn Injector) {
        let span = cx.span();
        let Some(mut trace) = from_span_context(span.span_context(), self.propagators) else {
            // Without a span there may still be a request, or at least baggage.
            return match current().trace() {
                Some(request) => request.inject(|name, value| injector.set(name, value.to_owned())),
                None if cx.baggage().is_empty() || !self.propagators.contains(Propagator::Baggage) => {}
                None => injector.set("baggage", cx.baggage().to_string()),
            };
        };
        trace.baggage = Baggage::parse(&cx.baggage().to_string());
        // The SDK does not support all valid tracestates. The request has the original.
        if let Some(request) = current().trace().filter(|request| request.trace_id == trace.trace_id) {
            trace.state = request.state.clone();
            trace.flags = request.flags.with_sampled(trace.flags.is_sampled());
        }
        trace.inject(|name, value| injector.set(name, value.to_owned()));
    }

    fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
        let trace = TraceContext::start(&Extracted(extractor), self.propagators, || true);
        if trace.parent_id.is_none() && trace.baggage.is_empty() {
            return cx.clone();
        }
        with_baggage(remote_context(cx, &trace), &trace)
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(&self.fields)
    }
}

struct Extracted<'a>(&'a dyn Extractor);

impl HeaderLookup for Extracted<'_> {
    fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
        match self.0.get_all(name) {
            Some(values) => values.into_iter().for_each(|value| f(value.as_bytes())),
            None => self.0.get(name).into_iter().for_each(|value| f(value.as_bytes())),
        }
    }
}
