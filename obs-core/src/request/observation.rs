//! The state machine of a request: started, responded, finished.
//!
//! The state follows from ownership. An [`Observation`] cannot be cloned. It moves from the
//! handler's future into the response's body, and [`finish`](Observation::finish) takes it by
//! value. A drop at any point is a cancellation. So a request is recorded exactly once.

use std::{fmt, future::Future, sync::Arc};

use crate::{
    base::panic::{Panic, catch},
    extension::setup::StartHook,
    http::{
        answer::{Answer, EndpointFuture},
        grpc::{self, answer::GrpcAnswer},
        head::RequestHead,
        headers::{HeaderLookup, first_header},
        protocol::HttpVersion,
        response_head::ResponseHead,
    },
    observer::Observer,
    record::{
        endpoint::Endpoint,
        error::ErrorReport,
        hook::Hook,
        outcome::Outcome,
        policy::{PanicPolicy, TraceHeader},
        start::{RequestStart, Start},
        state::WorkState,
    },
    request::{
        in_flight::{InFlight, Progress},
        observed::Observed,
        panic_answer,
        recycled::Recycled,
        request_body::RequestBody,
    },
    work::{handle::Work, scope::Scope},
};

/// The observation of one request, from its head to its end.
///
/// The steps of an adapter:
///
/// 1. [Start](Observer::start) it.
/// 2. Put its [handle](Self::work) into the request's extensions.
/// 3. Run the service [in its scope](Observed::make).
/// 4. Report the [response's head](Self::responded).
/// 5. Move it into the response's body.
///
/// The observation itself must not go into extensions, because extensions are cloned.
///
/// # Cancellation
/// A drop before [`responded`](Self::responded) records
/// [`CancelledBeforeResponse`](Outcome::CancelledBeforeResponse). A later drop records
/// [`CancelledInBody`](Outcome::CancelledInBody).
///
/// ```
/// use obs_core::{Observer, Outcome, adapter::RequestHead};
///
/// let observer = Observer::builder("shop").no_environment().build()?;
/// let mut observation = observer.start(&RequestHead::new("GET", "/items/7", &()));
/// observation.set_route("/items/{id}");
/// observation.responded(200, &());
/// observation.finish(Outcome::Completed);
/// # Ok::<(), obs_core::BuildError>(())
/// ```
///
/// It cannot be finished twice:
///
/// ```compile_fail
/// # use obs_core::{Observer, Outcome, adapter::RequestHead};
/// # let observer = Observer::builder("shop").no_environment().build().unwrap();
/// let observation = observer.start(&RequestHead::new("GET", "/", &()));
/// observation.finish(Outcome::Completed);
/// observation.finish(Outcome::Completed);
/// ```
#[must_use = "dropping it records a cancelled request"]
pub struct Observation {
    observer: Observer,
    in_flight: Recycled,
}

impl Observation {
    #[inline]
    pub(crate) fn begin(observer: &Observer, head: &RequestHead<'_>, outer: Option<&Arc<WorkState>>) -> Self {
        let mut in_flight = Recycled::take(observer);
        in_flight.begin(observer, head, outer);
        observer.on_start(&in_flight.state().start);
        let mut this = Self { observer: observer.clone(), in_flight };
        #[cfg(feature = "logs")]
        if observer.policy().tracing_span {
            this.open_tracing_span();
        }
        if let Some(hook) = observer.start_hook() {
            this.call_hook(hook, head);
        }
        this
    }

    /// Opens the span of `tracing`. The request is current meanwhile, so a layer knows to which
    /// request the span belongs.
    #[cfg(feature = "logs")]
    #[cold]
    #[inline(never)]
    fn open_tracing_span(&mut self) {
        if self.endpoint().is_none() {
            let state = Arc::clone(self.state());
            // A panic of a subscriber costs the request its span.
            let span = self.enter(|| catch(|| state.new_tracing_span()));
            state.lock().tracing_span = span.ok().flatten();
        }
    }

    /// Calls the function of the application that sees each request's head.
    #[cold]
    #[inline(never)]
    fn call_hook(&mut self, hook: &Hook<StartHook>, head: &RequestHead<'_>) {
        if self.endpoint().is_none() {
            let work = self.work();
            self.enter(|| hook.call(|hook| hook(head, &work)));
        }
    }

    #[inline]
    fn state(&self) -> &Arc<WorkState> {
        self.in_flight.state()
    }

    /// The progress of the response.
    #[inline]
    pub(crate) fn progress(&self) -> &Progress {
        &self.in_flight.progress
    }

    pub(crate) fn progress_mut(&mut self) -> &mut Progress {
        &mut self.in_flight.progress
    }

    /// Returns the handle for handlers. Adapters put it into the request's extensions.
    #[must_use]
    #[inline]
    pub fn work(&self) -> Work {
        Work::new(Arc::clone(self.state()))
    }

