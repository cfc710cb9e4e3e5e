//! The state machine of a request: started, responded, finished.
//!
//! Ownership is the state. An [`Observation`] cannot be cloned, moves from the handler's future into the
//! response's body, and [`finish`](Observation::finish) takes it by value; dropping it anywhere on the way is
//! a cancellation. So a request is recorded exactly once.

use std::{fmt, future::Future, sync::Arc};

use crate::{
    Answer, Endpoint, EndpointFuture, ErrorReport, HeaderLookup, Observed, Observer, Outcome, Panic,
    PanicPolicy, RequestBody, RequestHandle, RequestHead, RequestStart, TraceHeader, answer,
    current::Scope,
    grpc::{self, GrpcAnswer},
    head::ResponseHead,
    ops,
    panic::catch,
    recycled,
    state::{Progress, RequestState},
};

/// One request from its head to its end.
///
/// Adapters [start](Observer::start) it, put its [`handle`](Self::handle) into the request's extensions, run
/// the service [in its scope](Self::call), tell it of the [response](Self::responded), and move it into the
/// body. The observation itself never goes into extensions: those are cloned.
///
/// # Cancellation
/// Dropped before [`responded`](Self::responded) it is recorded as
/// [`CancelledBeforeResponse`](Outcome::CancelledBeforeResponse), after it as
/// [`CancelledInBody`](Outcome::CancelledInBody).
///
/// ```
/// use obs_core::{Observer, Outcome, RequestHead};
///
/// let observer = Observer::builder("shop").no_environment().build()?;
/// let mut observation = observer.start(RequestHead::new("GET", "/items/7", &()));
/// observation.set_route("/items/{id}");
/// observation.responded(200, &());
/// observation.finish(Outcome::Completed);
/// # Ok::<(), obs_core::BuildError>(())
/// ```
///
/// It cannot be finished twice:
///
/// ```compile_fail
/// # use obs_core::{Observer, Outcome, RequestHead};
/// # let observer = Observer::builder("shop").no_environment().build().unwrap();
/// let observation = observer.start(RequestHead::new("GET", "/", &()));
/// observation.finish(Outcome::Completed);
/// observation.finish(Outcome::Completed);
/// ```
#[must_use = "dropping it records a cancelled request"]
pub struct Observation {
    observer: Observer,
    state: Arc<RequestState>,
    /// In which all parts of the request run: the handler, and then the body.
    scope: Scope,
    /// Taken when the record is made.
    progress: Option<Progress>,
}

impl Observation {
    pub(crate) fn start(observer: &Observer, head: &RequestHead<'_>) -> Self {
        let state = RequestState::start(observer, head);
        observer.on_start(state.request());
        let scope = Scope::new(RequestHandle::new(Arc::clone(&state)));
        Self { observer: observer.clone(), state, scope, progress: Some(Progress::default()) }
    }

    /// The handle for handlers; adapters put it into the request's extensions.
    #[must_use]
    pub fn handle(&self) -> RequestHandle {
        RequestHandle::new(Arc::clone(&self.state))
    }

    /// What was known at the start.
    #[must_use]
    pub fn request(&self) -> &RequestStart {
        self.state.request()
    }

    /// The route's template, such as `/items/{id}`, as the framework knows it. What the handler or a layer
    /// further within says wins over it.
    ///
    /// Each text is kept once, and for ever, so it must be a template, never a path.
    pub fn set_route(&mut self, template: &str) {
        self.state.set_route(&self.observer, template, false);
    }

    /// The endpoint of the observer's that the request asks for, to be [answered](Self::answer). A
    /// [route of the user's own](RequestHead::own_route) at the very path wins.
    #[must_use]
    pub fn endpoint(&self) -> Option<Endpoint> {
        self.state.endpoint()
    }

    /// Answers the request as this endpoint; `head` is the one that it was started with.
    pub fn answer(mut self, endpoint: Endpoint, head: &RequestHead<'_>) -> Observed<EndpointFuture> {
        self.state.set_route(&self.observer, head.path, false);
        if let Some(progress) = &mut self.progress {
            progress.endpoint = true;
        }
        let future = ops::answer(&self.observer, endpoint, head);
        self.observe(future)
    }

    /// Counts the request's body while the service reads it; `None` if its size is known, so that there is nothing to count.
    ///
    /// Adapters wrap a body of unknown size, where the framework boxes bodies anyway.
    #[must_use]
    pub fn request_body(&self) -> Option<RequestBody> {
        RequestBody::unknown(&self.state)
    }

    /// The response's head is there.
    pub fn responded(&mut self, status: u16, headers: &dyn HeaderLookup) {
        if let Some(progress) = &mut self.progress {
            progress.status = Some(status);
            progress.time_to_head = Some(self.state.elapsed());
            let head = ResponseHead::of(headers);
            progress.stream = self.state.request().method.is_tunnel(status) || head.is_event_stream;
            progress.declared = head.content_length;
            if self.state.grpc().is_some_and(|request| request.native) {
                progress.grpc = GrpcAnswer::of(headers).map(Box::new);
            }
        }
    }

    /// The status that was sent.
    pub(crate) fn status(&self) -> Option<u16> {
        self.progress.as_ref().and_then(|progress| progress.status)
    }

