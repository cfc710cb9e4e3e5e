//! A handle of a request: how handlers, and what they start, reach it.

use std::{
    borrow::Cow,
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

#[cfg(feature = "otel")]
use crate::outputs::otel::tracing::RequestSpan;
use crate::{
    base::{
        panic::PanicReport,
        text::{bounded, cow_bounded, masked},
    },
    observer::Observer,
    record::{
        calls::CallGuard,
        fields::Value,
        finished::{ErrorReport, RequestStart},
        request_id::RequestId,
        shared::RequestState,
    },
    request::current::Scope,
    trace::TraceContext,
};

/// The longest user id, and key or variant of a feature flag, in bytes; the most flags.
const MAX_USER: usize = 256;
const MAX_FLAG: usize = 128;
const MAX_FLAGS: usize = 32;

/// A handler's access to its own request: fields, errors, route, id.
///
/// Cheap to clone, `Send` and `Sync`; it may outlive the request. What is written after the request has ended
/// is lost, counted in `obs_late_writes_total` and warned about once. A handle that belongs to no request
/// (see [`current`](crate::current)) does nothing.
///
/// ```
/// use obs_core::{Observer, RequestHead};
///
/// let observer = Observer::builder("shop").no_environment().build()?;
/// let observation = observer.start(&RequestHead::new("GET", "/items/7", &()));
/// let handle = observation.handle();
/// handle.set("item.id", 7);
/// handle.run(|| obs_core::current().set("db.rows", 1)); // the same request
/// assert!(handle.request_id().is_some());
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone, Default)]
pub struct RequestHandle(Option<Arc<RequestState>>);

