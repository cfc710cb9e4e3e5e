//! A part of a piece of work that the application measures as a span.

use std::{
    borrow::Cow,
    error::Error,
    fmt,
    future::Future,
    mem,
    sync::{Arc, OnceLock},
};

use crate::{
    base::{
        text::{cow_bounded, masked},
        value::Value,
    },
    record::{
        calls::Calls,
        error::ErrorReport,
        finished::{Classified, Record, RecordKind},
        outcome::Outcome,
        route::Excluded,
        spans::{SpanEnd, SpanStart},
        start::StartKind,
        state::WorkState,
        work_outputs::WorkOutputs,
    },
    trace::TraceContext,
    work::{
        handle::Work,
        scope::{Scope, current},
        scoped::Scoped,
    },
};

/// The longest name of a span, in bytes.
const MAX_NAME: usize = 128;

/// Starts a span in the [current](crate::current) work: see [`Work::span`].
///
/// ```
/// let price = obs_core::span("price").run(|| 3 * 7);
/// assert_eq!(price, 21);
/// ```
pub fn span(name: impl Into<Cow<'static, str>>) -> SpanGuard {
    current().span(name)
}

/// A running span: see [`Work::span`].
///
/// It ends when the guard is dropped, or when the closure or the future that was passed to it ends.
/// Inside of them, the span is the parent: of calls, of other spans, of the application's own spans
/// of OpenTelemetry, and in log lines.
///
/// # Cancellation
/// The span counts as failed if the guard is dropped during a panic, or if the future of
/// [`observe`](Self::observe) is dropped before its end.
///
/// ```
/// # async fn reserve() -> Result<u32, std::io::Error> { Ok(3) }
/// # async fn handler() -> Result<(), std::io::Error> {
/// use obs_core::span;
/// let left = span("reserve stock").set("sku", "a-7").observe(reserve()).await?;
/// let price = span("price").run(|| left * 7);
/// # let _ = price;
/// # Ok(()) }
/// ```
#[must_use = "a span ends when this is dropped"]
pub struct SpanGuard {
    state: Option<Arc<WorkState>>,
    outputs: Option<Arc<dyn WorkOutputs>>,
    failed: bool,
}

impl SpanGuard {
    pub(super) fn start(around: Option<&Arc<WorkState>>, name: Cow<'static, str>) -> Self {
        let Some(around) = around else { return Self { state: None, outputs: None, failed: false } };
        let policy = &around.policy;
        let name = cow_bounded(masked(name, |name| policy.redactor.text(name)), MAX_NAME);
        let mut state = WorkState::inner(policy, Some(around), StartKind::Span(SpanStart { name }));
        state.root = Some(Arc::clone(around.root.as_ref().unwrap_or(around)));
        let outputs = policy.outputs();
        if let Some(outputs) = &outputs {
            #[cfg(feature = "otel")]
            {
                state.span = outputs.start_inner_span(&mut state.start, around.span());
            }
            outputs.on_start(&state.start);
        }
        Self { state: Some(Arc::new(state)), outputs, failed: false }
    }

    /// Sets an attribute of the span. It is not a field of the event: for that, use
    /// [`Work::set`].
    pub fn set(self, key: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        if let Some(state) = &self.state {
            let (key, value) = state.redactor().field(key.into(), value.into());
            state.enrich(|enrichment| enrichment.fields.set(key, value));
        }
        self
    }

    /// Records the error with which the span failed. It is not an error of the request: for that,
    /// use [`Work::error`].
    pub fn error<E: Error + ?Sized>(&mut self, error: &E) {
        self.failed = true;
        if let Some(state) = &self.state {
            let report = ErrorReport::of(error).redacted(state.redactor());
            state.enrich(|enrichment| enrichment.error = Some(report.into()));
        }
    }

    /// Marks the span as failed.
    pub fn set_failed(&mut self) {
        self.failed = true;
    }

    /// The position of the span in its trace; `None` outside of work.
    #[must_use]
    pub fn trace(&self) -> Option<&TraceContext> {
        self.state.as_ref().map(|state| &state.start.trace)
    }

    /// Runs a closure in the span, which ends then.
    ///
    /// # Panics
    /// Panics only if `f` panics.
    pub fn run<T>(self, f: impl FnOnce() -> T) -> T {
        self.own_scope().enter(f)
    }

    /// Awaits a future in the span, which ends then. The result does not matter.
    pub async fn scope<F: Future>(self, future: F) -> F::Output {
        self.polled(future).await
    }

    /// Awaits a future in the span, which ends then. The span counts as failed if the future
    /// returns an error.
    ///
    /// # Errors
    /// Returns the error of the future itself.
    pub async fn observe<T, E>(mut self, future: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        // A drop before the end is a failure.
        let failed = mem::replace(&mut self.failed, true);
        let result = self.polled(future).await;
        self.failed = failed || result.is_err();
        result
    }

    async fn polled<F: Future>(&self, future: F) -> F::Output {
        Scoped { scope: self.own_scope(), future: Some(future) }.await
    }

    /// The scope in which this span is the innermost work. Outside of work it changes nothing.
    fn own_scope(&self) -> Scope {
        Scope::inner(self.state.clone().map_or_else(current, Work::new))
    }

    /// Ends the span, and adds its time to the event of the work around it.
    fn end(&mut self) {
        let Some(state) = self.state.take() else { return };
        let StartKind::Span(start) = &state.start.kind else { return };
        let failed = self.failed || std::thread::panicking();
        let duration = state.elapsed();
        let mut is_excluded = false;
        if let Some(root) = &state.root {
            let mut enrichment = root.lock();
            if !enrichment.finished {
                enrichment.calls.add_span(start.name.clone(), failed, duration);
                is_excluded = enrichment.route.as_ref().is_some_and(|route| route.excluded().spans);
            }
        }
        let Some(outputs) = &self.outputs else { return };
        let (error, fields) = {
            let mut enrichment = state.lock();
            enrichment.finished = true;
            (enrichment.error.take(), mem::take(&mut enrichment.fields))
        };
        outputs.on_finish(&Record {
            outcome: if failed { Outcome::ServiceError } else { Outcome::Completed },
            error,
            panic: None,
            duration,
            user: None,
            flags: Vec::new(),
            calls: Calls::default(),
            fields,
            draining: outputs.is_draining(),
            kind: RecordKind::Span(SpanEnd { failed }),
            // It has no event of its own.
            excluded: Excluded { events: true, spans: is_excluded, ..Excluded::default() },
            by_status: false,
            classified: Classified::ByDefault,
            kept_by_rule: OnceLock::new(),
            #[cfg(feature = "logs")]
            kept_lines: None,
            state,
        });
    }
}

impl Drop for SpanGuard {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for SpanGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanGuard").field("trace", &self.trace()).finish_non_exhaustive()
    }
}