    /// The length that the head declares for the body.
    pub(crate) fn declared_length(&self) -> Option<u64> {
        self.progress.as_ref().and_then(|progress| progress.declared)
    }

    pub(crate) const fn observer(&self) -> &Observer {
        &self.observer
    }

    /// The response header that tells the caller the request's place in its trace, if there is to be one.
    #[must_use]
    pub fn trace_header(&self) -> Option<(&'static str, String)> {
        let value = || self.request().trace.traceparent();
        match self.observer.trace_header() {
            TraceHeader::Off => None,
            TraceHeader::TraceResponse => Some(("traceresponse", value())),
            TraceHeader::ServerTiming => Some(("server-timing", format!("traceparent;desc=\"{}\"", value()))),
        }
    }

    /// So many bytes of the response's body were sent.
    pub(crate) fn sent(&mut self, bytes: u64) {
        if let Some(progress) = &mut self.progress {
            progress.response_bytes = bytes;
        }
    }

    /// The response's body has messages of gRPC.
    pub(crate) fn is_answer_of_grpc(&self) -> bool {
        self.progress.as_ref().is_some_and(|progress| progress.grpc.is_some())
    }

    /// Counts the messages in bytes of the response's body.
    pub(crate) fn see_messages(&mut self, bytes: &[u8]) {
        if let Some(Progress { grpc: Some(answer), .. }) = &mut self.progress {
            answer.messages.see(bytes);
        }
    }

    /// The response's trailers have come.
    pub(crate) fn trailers(&mut self, trailers: &dyn HeaderLookup) {
        if let Some(Progress { grpc: Some(answer), .. }) = &mut self.progress {
            answer.status = grpc::status(trailers);
        }
    }

    /// The error with which the service or the body failed, for the record.
    ///
    /// What the handler itself [reported](RequestHandle::error) says more and stays.
    pub fn failed(&mut self, report: ErrorReport) {
        let report = report.redacted(self.state.redactor());
        self.state.enrich(|e| {
            e.error.get_or_insert(report.into());
        });
    }

    /// Polls `future` in the request's scope and catches its panic.
    pub fn observe<F: Future>(self, future: F) -> Observed<F> {
        self.call(future, |future| future)
    }

    /// Makes a future of a request in the request's scope and goes on as [`observe`](Self::observe): for a service whose
    /// `call` itself may panic.
    // Inlined, it would have the request moved once more.
    #[inline(never)]
    pub fn call<R, F: Future>(self, request: R, make: impl FnOnce(R) -> F) -> Observed<F> {
        let mut observed = Observed::empty(self);
        observed.make(request, make);
        observed
    }

    /// Runs `f` in the request's scope and catches its panic.
    pub fn run<T>(mut self, f: impl FnOnce() -> T) -> (Self, Result<T, Panic>) {
        let result = self.enter(|| catch(f));
        (self, result)
    }

    /// Runs `f` in the request's scope.
    pub(crate) fn enter<T>(&mut self, f: impl FnOnce() -> T) -> T {
        self.scope.enter(f)
    }

    /// Polls a body in the request's scope.
    pub(crate) fn enter_body<T>(&mut self, poll: impl FnOnce() -> T) -> T {
        self.scope.enter_briefly(poll)
    }

    /// A panic was caught before there was a response: notes it and says what to answer.
    ///
    /// # Panics
    /// Goes on with the panic if the policy is [`PanicPolicy::Resume`]; it is recorded before.
    pub fn panicked(mut self, panic: Panic) -> (Self, Answer) {
        self.note(&panic);
        match self.observer.panic_policy() {
            PanicPolicy::Answer => {
                let content_type = self.state.grpc().map(|request| request.content_type.as_str());
                let answer = answer::to_panic(self.state.request(), content_type);
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
    pub(crate) fn panicked_in_body(&mut self, panic: Panic) -> ! {
        self.note(&panic);
        self.end(Outcome::Panicked);
        panic.resume()
    }

    /// The record will say that it panicked, whatever its outcome seems to be; unless it has ended.
    pub(crate) fn note(&mut self, panic: &Panic) {
        if self.progress.is_some() {
            let report = panic.report().clone().redacted(self.state.redactor());
            self.state.enrich(|e| e.panic = Some(report.into()));
        }
    }

    /// Ends the request: makes its record and gives it to every sink.
    pub fn finish(mut self, outcome: Outcome) {
        self.end(outcome);
    }

    /// The same for one that is still needed as a scope. It ends once.
    #[inline]
    pub(crate) fn end(&mut self, outcome: Outcome) {
        if self.progress.is_some() {
            self.record(outcome);
        }
    }

    #[inline(never)]
    fn record(&mut self, outcome: Outcome) {
        if let Some(progress) = self.progress.take() {
            let record = RequestState::finish(&self.state, &self.observer, progress, outcome);
            self.observer.on_finish(&record);
        }
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        let answered = self.status().is_some();
        self.end(if answered { Outcome::CancelledInBody } else { Outcome::CancelledBeforeResponse });
        self.scope.clear();
        recycled::keep(&mut self.state);
    }
}

impl fmt::Debug for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observation")
            .field("request", self.request())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
