//! The state machine of a request: started, responded, finished.
//!
//! Ownership is the state. An [`Observation`] cannot be cloned, moves from the handler's future into the
//! response's body, and [`finish`](Observation::finish) takes it by value; dropping it anywhere on the way is
//! a cancellation. So a request is recorded exactly once.

use std::{fmt, future::Future, sync::Arc};

use crate::{
    base::panic::{Panic, catch},
    http::{
        answer::{Answer, EndpointFuture},
        grpc::{self, answer::GrpcAnswer},
        head::RequestHead,
        headers::HeaderLookup,
        response_head::ResponseHead,
    },
    observer::Observer,
    record::{
        endpoint::Endpoint,
        error::ErrorReport,
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

/// One request from its head to its end.
///
/// Adapters [start](Observer::start) it, put its [`handle`](Self::work) into the request's extensions, run
/// the service [in its scope](Observed::make), tell it of the [response](Self::responded), and move it into the
/// body. The observation itself never goes into extensions: those are cloned.
///
/// # Cancellation
/// Dropped before [`responded`](Self::responded) it is recorded as
/// [`CancelledBeforeResponse`](Outcome::CancelledBeforeResponse), after it as
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
    pub(crate) fn begin(observer: &Observer, head: &RequestHead<'_>, outer: Option<&Arc<WorkState>>) -> Self {
        let mut in_flight = Recycled::take(observer);
        in_flight.begin(observer, head, outer);
        observer.on_start(&in_flight.state().start);
        Self { observer: observer.clone(), in_flight }
    }

    fn state(&self) -> &Arc<WorkState> {
        self.in_flight.state()
    }

    /// How far the answer has come.
    #[inline]
    pub(crate) fn progress(&self) -> &Progress {
        &self.in_flight.progress
    }

    pub(crate) fn progress_mut(&mut self) -> &mut Progress {
        &mut self.in_flight.progress
    }

    /// The handle for handlers; adapters put it into the request's extensions.
    #[must_use]
    pub fn work(&self) -> Work {
        Work::new(Arc::clone(self.state()))
    }

    /// Everything that was known at the start: id, trace and time.
    #[must_use]
    pub fn start(&self) -> &Start {
        &self.state().start
    }

    /// Everything that the request's head said.
    #[must_use]
    pub fn request(&self) -> &RequestStart {
        self.state().request()
    }

    /// The route's template, such as `/items/{id}`, as the framework knows it. What the handler or a layer
    /// further within says wins over it.
    ///
    /// Each text is kept once, and for ever, so it must be a template, never a path.
    pub fn set_route(&mut self, template: &str) {
        self.state().set_route(template, false);
    }

    /// The endpoint of the observer's that the request asks for, to be [answered](Self::answer). A
    /// [route of the user's own](RequestHead::own_route) at the very path wins.
    #[must_use]
    pub fn endpoint(&self) -> Option<Endpoint> {
        self.state().endpoint
    }

    /// Answers the request as this endpoint; `head` is the one that it was started with.
    pub fn answer(mut self, endpoint: Endpoint, head: &RequestHead<'_>) -> Observed<EndpointFuture> {
        self.state().set_route(head.path, false);
        self.progress_mut().endpoint = true;
        let future = self.observer.endpoints().answer(endpoint, head);
        self.observe(future)
    }

    /// Counts the request's body while the service reads it; `None` if its size is known, so that there is nothing to count.
    ///
    /// Adapters wrap a body of unknown size, where the framework boxes bodies anyway.
    #[must_use]
    pub fn request_body(&self) -> Option<RequestBody> {
        RequestBody::unknown(self.state())
    }

    /// The response's head is there.
    #[inline]
    pub fn responded(&mut self, status: u16, headers: &dyn HeaderLookup) {
        let InFlight { scope, progress, .. } = &mut *self.in_flight;
        let state = scope.state();
        progress.status = Some(status);
        progress.time_to_head = Some(state.elapsed());
        let head = ResponseHead::of(headers);
        progress.stream = state.request().method.is_tunnel(status) || head.is_event_stream;
        progress.declared = head.content_length;
        if state.grpc.as_ref().is_some_and(|request| request.native) {
            progress.grpc = GrpcAnswer::of(headers).map(Box::new);
        }
    }

    /// The status of the response; `None` before it has [responded](Self::responded).
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.progress().status
    }

    /// The `Content-Length` that the response's head has declared.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.progress().declared
    }

    pub(crate) const fn observer(&self) -> &Observer {
        &self.observer
    }

    /// The response header that tells the caller the request's place in its trace, if there is to be one.
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

    /// The response's trailers have come.
    pub(crate) fn trailers(&mut self, trailers: &dyn HeaderLookup) {
        if let Some(answer) = &mut self.progress_mut().grpc {
            answer.status = grpc::status(trailers);
        }
    }

    /// The error with which the service or the body failed, for the record.
    ///
    /// What the handler itself [reported](Work::error) says more and stays.
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
    pub(crate) fn enter<T>(&mut self, f: impl FnOnce() -> T) -> T {
        self.in_flight.scope.enter(f)
    }

    /// What a body needs while it is sent.
    #[inline]
    pub(crate) fn scope_and_progress(&mut self) -> (&mut Scope, &mut Progress) {
        let InFlight { scope, progress, .. } = &mut *self.in_flight;
        (scope, progress)
    }

    /// A panic was caught before there was a response: notes it and says what to answer.
    ///
    /// # Panics
    /// Goes on with the panic if the policy is [`PanicPolicy::Resume`]; it is recorded before.
    pub fn panicked(mut self, panic: Panic) -> (Self, Answer) {
        self.note(&panic);
        match self.observer.policy().panic_policy {
            PanicPolicy::Answer => {
                let content_type = self.state().grpc.as_ref().map(|request| request.content_type.as_str());
                let answer = panic_answer::to_panic(&self.start().id, self.request().method, content_type);
                (self, answer)
            }
            PanicPolicy::Resume => {
                self.finish(Outcome::Panicked);
                panic.resume()
            }
        }
    }

    /// A panic was caught while the body was sent: there is nothing left to answer, so it is recorded and
    /// goes on, and the framework aborts the stream.
    #[cold]
    #[inline(never)]
    pub(crate) fn panicked_in_body(&mut self, panic: Panic) -> ! {
        self.note(&panic);
        self.end(Outcome::Panicked);
        panic.resume()
    }

    /// The record will say that it panicked, whatever its outcome seems to be; unless it has ended.
    pub(crate) fn note(&mut self, panic: &Panic) {
        if !self.in_flight.ended {
            let report = panic.report().clone().redacted(self.state().redactor());
            self.state().enrich(|e| e.panic = Some(report.into()));
        }
    }

    /// Ends the request: makes its record and gives it to every sink.
    pub fn finish(mut self, outcome: Outcome) {
        self.end(outcome);
    }

    /// The same for one that is still needed as a scope. It ends once.
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
        let record = WorkState::finish(scope.state(), progress, outcome, self.observer.is_draining());
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
