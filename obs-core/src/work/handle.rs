//! The handle of a piece of work, with which handlers and libraries enrich the work they run in.

use std::{
    borrow::Cow,
    error::Error,
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::Arc,
};

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
    work::{call::observation::CallObservation, scope::Scope, scoped::Scoped, span_guard::SpanGuard},
};

/// The maximum length, in bytes, of a user id and of a key or variant of a feature flag, and the
/// maximum number of flags.
const MAX_USER: usize = 256;
const MAX_FLAG: usize = 128;
const MAX_FLAGS: usize = 32;

/// A handle of a piece of work: it sets fields, errors and the route, and returns the id.
///
/// It is cheap to clone, `Send` and `Sync`, and may outlive the work. A write after the end is
/// dropped, counted in `obs_late_writes_total`, and warned about once. A handle without work (see
/// [`current`](crate::current)) does nothing.
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
    /// Returns a handle without work.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    pub(crate) const fn new(state: Arc<WorkState>) -> Self {
        Self(Some(state))
    }

    /// The state of the work. Inside of a span of the application, it is that of the work around
    /// it.
    #[inline]
    pub(crate) fn state(&self) -> Option<&Arc<WorkState>> {
        self.0.as_ref().map(|innermost| innermost.root.as_ref().unwrap_or(innermost))
    }

    /// The state of the innermost span of the application, or of the work itself.
    #[inline]
    pub(crate) const fn innermost(&self) -> Option<&Arc<WorkState>> {
        self.0.as_ref()
    }

    /// The state of the work, if this is the only reference to it.
    pub(crate) fn unique_state(&mut self) -> Option<&mut WorkState> {
        self.0.as_mut().and_then(Arc::get_mut)
    }

    /// Returns true if the handle has work. The work may have ended.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.0.is_some()
    }

    /// Sets a field of the record. At most 64 fields and 16 KiB are kept.
    ///
    /// The value is a boolean, a number, a text, or a list of them. With an `Option`, `None` sets
    /// no field and removes an earlier one.
    pub fn set(&self, key: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        if let Some(state) = self.state() {
            set_field(state, key.into(), value.into());
        }
    }

    /// Reports the error that made the request fail, with its type and its sources. The last one
    /// wins.
    ///
    /// Its type becomes the `error_type` of a 5xx response, unless the request has a
    /// [kind](Self::error_kind). Some types do not implement `Error` themselves, such as
    /// `anyhow::Error` and `Box<dyn Error + Send + Sync>`. For those, pass `&*error`.
    pub fn error<E: Error + ?Sized>(&self, error: &E) {
        if let Some(state) = self.state() {
            // The error's own `Display` may use this handle, so it runs before the lock is taken.
            let report = ErrorReport::of(error).redacted(state.redactor());
            state.enrich(|e| e.error = Some(report.into()));
        }
    }

    /// Sets the kind of the request's failure, which is the `error_type` of a 5xx response:
    /// `error_kind("out_of_stock")`.
    ///
    /// It replaces the error's type, whether it is called before or after [`error`](Self::error).
    /// The text is static because it becomes the label of a metric.
    pub fn error_kind(&self, kind: &'static str) {
        if let Some(state) = self.state() {
            state.enrich(|e| e.error_kind = Some(kind));
        }
    }

    /// Sets the user that the work serves. [The settings](crate::Events::user) decide whether the
    /// id is recorded as it is, hashed, or not at all.
    pub fn user(&self, id: impl AsRef<str>) {
        let Some(state) = self.state() else { return };
        let mask = |id: &str| bounded(&state.redactor().text(id), MAX_USER).into_owned();
        let user = state.policy.identities.user(id.as_ref(), mask);
        state.enrich(|e| e.user = user);
    }

    /// Records the evaluation of a feature flag and its result: `flag("new-cart", "on")`. At most
    /// 32 flags are kept.
    pub fn flag(&self, key: impl Into<Cow<'static, str>>, variant: impl Into<Cow<'static, str>>) {
        let Some(state) = self.state() else { return };
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

    /// Starts a span: a part of the work that is measured. It ends when the returned guard is
    /// dropped, or when the closure or the future that is passed to it ends.
    ///
    /// The event of the request has the number, the time and the errors of the spans of each name.
    /// With OpenTelemetry, it is a span of kind INTERNAL. It works without OpenTelemetry, too: then
    /// calls and log lines inside of it have its id.
    ///
    /// Use a small number of different names, without values. Outside of work, it does nothing.
    ///
    /// ```
    /// let price = obs_core::current().span("price").set("items", 3).run(|| 3 * 7);
    /// assert_eq!(price, 21);
    /// ```
    pub fn span(&self, name: impl Into<Cow<'static, str>>) -> SpanGuard {
        SpanGuard::start(self.innermost(), name.into())
    }

    /// Sets the request's route if the framework does not know it. It wins over the framework's
    /// route.
    ///
    /// The text is static because it becomes the label of a metric. A path would create an
    /// unlimited number of series.
    pub fn set_route(&self, template: &'static str) {
        self.refine_route(template);
    }

    /// For adapters: sets the more specific route that an inner layer knows.
    ///
    /// Each text is kept until the process ends, so pass a route, never a path.
    pub fn refine_route(&self, template: &str) {
        if let Some(state) = self.state() {
            state.set_route(template, true);
        }
    }

    /// Marks the response as a long-lived stream, which excludes its duration from the latency
    /// histogram.
    ///
    /// Server-sent events and upgrades are recognised automatically. A long download is not a
    /// stream.
    pub fn streaming(&self) {
        if let Some(state) = self.state() {
            state.enrich(|e| e.stream = true);
        }
    }

    /// Writes the collected log lines at the end of the request, even if it succeeds: see
    /// [`Logs::collect`](crate::Logs::collect).
    #[cfg(feature = "logs")]
    pub fn keep_logs(&self) {
        if let Some(state) = self.state() {
            state.enrich(|e| {
                if let Some(lines) = e.kept_lines() {
                    lines.want();
                }
            });
        }
    }

    /// The id of the work; for a request, its request id. `None` outside of work.
    #[must_use]
    pub fn id(&self) -> Option<&RequestId> {
        self.start().map(|start| &start.id)
    }

    /// The position of the work in its trace, to [inject](TraceContext::inject) into outgoing
    /// calls. `None` outside of work.
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
        self.innermost().map(|innermost| &innermost.start.trace)
    }

    /// Propagates the trace and the request id to a service that the request calls, without
    /// measuring the call. `set` receives the name and value of each header.
    ///
    /// [`call(..).inject(..)`](crate::CallGuard::inject) also names and measures the call. This
    /// method records a call of the dependency `unnamed` without a duration, with a span id of its
    /// own for the called service. If the guard of a [`call`](Self::call) is alive, it uses the
    /// span id of the call that started last, and records nothing. If the application has an active
    /// span of OpenTelemetry, it uses the id of that span, and records nothing, too.
    ///
    /// Outside of work it does nothing. For clients that use `http` 1 there is `inject_http`
    /// (feature `http`).
    ///
    /// ```
    /// # struct Outgoing; impl Outgoing { fn header(&mut self, _: &str, _: &str) {} }
    /// # let mut outgoing = Outgoing;
    /// obs_core::current().inject(|name, value| outgoing.header(name, value));
    /// ```
    pub fn inject(&self, mut set: impl FnMut(&str, &str)) {
        let (Some(state), Some(innermost)) = (self.state(), self.innermost()) else { return };
        let trace = &innermost.start.trace;
        let open = state.lock().calls.last_by_hand().map(|span_id| (span_id, trace.flags));
        #[cfg(feature = "otel")]
        let own = self.otel_span().and_then(|_| WorkSpan::innermost(trace));
        #[cfg(feature = "otel")]
        let open = own.filter(|(span_id, _)| *span_id != trace.span_id).or(open);
        match open {
            Some((span_id, flags)) => {
                set(state.policy.ids.response_header(), state.start.id.as_str());
                trace.inject_as(span_id, flags, set);
            }
            None => CallObservation::by_hand(Arc::clone(innermost), "unnamed").inject_only(&mut set),
        }
    }

    /// The OpenTelemetry span, if there is one: this observer's, otherwise that of an outer
    /// observer.
    #[cfg(feature = "otel")]
    pub(crate) fn otel_span(&self) -> Option<&WorkSpan> {
        self.0.as_deref()?.span()
    }

    /// Everything that was known when the work started; `None` outside of work.
    #[must_use]
    pub fn start(&self) -> Option<&Start> {
        self.state().map(|state| &state.start)
    }

    /// Everything that the head of the request says; `None` outside of a request.
    #[must_use]
    pub fn request(&self) -> Option<&RequestStart> {
        self.start()?.request()
    }

    /// Runs a future in this work, for a spawned task:
    /// `tokio::spawn(current().scope(send_mail()))`.
    ///
    /// [`current`](crate::current) returns this work while the future is polled and dropped. The
    /// work does not wait for the future.
    pub fn scope<F: Future>(&self, future: F) -> Scoped<F> {
        Scoped { scope: Scope::new(self.clone()), future: Some(future) }
    }

    /// Runs a closure in this work, for another thread: `spawn_blocking(move || work.run(resize))`.
    ///
    /// # Panics
    /// Panics only if `f` panics.
    pub fn run<T>(&self, f: impl FnOnce() -> T) -> T {
        Scope::new(self.clone()).enter_detached(f)
    }

    /// Finds the handle for this work that belongs to the observer with this policy: this one, or
    /// an outer layer's.
    pub(crate) fn of_policy(&self, policy: &Arc<Policy>) -> Option<Self> {
        if self.innermost()?.is_of(policy) {
            return Some(self.clone());
        }
        let mut next = self.state();
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

/// Not generic, so that it is compiled once and not for every type of value.
fn set_field(state: &WorkState, key: Cow<'static, str>, value: Value) {
    let (key, value) = state.redactor().field(key, value);
    state.enrich(|e| e.fields.set(key, value));
}

// Handlers may catch panics around a handle. All shared state behind it is atomic, or behind a
// mutex whose poisoning is ignored.
impl UnwindSafe for Work {}
impl RefUnwindSafe for Work {}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("id", &self.id()).finish()
    }
}