impl RequestHandle {
    /// A handle that belongs to no request.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    pub(crate) const fn new(state: Arc<RequestState>) -> Self {
        Self(Some(state))
    }

    pub(crate) const fn state(&self) -> Option<&Arc<RequestState>> {
        self.0.as_ref()
    }

    /// The request's state, if nobody else has it.
    pub(crate) fn unique_state(&mut self) -> Option<&mut RequestState> {
        self.0.as_mut().and_then(Arc::get_mut)
    }

    /// Whether it belongs to a request (which may have ended).
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.0.is_some()
    }

    /// Adds a field to the request's record, or sets it anew. At most 64 fields and 16 KiB.
    pub fn set(&self, key: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        if let Some(state) = &self.0 {
            set_field(state, key.into(), value.into());
        }
    }

    /// Reports the error that made the request fail, with its type and its sources. The last one counts.
    ///
    /// Its type becomes the `error_type` of a 5xx answer, unless it has a [kind](Self::error_kind). For what is no `Error` itself, such
    /// as `anyhow::Error` or `Box<dyn Error + Send + Sync>`, pass `&*error`.
    pub fn error<E: Error + ?Sized>(&self, error: &E) {
        if let Some(state) = &self.0 {
            // The error's own `Display` runs before the lock is taken: it may call us.
            let report = ErrorReport::of(error).redacted(state.redactor());
            state.enrich(|e| e.error = Some(report.into()));
        }
    }

    /// Names the kind of the request's failure, for the `error_type` of a 5xx answer: `error_kind("out_of_stock")`.
    ///
    /// It takes the place of the error's type, before or after [`error`](Self::error). The text is static because it becomes
    /// a metric's label.
    pub fn error_kind(&self, kind: &'static str) {
        if let Some(state) = &self.0 {
            state.enrich(|e| e.error_kind = Some(kind));
        }
    }

    /// Says whom the request serves. It is told as [the settings](crate::Events::user) allow: as it is, hashed, or not at all.
    pub fn user(&self, id: impl AsRef<str>) {
        let Some(state) = &self.0 else { return };
        let Some(observer) = state.observer().upgrade() else { return };
        let user = observer
            .identities()
            .user(id.as_ref(), |id| bounded(&state.redactor().text(id), MAX_USER).into_owned());
        state.enrich(|e| e.user = user);
    }

    /// Notes that a feature flag was evaluated, and what came out: `flag("new-cart", "on")`. At most 32 flags.
    pub fn flag(&self, key: impl Into<Cow<'static, str>>, variant: impl Into<Cow<'static, str>>) {
        let Some(state) = &self.0 else { return };
        let key = cow_bounded(masked(key.into(), |key| state.redactor().text(key)), MAX_FLAG);
        let variant = masked(variant.into(), |variant| state.redactor().value(&key, variant));
        let variant = cow_bounded(variant, MAX_FLAG);
        state.enrich(|e| {
            if let Some(flag) = e.flags.iter_mut().find(|(other, _)| *other == key) {
                flag.1 = variant;
            } else if e.flags.len() < MAX_FLAGS {
                e.flags.push((key, variant));
            }
        });
    }

    /// A call of something that the request depends on begins, and ends when what is returned is dropped: how often, how long and
    /// with which errors each dependency was called is in the request's record and its event.
    pub fn call(&self, dependency: impl Into<Cow<'static, str>>) -> CallGuard {
        CallGuard::start(self.0.clone(), dependency.into())
    }

    /// Names the request's route where the framework cannot know it. It wins over what the framework says.
    ///
    /// The text is static because it becomes a metric's label: a path would make endless series.
    pub fn set_route(&self, template: &'static str) {
        self.refine_route(template);
    }

    /// For adapters: the more specific route that a layer further within sees.
    ///
    /// Each text is kept once, and for ever, so it must be a template, never a path.
    pub fn refine_route(&self, template: &str) {
        if let Some(state) = &self.0
            && let Some(observer) = state.observer().upgrade()
        {
            state.set_route(&observer, template, true);
        }
    }

    /// Says that the answer is a long-lived stream, so that its duration stays out of the latency histogram.
    ///
    /// Server-sent events and upgrades are recognised without it; a long download is no stream.
    pub fn streaming(&self) {
        if let Some(state) = &self.0 {
            state.enrich(|e| e.stream = true);
        }
    }

    /// The request's id; `None` outside a request.
    #[must_use]
    pub fn request_id(&self) -> Option<&RequestId> {
        self.request().map(|request| &request.id)
    }

    /// The request's place in its trace, to be [injected](TraceContext::inject) into what it calls; `None` outside a
    /// request.
    ///
    /// ```
    /// # struct Outgoing; impl Outgoing { fn header(&mut self, _: &str, _: &str) {} }
    /// # let mut outgoing = Outgoing;
    /// if let Some(trace) = obs_core::current().trace() {
    ///     trace.inject(|name, value| outgoing.header(name, value));
    /// }
    /// ```
    #[must_use]
    pub fn trace(&self) -> Option<&TraceContext> {
        self.request().map(|request| &request.trace)
    }

    /// Passes the request on to a service that it calls: `set` gets the name and the value of each header by which that one
    /// continues the trace, under the same request id. Outside a request there is nothing to pass on. With OpenTelemetry, the call
    /// hangs below the span that is current here.
    ///
    /// For clients on `http` 1 there is `inject_http` (feature `http`).
    ///
    /// ```
    /// # struct Outgoing; impl Outgoing { fn header(&mut self, _: &str, _: &str) {} }
    /// # let mut outgoing = Outgoing;
    /// obs_core::current().inject(|name, value| outgoing.header(name, value));
    /// ```
    pub fn inject(&self, mut set: impl FnMut(&str, &str)) {
        let Some(state) = &self.0 else { return };
        if let Some(observer) = state.observer().upgrade() {
            set(observer.request_id_header(), state.request().id.as_str());
        }
        #[cfg(feature = "otel")]
        if let Some((span_id, flags)) =
            self.span().and_then(|_| RequestSpan::innermost(&state.request().trace))
        {
            return state.request().trace.inject_as(span_id, flags, set);
        }
        state.request().trace.inject(set);
    }

    /// The request's span with OpenTelemetry, if there is one: this observer's, or that of one further out.
    #[cfg(feature = "otel")]
    pub(crate) fn span(&self) -> Option<&RequestSpan> {
        let state = self.0.as_deref()?;
        state.span().or_else(|| state.outer()?.span())
    }

    /// What was known when the request started; `None` outside a request.
    #[must_use]
    pub fn request(&self) -> Option<&RequestStart> {
        self.0.as_deref().map(RequestState::request)
    }

    /// Takes the request along into a task: `tokio::spawn(current().in_request(work()))`.
    ///
    /// [`current`](crate::current) is this request while the future is polled and dropped. The request does not wait for it.
    pub fn in_request<F: Future>(&self, future: F) -> InRequest<F> {
        InRequest { scope: Scope::new(self.clone()), future: Some(future) }
    }

    /// Takes the request along into a thread: `spawn_blocking(move || handle.run(work))`.
    ///
    /// # Panics
    /// Only if `f` does.
    pub fn run<T>(&self, f: impl FnOnce() -> T) -> T {
        Scope::new(self.clone()).enter(f)
    }

    /// The handle that `observer` has for this request: this one, or that of a layer around it.
    #[must_use]
    pub fn of(&self, observer: &Observer) -> Option<Self> {
        let mut next = Some(self);
        while let Some(handle) = next {
            let state = handle.0.as_ref()?;
            if state.observer().is(observer) {
                return Some(handle.clone());
            }
            next = state.outer();
        }
        None
    }

    #[cfg(test)]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.0.as_ref().zip(other.0.as_ref()).is_some_and(|(a, b)| Arc::ptr_eq(a, b))
    }

    /// The process is about to abort: records what is known and flushes.
    pub(crate) fn aborting(&self, report: PanicReport) {
        if let Some(state) = &self.0 {
            RequestState::abort(state, report);
        }
    }
}

/// Not generic: it would be compiled once more for every kind of value.
fn set_field(state: &RequestState, key: Cow<'static, str>, value: Value) {
    let (key, value) = state.redactor().field(key, value);
    state.enrich(|e| e.fields.set(key, value));
}

impl fmt::Debug for RequestHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHandle").field("request_id", &self.request_id()).finish()
    }
}

pin_project! {
    /// A future that runs inside a request: see [`RequestHandle::in_request`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct InRequest<F> {
        scope: Scope,
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for InRequest<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.scope.enter(|| this.future.set(None));
        }
    }
}

impl<F: Future> Future for InRequest<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        match this.future.as_pin_mut() {
            Some(future) => this.scope.enter(|| future.poll(cx)),
            // The field is emptied only by drop.
            None => Poll::Pending,
        }
    }
}
