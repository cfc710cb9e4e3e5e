//! The start of a request, in five steps: [`WorkState::begin`].

#[cfg(feature = "otel")]
use crate::outputs::otel::tracing::Tracing;
#[cfg(feature = "logs")]
use crate::record::enrichment::ExpectedRoute;
use crate::{
    base::{
        clock::{Moment, nanos},
        random,
        text::bounded,
    },
    http::{
        forwarded::Forwarded,
        found_headers::FoundHeaders,
        grpc::GrpcRequest,
        head::RequestHead,
        headers::{HeaderLookup as _, first_header, length_header},
        method::Method,
    },
    observer::Observer,
    record::{
        policy::Policy,
        start::{MAX_METHOD, StartKind},
        state::WorkState,
    },
};
use std::sync::{Arc, PoisonError};

/// The largest body size that is accepted, in bytes. A greater `Content-Length` is false, and it
/// would spoil the sum of all sizes.
const MAX_LENGTH: u64 = 1 << 44;

/// The maximum number of values of a header, and the maximum length of a value in bytes.
const MAX_VALUES: usize = 8;
const MAX_VALUE: usize = 1024;

impl WorkState {
    /// Starts a request in the memory of a finished one, to which nothing else has a reference.
    #[inline]
    pub(crate) fn begin(&mut self, observer: &Observer, head: &RequestHead<'_>, outer: Option<&Arc<Self>>) {
        let policy = observer.policy();
        let mut headers = FoundHeaders::none();
        headers.collect(head.headers, policy.header_names);

        self.open();
        self.identify(policy, head, &headers, outer);
        let records_host = self.decide(observer, head);
        self.describe(policy, head, &headers, records_host);
        #[cfg(feature = "otel")]
        self.start_span(observer);
    }

    /// Step 1: reads the clock and opens the enrichment. The reset after the previous request
    /// emptied everything else.
    #[inline]
    fn open(&mut self) {
        let now = Moment::now();
        self.started = now.instant;
        self.start.since_1970 = now.since_1970;
        random::stir(nanos(now.since_1970));
        self.enrichment.get_mut().unwrap_or_else(PoisonError::into_inner).finished = false;
    }

    /// Step 2: sets the id and the trace position. They come from an outer observer, from the
    /// caller, or are new.
    #[inline]
    fn identify(
        &mut self,
        policy: &Policy,
        head: &RequestHead<'_>,
        headers: &FoundHeaders<'_>,
        outer: Option<&Arc<Self>>,
    ) {
        let start = &mut self.start;
        if let Some(outer) = outer {
            (start.id, start.trace) = (outer.start.id.clone(), outer.start.trace.clone());
        } else {
            start.id = policy.ids.choose(headers, head, &policy.redactor, start.since_1970);
            start.trace.begin(headers, policy.propagators, || policy.trusts_trace(head));
        }
        self.outer = outer.cloned();
    }

    /// Step 3: decides on the endpoint, the route and the sampling. Returns true if an output
    /// records the host that the client named.
    #[inline]
    fn decide(&mut self, observer: &Observer, head: &RequestHead<'_>) -> bool {
        self.endpoint = observer.endpoints().requested(head);
        let route = head.route.filter(|_| self.endpoint.is_none());
        let routes = &observer.policy().routes;
        let route = route.and_then(|template| routes.intern(template));
        let enrichment = self.enrichment.get_mut().unwrap_or_else(PoisonError::into_inner);
        enrichment.route = route;
        #[cfg(feature = "logs")]
        if let Some(routes) = head.thread_routes.filter(|_| self.endpoint.is_none()) {
            enrichment.expected_route = ExpectedRoute::OnThread(routes);
        }
        #[cfg(feature = "otel")]
        if routes.excludes_spans() {
            self.exclude_span(observer, head);
        }
        self.sample(observer)
    }