    /// Everything that was known at the start: id, trace and time.
    #[must_use]
    #[inline]
    pub fn start(&self) -> &Start {
        &self.state().start
    }

    /// Everything that the request's head says.
    #[must_use]
    #[inline]
    pub fn request(&self) -> &RequestStart {
        self.state().request()
    }

    /// Sets the route, such as `/items/{id}`, from the framework. A route from the handler or an
    /// inner layer wins over it.
    ///
    /// Each text is kept until the process ends, so pass a route, never a path.
    #[inline]
    pub fn set_route(&mut self, template: &str) {
        self.state().set_route(template, false);
    }

    /// The observer's endpoint at the path of this request; `None` if there is none. Pass it to
    /// [`answer`](Self::answer).
    ///
    /// The result is also `None` if the application has a route with exactly this text. If another
    /// of its routes matches the path, the result is `None` for methods other than GET and HEAD.
    #[must_use]
    #[inline]
    pub fn endpoint(&self) -> Option<Endpoint> {
        self.state().endpoint
    }

    /// Answers the request with this endpoint. `head` must be the head with which the request was
    /// started.
    pub fn answer(mut self, endpoint: Endpoint, head: &RequestHead<'_>) -> Observed<EndpointFuture> {
        self.state().set_route(head.path, false);
        self.progress_mut().endpoint = true;
        let future = self.observer.endpoints().answer(endpoint, head);
        self.observe(future)
    }

    /// Returns a counter of the request's body, for use while the service reads it. `None` if
    /// nothing needs to be counted because the size is known.
    ///
    /// An adapter counts a body of unknown size by wrapping it. It does so only if the framework
    /// boxes request bodies anyway.
    #[must_use]
    pub fn request_body(&self) -> Option<RequestBody> {
        RequestBody::unknown(self.state())
    }

    /// Reports the response's head.
    #[inline]
    pub fn responded(&mut self, status: u16, headers: &dyn HeaderLookup) {
        let InFlight { scope, progress, .. } = &mut *self.in_flight;
        let state = scope.state();
        progress.status = Some(status);
        progress.time_to_head = Some(state.elapsed());
        #[cfg(feature = "testing")]
        if let Some(on_responded) = &state.policy.on_responded {
            on_responded(&state.start, status);
        }
        let head = ResponseHead::of(headers);
        progress.stream = state.request().method.is_tunnel(status) || head.is_event_stream;
        progress.declared = head.content_length;
        if state.grpc.as_ref().is_some_and(|request| request.native) {
            progress.grpc = GrpcAnswer::of(headers).map(Box::new);
        }
    }

    /// The status of the response; `None` before [`responded`](Self::responded).
    #[must_use]
    #[inline]
    pub fn status(&self) -> Option<u16> {
        self.progress().status
    }

    /// The `Content-Length` that the response's head declares.
    #[must_use]
    #[inline]
    pub fn content_length(&self) -> Option<u64> {
        self.progress().declared
    }

    pub(crate) const fn observer(&self) -> &Observer {
        &self.observer
    }

    /// Returns true if the response keeps the request id that its headers already have: see
    /// [`keep_response_id`](crate::ObserverBuilder::keep_response_id).
    #[must_use]
    #[inline]
    pub fn keeps_id(&self, headers: &dyn HeaderLookup) -> bool {
        let ids = &self.observer.policy().ids;
        ids.keep_of_response && first_header(headers, ids.response_header(), |_| ()).is_some()
    }

    /// The response header that returns the trace context to the caller, if the settings ask for
    /// one.
    #[must_use]
    #[inline]
    pub fn trace_header(&self) -> Option<(&'static str, String)> {
        let value = || self.start().trace.traceparent();
        match self.observer.policy().trace_header {
            TraceHeader::Off => None,
            TraceHeader::TraceResponse => Some(("traceresponse", value())),
            TraceHeader::ServerTiming => Some(("server-timing", format!("traceparent;desc=\"{}\"", value()))),
        }
    }

    /// Records the response's trailers.
    pub(crate) fn trailers(&mut self, trailers: &dyn HeaderLookup) {
        if let Some(answer) = &mut self.progress_mut().grpc {
            answer.status = grpc::status(trailers);
        }
    }

    /// Reports the error with which the service or the body failed.
    ///
    /// An error that the handler [reported](Work::error) is more specific, so it is kept.
    pub fn failed(&mut self, report: ErrorReport) {
        let report = report.redacted(self.state().redactor());
        self.state().enrich(|e| {
            e.error.get_or_insert(report.into());
        });
    }

    /// Polls `future` in the request's scope and catches its panic.
    pub fn observe<F: Future>(self, future: F) -> Observed<F> {
        let mut observed = Observed::empty(self);
        observed.make(|| future);
        observed
    }

