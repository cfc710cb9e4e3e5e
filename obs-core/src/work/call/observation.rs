//! The life of a call: started, responded, finished.

use std::{
    fmt, mem,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use crate::{
    base::text::bounded,
    http::{grpc, headers::HeaderLookup, protocol::HttpVersion},
    record::{
        call::{CallEnd, CallFailure, CallStart, CallTarget},
        calls::{Calls, OpenByHand},
        error::ErrorReport,
        fields::Fields,
        finished::{Classified, Record, RecordKind},
        outcome::Outcome,
        policy::Policy,
        route::Excluded,
        start::{Start, StartKind},
        state::WorkState,
        work_outputs::WorkOutputs,
    },
    trace::TraceContext,
    work::call::{
        head::CallHead,
        nesting::{self, CallPlace},
    },
};

/// The observation of one call, from its head to the end of its response.
///
/// The steps of a client:
///
/// 1. [Start](crate::Observer::start_call) it.
/// 2. [Inject](Self::inject) its headers into the request.
/// 3. Poll the client's future [inside of it](Self::enter).
/// 4. Report the [response's head](Self::responded), or the [failure](Self::failed).
/// 5. Move it into the response's body, and [finish](Self::finish) it at the body's end.
///
/// # Cancellation
/// A drop before [`finish`](Self::finish) records the failure
/// [`Cancelled`](CallFailure::Cancelled), unless another failure was reported.
///
/// ```
/// use obs_core::{Observer, adapter::CallHead, output::CallFailure};
///
/// let observer = Observer::builder("shop").no_environment().build()?;
/// let mut call = observer.start_call(&CallHead::http("GET", "http", "payments"));
/// call.failed(CallFailure::Connect, None);
/// call.finish();
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[must_use = "dropping it records a cancelled call"]
pub struct CallObservation {
    state: Arc<WorkState>,
    /// The work in which the call was made.
    work: Option<Arc<WorkState>>,
    outputs: Option<Arc<dyn WorkOutputs>>,
    end: CallEnd,
    error: Option<Box<ErrorReport>>,
    /// True once the outputs know of it.
    opened: bool,
    /// True if its record is made, or if a call around it is recorded instead.
    ended: bool,
    /// True if the host gets baggage and the request id.
    internal: bool,
    host: u64,
    /// The deadline of a gRPC call.
    timeout: Option<Duration>,
}

impl CallObservation {
    /// Starts a call that a client observes, in the work that is current for this policy.
    pub(crate) fn observed(
        outputs: Arc<dyn WorkOutputs>,
        policy: &Arc<Policy>,
        around: Option<Arc<WorkState>>,
        head: &CallHead<'_>,
    ) -> Self {
        let work = root(around.as_ref());
        let head = head.resolved(policy);
        let number = head.server_number();
        let place = nesting::place_of_observed(work, number);
        let dependency = match place {
            CallPlace::Replaces(dependency) => dependency,
            CallPlace::Own | CallPlace::Inside => head.named(policy),
        };
        if let Some(work) = work {
            work.lock().calls.replace_by_hand(dependency);
        }
        let internal = policy.internal_hosts.contain(head.server_host());
        let inside = matches!(place, CallPlace::Inside);
        let start = head.start(policy, dependency);
        let mut this = Self::new(Some(outputs), policy, around, start, inside, internal, number);
        this.timeout = head.timeout();
        if let Some(state) = Arc::get_mut(&mut this.state) {
            state.started_ago(head.ago());
        }
        this.open();
        this
    }

    /// Starts a call that the application records by hand.
    pub(crate) fn by_hand(around: Arc<WorkState>, dependency: &str) -> Self {
        let dependency = around.policy.dependencies.intern(dependency);
        let start = CallStart { dependency, operation: None, target: CallTarget::Other };
        let policy = Arc::clone(&around.policy);
        let inside = nesting::is_observed(root(Some(&around)));
        let this = Self::new(policy.outputs(), &policy, Some(around), start, inside, true, 0);
        if let Some(work) = this.work.as_ref().filter(|_| !inside) {
            let span_id = this.state.start.trace.span_id;
            work.lock().calls.start_by_hand(OpenByHand { call: this.number(), dependency, span_id });
        }
        this
    }

    /// A number that no other running call has.
    fn number(&self) -> usize {
        Arc::as_ptr(&self.state).addr()
    }

    fn new(
        outputs: Option<Arc<dyn WorkOutputs>>,
        policy: &Arc<Policy>,
        around: Option<Arc<WorkState>>,
        call: CallStart,
        inside: bool,
        internal: bool,
        host: u64,
    ) -> Self {
        let state = WorkState::inner(policy, around.as_ref(), StartKind::Call(call));
        let work = around.map(|around| around.root.clone().unwrap_or(around));
        Self {
            state: Arc::new(state),
            work,
            outputs,
            end: CallEnd::default(),
            error: None,
            opened: false,
            ended: inside,
            internal,
            host,
            timeout: None,
        }
    }

    /// Starts its span, and reports its start to the outputs. A call by hand does that late,
    /// because an observed call may replace it.
    pub(super) fn open(&mut self) {
        if self.ended || mem::replace(&mut self.opened, true) {
            return;
        }
        let Some(outputs) = &self.outputs else { return };
        #[cfg(feature = "otel")]
        if let Some(state) = Arc::get_mut(&mut self.state) {
            let around = self.work.as_ref().and_then(|work| work.span());
            state.span = outputs.start_inner_span(&mut state.start, around);
        }
        outputs.on_start(&self.state.start);
    }

    /// The start of the call.
    #[must_use]
    pub fn start(&self) -> &Start {
        &self.state.start
    }

    /// The position of the call in its trace.
    #[must_use]
    pub fn trace(&self) -> &TraceContext {
        &self.state.start.trace
    }

    /// Calls `set` with the name and the value of each header that the client must send. They
    /// replace existing headers of the same names.
    ///
    /// Every host gets the trace context. Only [internal
    /// hosts](crate::ObserverBuilder::internal_hosts) get baggage and the request id. If another
    /// call around this one is recorded instead, there are no headers: that call has set them.
    pub fn inject(&self, set: &mut dyn FnMut(&str, &str)) {
        if self.ended {
            return;
        }
        self.inject_into(self.internal, set);
    }

    /// Does the same for a client that may send the headers to other hosts, too: it follows
    /// redirects and cannot change the headers then. So baggage and the request id are excluded.
    pub fn inject_trace_only(&self, set: &mut dyn FnMut(&str, &str)) {
        if !self.ended {
            self.inject_into(false, set);
        }
    }

    fn inject_into(&self, internal: bool, set: &mut dyn FnMut(&str, &str)) {
        let start = &self.state.start;
        if internal && self.work.is_some() {
            set(self.state.policy.ids.response_header(), start.id.as_str());
        }
        start.trace.inject(|name, value| {
            if internal || name != "baggage" {
                set(name, value);
            }
        });
    }

    /// Runs a poll or a drop of the client's future. Calls inside of it do not count twice.
    pub fn enter<T>(&mut self, f: impl FnOnce() -> T) -> T {
        nesting::inside_observed(self.work.as_ref(), self.host, f)
    }

    /// Runs a part of a call by hand. Returns true as the second value if an observed call has
    /// replaced this one.
    pub(super) fn enter_by_hand<T>(&self, f: impl FnOnce() -> T) -> (T, bool) {
        match self.call() {
            Some(call) => nesting::inside_by_hand(self.work.as_ref(), call.dependency, f),
            None => (f(), false),
        }
    }

    /// Reports the response's head.
    pub fn responded(&mut self, status: u16, headers: &dyn HeaderLookup) {
        self.end.status = Some(status);
        self.end.time_to_head = Some(self.state.elapsed());
        // A response without a body has the gRPC status in its head.
        if self.is_grpc() {
            self.trailers(headers);
        }
    }

    /// Reports the trailers, which contain the status of a gRPC call.
    pub fn trailers(&mut self, trailers: &dyn HeaderLookup) {
        if let Some((status, _)) = grpc::status(trailers) {
            self.end.grpc_status = Some(status);
        }
    }

    /// Counts bytes of the response's body.
    pub fn received(&mut self, bytes: u64) {
        self.end.response_bytes = self.end.response_bytes.saturating_add(bytes);
    }

    /// Sets the version of the protocol.
    pub fn set_version(&mut self, version: HttpVersion) {
        self.end.version = Some(version);
    }

    /// Sets the address of the server.
    pub fn set_peer(&mut self, peer: SocketAddr) {
        self.end.peer = Some(peer);
    }

    /// Counts rows that a database returned or changed.
    pub fn rows(&mut self, rows: u64) {
        self.end.rows = Some(self.end.rows.unwrap_or(0).saturating_add(rows));
    }

    /// Sets the code that a database returned, such as an SQLSTATE. At most 32 bytes are kept.
    pub fn status_code(&mut self, code: &str) {
        self.end.code = Some(bounded(&self.state.redactor().text(code), 32).into());
    }

    /// Reports the reason for which the call failed. The first reason is kept.
    pub fn failed(&mut self, failure: CallFailure, error: Option<ErrorReport>) {
        self.end.failure.get_or_insert(failure);
        if let Some(report) = error {
            let report = report.redacted(self.state.redactor());
            self.error.get_or_insert(report.into());
        }
    }

    /// Everything that is known of the response so far.
    pub(super) const fn progress(&mut self) -> &mut CallEnd {
        &mut self.end
    }

    /// Ends the call: with its body, or after its failure.
    pub fn finish(mut self) {
        self.end();
    }

    /// The start of the call, while no other part of the program knows it.
    pub(super) fn call_mut(&mut self) -> Option<&mut CallStart> {
        match &mut Arc::get_mut(&mut self.state)?.start.kind {
            StartKind::Call(call) => Some(call),
            StartKind::Request(_) | StartKind::Span(_) => None,
        }
    }

    /// The policy of the observer.
    pub(super) fn policy(&self) -> &Policy {
        &self.state.policy
    }

    fn call(&self) -> Option<&CallStart> {
        self.state.start.call()
    }

    fn is_grpc(&self) -> bool {
        self.call().is_some_and(|call| matches!(call.target, CallTarget::Grpc(_)))
    }

    /// Records a call of which only the headers are known: it has no duration.
    pub(crate) fn inject_only(mut self, set: &mut dyn FnMut(&str, &str)) {
        self.end.unmeasured = true;
        self.open();
        self.inject(set);
        self.end_by_hand(false);
    }

    /// Ends a call by hand, unless an observed call of the same dependency has replaced it.
    pub(super) fn end_by_hand(&mut self, replaced: bool) {
        if self.ended {
            return;
        }
        let number = self.number();
        let open = self.work.as_ref().is_none_or(|work| work.lock().calls.end_by_hand(number));
        if (replaced || !open) && !self.opened {
            self.ended = true;
            return;
        }
        self.open();
        self.end();
    }

    fn end(&mut self) {
        if mem::replace(&mut self.ended, true) {
            return;
        }
        if self.is_grpc() {
            let has_expired = self.timeout.is_some_and(|timeout| self.state.elapsed() >= timeout);
            self.end.complete_grpc(has_expired);
        }
        let mut record = self.record();
        let mut is_excluded = false;
        if let (Some(work), Some(call)) = (&self.work, record.call()) {
            let start = self.state.started.saturating_duration_since(work.started);
            let mut enrichment = work.lock();
            // Work that has ended has passed on its calls already.
            if !enrichment.finished {
                enrichment.calls.add(&record, &call, start);
                is_excluded = enrichment.route.as_ref().is_some_and(|route| route.excluded().spans);
            }
        }
        record.excluded.spans = is_excluded;
        if let Some(outputs) = &self.outputs {
            outputs.on_finish(&record);
        }
    }

    fn record(&mut self) -> Record {
        // A call has no event of its own.
        let excluded = Excluded { events: true, ..Excluded::default() };
        Record {
            state: Arc::clone(&self.state),
            outcome: self.outcome(),
            error: self.error.take(),
            panic: None,
            duration: self.state.elapsed(),
            user: None,
            flags: Vec::new(),
            calls: Calls::default(),
            fields: Fields::default(),
            draining: self.outputs.as_ref().is_some_and(|outputs| outputs.is_draining()),
            kind: RecordKind::Call(mem::take(&mut self.end)),
            excluded,
            by_status: false,
            classified: Classified::ByDefault,
            kept_by_rule: OnceLock::new(),
            #[cfg(feature = "logs")]
            kept_lines: None,
        }
    }

    const fn outcome(&self) -> Outcome {
        match (self.end.failure, self.end.status) {
            (None, _) => Outcome::Completed,
            (Some(CallFailure::Cancelled), None) => Outcome::CancelledBeforeResponse,
            (Some(CallFailure::Cancelled), Some(_)) => Outcome::CancelledInBody,
            (Some(_), None) => Outcome::ServiceError,
            (Some(CallFailure::Incomplete), Some(_)) => Outcome::Truncated,
            (Some(_), Some(_)) => Outcome::BodyError,
        }
    }
}

/// The work to which a call belongs, if `around` is the innermost span or the work itself.
fn root(around: Option<&Arc<WorkState>>) -> Option<&Arc<WorkState>> {
    around.map(|around| around.root.as_ref().unwrap_or(around))
}

impl Drop for CallObservation {
    fn drop(&mut self) {
        if !self.ended {
            self.end.failure.get_or_insert(CallFailure::Cancelled);
            self.end();
        }
    }
}

impl fmt::Debug for CallObservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallObservation")
            .field("dependency", &self.call().map(|call| call.dependency))
            .field("status", &self.end.status)
            .finish_non_exhaustive()
    }
}