    /// Step 4: reads the head and masks its secrets.
    #[inline]
    fn describe(
        &mut self,
        policy: &Policy,
        head: &RequestHead<'_>,
        headers: &FoundHeaders<'_>,
        records_host: bool,
    ) {
        let peer = head.peer.map(|peer| peer.ip());
        let forwarded = Forwarded::of(headers, peer, &policy.trusted_proxies).unwrap_or_default();
        self.grpc = GrpcRequest::of(head, headers).map(Box::new);
        let StartKind::Request(request) = &mut self.start.kind else { return };
        request.method = policy.known_methods.parse(head.method);
        if request.method == Method::Other {
            request.method_original = Some(original_method(policy, head.method));
        }
        request.scheme = forwarded.scheme.unwrap_or(head.scheme);
        request.version = head.version;
        request.peer = head.peer;
        request.client = forwarded.client.or(peer);
        let declared = length_header(headers, "content-length").filter(|length| *length <= MAX_LENGTH);
        request.body_bytes = declared.or(head.body_bytes);
        if head.body_needs_header && declared.is_none() {
            let announced = first_header(headers, "transfer-encoding", |_| ()).is_some();
            request.body_bytes = if announced { None } else { Some(0) };
        }
        if !policy.recorded_headers.is_empty() {
            request.headers = recorded_headers(policy, headers);
        }
        let host = records_host.then(|| forwarded.host.as_deref().or(head.authority));
        request.text.fill(head, headers, &policy.redactor, host);
    }

    /// Gives a request of an excluded route no span, and a trace that is not sampled. The framework
    /// may not have routed the request yet.
    #[cfg(feature = "otel")]
    #[cold]
    #[inline(never)]
    fn exclude_span(&mut self, observer: &Observer, head: &RequestHead<'_>) {
        if observer.tracing().is_none() || !self.has_span_from_start() {
            return;
        }
        let enrichment = self.enrichment.get_mut().unwrap_or_else(PoisonError::into_inner);
        if enrichment.route.is_none() {
            let found = head.application_route().and_then(|route| self.policy.routes.intern(&route));
            enrichment.route = found.filter(|route| route.excluded().spans);
        }
        if enrichment.route.as_ref().is_some_and(|route| route.excluded().spans) {
            self.span = Some(Tracing::unrecorded(&mut self.start.trace));
        }
    }

    /// Samples the trace. Returns true if a span needs the host that the client named.
    #[cfg(feature = "otel")]
    #[inline]
    fn sample(&mut self, observer: &Observer) -> bool {
        match observer.tracing() {
            None => false,
            Some(_) if self.span.is_some() => false,
            Some(tracing) => !self.has_span_from_start() || tracing.decide(&mut self.start.trace),
        }
    }

    #[cfg(not(feature = "otel"))]
    fn sample(&mut self, _: &Observer) -> bool {
        false
    }

    /// Returns true if the request gets a span at its start. It does not if an outer observer
    /// already has a span for it, nor if it is for one of our endpoints: those get a span only if
    /// they fail.
    #[cfg(feature = "otel")]
    #[inline]
    fn has_span_from_start(&self) -> bool {
        self.outer.as_ref().and_then(|outer| outer.span()).is_none() && self.endpoint.is_none()
    }

    /// Step 5: starts the OpenTelemetry span.
    #[cfg(feature = "otel")]
    #[inline]
    fn start_span(&mut self, observer: &Observer) {
        // The route of the request is excluded.
        if self.span.is_some() {
            return;
        }
        self.span = match observer.tracing().filter(|_| self.has_span_from_start()) {
            Some(tracing) => {
                let grpc = self.grpc.as_deref().filter(|request| request.native);
                tracing.start(&mut self.start, grpc, &self.policy.identities)
            }
            None => None,
        };
    }
}

/// The text of an unknown method.
#[inline(never)]
fn original_method(policy: &Policy, method: &str) -> Box<str> {
    bounded(&policy.redactor.text(method), MAX_METHOD).into()
}

/// The values of the headers that events record.
#[inline(never)]
fn recorded_headers(policy: &Policy, headers: &FoundHeaders<'_>) -> Vec<(Arc<str>, Vec<String>)> {
    let mut recorded = Vec::new();
    for name in &policy.recorded_headers {
        let mut values = Vec::new();
        headers.each(name, &mut |value| {
            if values.len() < MAX_VALUES {
                let value = String::from_utf8_lossy(value);
                let masked = match &**name {
                    "referer" | "content-location" | "x-original-url" | "x-rewrite-url"
                    | "x-forwarded-uri" => policy.redactor.url(&value),
                    name => policy.redactor.value(name, &value),
                };
                values.push(bounded(&masked, MAX_VALUE).into_owned());
            }
        });
        if !values.is_empty() {
            recorded.push((Arc::clone(name), values));
        }
    }
    recorded
}