    /// Runs `f` in the request's scope and catches its panic.
    pub fn run<T>(mut self, f: impl FnOnce() -> T) -> (Self, Result<T, Panic>) {
        let result = self.enter(|| catch(f));
        (self, result)
    }

    /// Runs `f` in the request's scope.
    #[inline]
    pub(crate) fn enter<T>(&mut self, f: impl FnOnce() -> T) -> T {
        self.in_flight.scope.enter(f)
    }

    /// The two parts that a body needs while it is sent.
    #[inline]
    pub(crate) fn scope_and_progress(&mut self) -> (&mut Scope, &mut Progress) {
        let InFlight { scope, progress, .. } = &mut *self.in_flight;
        (scope, progress)
    }

    /// Records a panic that was caught before there was a response, and returns the answer to it.
    /// The function of [`PanicPolicy::with`] runs in the request's scope.
    ///
    /// # Panics
    /// With [`PanicPolicy::Resume`] the panic is recorded and then continues.
    pub fn panicked(mut self, panic: Panic) -> (Self, Answer) {
        self.note(&panic);
        let own = match &self.observer.policy().panic_policy {
            PanicPolicy::Answer => None,
            PanicPolicy::Custom(own) => Some(own.clone()).filter(|_| self.state().grpc.is_none()),
            PanicPolicy::Resume => {
                self.finish(Outcome::Panicked);
                panic.resume()
            }
        };
        let method = self.request().method;
        if let Some(own) = own {
            let report = panic.report().clone().redacted(self.state().redactor());
            let made = self.enter(|| catch(|| own.make(&report)));
            match made {
                Ok(answer) => return (self, answer.to(method)),
                Err(another) => own.warn(another.report()),
            }
        }
        let content_type = self.state().grpc.as_ref().map(|request| request.content_type.as_str());
        let answer = panic_answer::to_panic(&self.start().id, method, content_type);
        (self, answer)
    }

    /// Records a panic that was caught while the body was sent. The response has begun, so the
    /// panic continues, and the framework aborts the stream.
    #[cold]
    #[inline(never)]
    pub(crate) fn panicked_in_body(&mut self, panic: Panic) -> ! {
        self.note(&panic);
        self.end(Outcome::Panicked);
        panic.resume()
    }

    /// Records a panic, which decides the outcome. After the request's end it does nothing.
    pub(crate) fn note(&mut self, panic: &Panic) {
        if !self.in_flight.ended {
            let report = panic.report().clone().redacted(self.state().redactor());
            self.state().enrich(|e| e.panic = Some(report.into()));
        }
    }

    /// Returns true if the response must announce the end of its connection with
    /// `Connection: close`, because the service shuts down. Call it after
    /// [`responded`](Self::responded).
    ///
    /// Clients over HTTP/1 then lose no request when the server closes its connections. Over
    /// HTTP/2, the server announces the end of a connection with GOAWAY.
    #[inline]
    #[must_use]
    pub fn closes_connection(&self) -> bool {
        self.observer.is_draining() && self.may_close_connection()
    }

    #[cold]
    #[inline(never)]
    fn may_close_connection(&self) -> bool {
        let request = self.request();
        let http1 = matches!(request.version, Some(HttpVersion::Http10 | HttpVersion::Http11));
        http1 && !self.status().is_some_and(|status| request.method.is_tunnel(status))
    }

    /// Ends the request: makes its record and passes it to every sink.
    pub fn finish(mut self, outcome: Outcome) {
        self.end(outcome);
    }

    /// Ends the request but keeps it as a scope. Further calls do nothing.
    #[inline]
    pub(crate) fn end(&mut self, outcome: Outcome) {
        if !self.in_flight.ended {
            self.record(outcome);
        }
    }

    #[inline(never)]
    fn record(&mut self, outcome: Outcome) {
        let InFlight { scope, progress, ended } = &mut *self.in_flight;
        *ended = true;
        // Dropped last, so that the span closes when the request is recorded.
        #[cfg(feature = "logs")]
        let _span = scope.state().take_tracing_span();
        let mut record = WorkState::finish(scope.state(), progress, outcome, self.observer.is_draining());
        if let Some(classifier) = &self.observer.policy().classifier {
            record.classify(classifier);
        }
        if record.calls.exist() && !record.calls.repeated().is_empty() {
            self.observer.policy().repeated_queries.warn(&record);
        }
        self.observer.on_finish(&record);
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        let answered = self.progress().status.is_some();
        self.end(if answered { Outcome::CancelledInBody } else { Outcome::CancelledBeforeResponse });
    }
}

impl fmt::Debug for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observation")
            .field("request", self.request())
            .field("status", &self.progress().status)
            .finish_non_exhaustive()
    }
}
