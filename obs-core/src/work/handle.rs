//! The handle of a piece of work, by which handlers, libraries and log lines enrich the work they run in.

use std::{
    borrow::Cow,
    error::Error,
    fmt,
    future::Future,
    panic::{RefUnwindSafe, UnwindSafe},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

#[cfg(feature = "otel")]
use crate::record::span::WorkSpan;
use crate::{
    base::{
        text::{bounded, cow_bounded, masked},
        value::Value,
    },
    record::{
        error::ErrorReport,
        policy::Policy,
        request_id::RequestId,
        start::{RequestStart, Start},
        state::WorkState,
    },
    trace::TraceContext,
    work::{call_guard::CallGuard, scope::Scope},
};

/// The longest user id, and key or variant of a feature flag, in bytes; the most flags.
const MAX_USER: usize = 256;
const MAX_FLAG: usize = 128;
const MAX_FLAGS: usize = 32;

/// A handle of a piece of work: fields, errors, route, id.
///
/// It is cheap to clone, `Send` and `Sync`, and may outlive the work. A write after the end is lost, counted in
/// `obs_late_writes_total` and warned about once. A handle that belongs to no work (see [`current`](crate::current)) does
/// nothing.
///
/// ```
/// use obs_core::{Observer, adapter::RequestHead};
///
/// let observer = Observer::builder("shop").no_environment().build()?;
/// let observation = observer.start(&RequestHead::new("GET", "/items/7", &()));
/// let work = observation.work();
/// work.set("item.id", 7);
/// work.run(|| obs_core::current().set("db.rows", 1)); // the same request
/// assert!(work.id().is_some());
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone, Default)]
pub struct Work(Option<Arc<WorkState>>);

impl Work {
    /// A handle that belongs to no work.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    pub(crate) const fn new(state: Arc<WorkState>) -> Self {
        Self(Some(state))
    }

    pub(crate) const fn state(&self) -> Option<&Arc<WorkState>> {
        self.0.as_ref()
    }

    /// The state of the work, if nobody else has it.
    pub(crate) fn unique_state(&mut self) -> Option<&mut WorkState> {
        self.0.as_mut().and_then(Arc::get_mut)
    }

    /// Returns whether it belongs to work, which may have ended.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.0.is_some()
    }

    /// Adds a field to the record, or sets it anew. At most 64 fields and 16 KiB.
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

    /// Names the user that the work serves. [The settings](crate::Events::user) decide whether outputs record the id as it is,
    /// hashed, or not at all.
    pub fn user(&self, id: impl AsRef<str>) {
        let Some(state) = &self.0 else { return };
        let mask = |id: &str| bounded(&state.redactor().text(id), MAX_USER).into_owned();
        let user = state.policy.identities.user(id.as_ref(), mask);
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
        if let Some(state) = &self.0 {
            state.set_route(template, true);
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

    /// The id of the work, for a request its request id; `None` outside of work.
    #[must_use]
    pub fn id(&self) -> Option<&RequestId> {
        self.start().map(|start| &start.id)
    }

    /// The place in its trace, to be [injected](TraceContext::inject) into the calls that it makes; `None` outside of work.
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
        self.start().map(|start| &start.trace)
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
        let trace = &state.start.trace;
        set(state.policy.ids.response_header(), state.start.id.as_str());
        #[cfg(feature = "otel")]
        if let Some((span_id, flags)) = self.span().and_then(|_| WorkSpan::innermost(trace)) {
            return trace.inject_as(span_id, flags, set);
        }
        trace.inject(set);
    }

    /// The span with OpenTelemetry, if there is one: this observer's, or that of one further out.
    #[cfg(feature = "otel")]
    pub(crate) fn span(&self) -> Option<&WorkSpan> {
        self.0.as_deref()?.span()
    }

    /// Everything that was known when the work started; `None` outside of work.
    #[must_use]
    pub fn start(&self) -> Option<&Start> {
        self.0.as_deref().map(|state| &state.start)
    }

    /// Everything that the head of the request said; `None` outside of a request.
    #[must_use]
    pub fn request(&self) -> Option<&RequestStart> {
        self.start()?.request()
    }

    /// Takes the work along into a task: `tokio::spawn(current().scope(send_mail()))`.
    ///
    /// [`current`](crate::current) is this work while the future is polled and dropped. The work does not wait for the future.
    pub fn scope<F: Future>(&self, future: F) -> Scoped<F> {
        Scoped { scope: Scope::new(self.clone()), future: Some(future) }
    }

    /// Takes the work along into a thread: `spawn_blocking(move || work.run(resize))`.
    ///
    /// # Panics
    /// Only if `f` does.
    pub fn run<T>(&self, f: impl FnOnce() -> T) -> T {
        Scope::new(self.clone()).enter(f)
    }

    /// The handle that the observer with this policy has for this work: this one, or that of a layer around it.
    pub(crate) fn of_policy(&self, policy: &Arc<Policy>) -> Option<Self> {
        let mut next = self.0.as_ref();
        while let Some(state) = next {
            if state.is_of(policy) {
                return Some(Self(Some(Arc::clone(state))));
            }
            next = state.outer.as_ref();
        }
        None
    }

    #[cfg(test)]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.0.as_ref().zip(other.0.as_ref()).is_some_and(|(a, b)| Arc::ptr_eq(a, b))
    }
}

/// Not generic: it would be compiled once more for every kind of value.
fn set_field(state: &WorkState, key: Cow<'static, str>, value: Value) {
    let (key, value) = state.redactor().field(key, value);
    state.enrich(|e| e.fields.set(key, value));
}

// Handlers may catch panics of their own around a handle: everything shared behind it is atomic or behind a mutex whose poison is
// ignored.
impl UnwindSafe for Work {}
impl RefUnwindSafe for Work {}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("id", &self.id()).finish()
    }
}

pin_project! {
    /// A future that runs inside of work: see [`Work::scope`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Scoped<F> {
        scope: Scope,
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for Scoped<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.scope.enter(|| this.future.set(None));
        }
    }
}

impl<F: Future> Future for Scoped<F> {
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
