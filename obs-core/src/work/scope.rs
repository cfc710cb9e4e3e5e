//! The work that runs on the current thread.
//!
//! A thread-local variable holds the handle of the current work. It is swapped around each call,
//! poll and drop that belongs to the work. So no async runtime is needed, and no argument is
//! passed. A task or thread that a handler starts is outside of the work, unless it uses
//! [`Work::scope`] or [`Work::run`].

#[cfg(feature = "logs")]
use std::cell::RefCell;
use std::{
    cell::Cell,
    mem::{self, ManuallyDrop},
    sync::Arc,
};

#[cfg(feature = "logs")]
use std::ptr;

#[cfg(feature = "otel")]
use opentelemetry::ContextGuard;
#[cfg(feature = "logs")]
use tracing::span::EnteredSpan;

use crate::{record::state::WorkState, work::handle::Work};

thread_local! {
    /// It has no destructor, so it exists as long as the thread, and an access needs no check that
    /// it is alive. Scopes restore the previous value, so there is nothing to destroy.
    static CURRENT: Cell<ManuallyDrop<Work>> =
        const { Cell::new(ManuallyDrop::new(Work::none())) };
}

#[cfg(feature = "logs")]
thread_local! {
    /// The work that an outermost scope of the application made current. It is only compared.
    static DETACHED: Cell<*const WorkState> = const { Cell::new(ptr::null()) };
}

/// Returns the handle of the work that runs on this thread.
///
/// Outside of work it returns a handle whose methods do nothing. A call takes a few nanoseconds and
/// allocates nothing.
///
/// ```
/// // Anywhere below a handler, in any crate:
/// obs_core::current().set("user.plan", "pro");
/// ```
#[must_use]
pub fn current() -> Work {
    try_current().unwrap_or_default()
}

/// The current handle, if there is one. It can be called while the thread ends and in a panic hook.
pub(crate) fn try_current() -> Option<Work> {
    let handle = CURRENT.with(|current| {
        let handle = current.take();
        current.set(handle.clone());
        ManuallyDrop::into_inner(handle)
    });
    Some(handle).filter(Work::is_active)
}

/// Returns true if work is current. It can be called in a panic hook.
pub(crate) fn is_current() -> bool {
    CURRENT.with(|current| {
        let handle = current.take();
        let is_active = handle.is_active();
        current.set(handle);
        is_active
    })
}

/// Returns true if the work runs on this thread only in a scope of the application, in a task or on
/// a thread that it started. No observation of the work catches panics there.
#[cfg(feature = "logs")]
pub(crate) fn is_detached(work: &Work) -> bool {
    work.state().is_some_and(|state| DETACHED.get() == Arc::as_ptr(state))
}

/// A scope that makes work current while a part of it runs.
///
/// Entering swaps its handle with the thread's handle, and leaving swaps them back. No reference
/// count changes.
#[derive(Debug)]
pub(crate) struct Scope {
    handle: Work,
    /// True if a span is entered with the work: one of OpenTelemetry, or one of `tracing`.
    #[cfg(any(feature = "otel", feature = "logs"))]
    traced: bool,
    /// True if it may be one of `tracing`.
    #[cfg(feature = "logs")]
    spanned: bool,
}

impl Scope {
    pub(crate) fn new(handle: Work) -> Self {
        Self {
            #[cfg(any(feature = "otel", feature = "logs"))]
            traced: is_traced(&handle),
            #[cfg(feature = "logs")]
            spanned: is_spanned(&handle),
            handle,
        }
    }

    /// The scope of a span of the application. A span of `tracing` that is open stays the innermost
    /// one.
    pub(super) fn inner(handle: Work) -> Self {
        Self {
            #[cfg(feature = "otel")]
            traced: handle.otel_span().is_some(),
            #[cfg(all(feature = "logs", not(feature = "otel")))]
            traced: false,
            #[cfg(feature = "logs")]
            spanned: false,
            handle,
        }
    }

    /// Starts a request in the state of a finished one, to which this scope has the only reference.
    #[inline]
    pub(crate) fn begin(&mut self, begin: impl FnOnce(&mut WorkState)) {
        match self.unique() {
            Some(state) => begin(state),
            None => unreachable!("the memory of a finished request has another reference"),
        }
        #[cfg(any(feature = "otel", feature = "logs"))]
        {
            self.traced = is_traced(&self.handle);
        }
        #[cfg(feature = "logs")]
        {
            self.spanned = is_spanned(&self.handle);
        }
    }

    /// The request's state, if this is the only reference to it.
    #[inline]
    pub(crate) fn unique(&mut self) -> Option<&mut WorkState> {
        self.handle.unique_state()
    }

    /// The request's state. The scope must have been made with a request's handle and must not be
    /// entered.
    #[inline]
    pub(crate) fn state(&self) -> &Arc<WorkState> {
        match self.handle.innermost() {
            Some(state) => state,
            None => unreachable!("the scope of an observation has no request"),
        }
    }

    #[inline]
    pub(crate) fn enter<T>(&mut self, f: impl FnOnce() -> T) -> T {
        // Declared first, so dropped last: the spans stay active as long as the request is current.
        #[cfg(feature = "otel")]
        let _context = if self.traced { self.attach() } else { None };
        #[cfg(feature = "logs")]
        let _span = LeaveTracingSpan(self.spanned && self.enter_tracing_span());
        self.enter_without_span(f)
    }

    /// Enters a scope of the application, perhaps in a task or on a thread of its own.
    pub(crate) fn enter_detached<T>(&mut self, f: impl FnOnce() -> T) -> T {
        #[cfg(feature = "logs")]
        let _detached = (!is_current()).then(|| Detached::begin(&self.handle));
        self.enter(f)
    }

    /// Returns true if the work has no span, so that
    /// [`enter_without_span`](Self::enter_without_span) is enough.
    pub(crate) const fn is_untraced(&self) -> bool {
        #[cfg(any(feature = "otel", feature = "logs"))]
        return !self.traced;
        #[cfg(not(any(feature = "otel", feature = "logs")))]
        return true;
    }

    /// Not inlined, so that entering a scope does not contain the code for spans.
    #[cfg(feature = "otel")]
    #[inline(never)]
    fn attach(&self) -> Option<ContextGuard> {
        self.handle.otel_span().map(|span| span.context().clone().attach())
    }

    /// Returns true if a span was entered.
    #[cfg(feature = "logs")]
    #[cold]
    #[inline(never)]
    fn enter_tracing_span(&self) -> bool {
        let Some(span) = self.handle.state().and_then(|state| state.tracing_span()) else { return false };
        let span = span.entered();
        ENTERED.try_with(|entered| entered.borrow_mut().push(span)).is_ok()
    }

    /// Makes only the handle current. This is enough for a request without a span, and small enough
    /// to be inlined for each frame of a body.
    #[inline]
    pub(crate) fn enter_without_span<T>(&mut self, f: impl FnOnce() -> T) -> T {
        struct Leave<'a>(&'a mut Work);
        impl Drop for Leave<'_> {
            #[inline]
            fn drop(&mut self) {
                swap(self.0);
            }
        }
        swap(&mut self.handle);
        let _leave = Leave(&mut self.handle);
        f()
    }
}

#[cfg(feature = "logs")]
thread_local! {
    /// The spans of `tracing` that scopes have entered on this thread, the innermost last. They are
    /// not in the scopes, so that a scope without a span has only a flag to check at its end.
    static ENTERED: RefCell<Vec<EnteredSpan>> = const { RefCell::new(Vec::new()) };
}

/// Leaves the innermost span of `tracing` if the scope has entered it.
#[cfg(feature = "logs")]
struct LeaveTracingSpan(bool);

#[cfg(feature = "logs")]
impl Drop for LeaveTracingSpan {
    #[inline]
    fn drop(&mut self) {
        if self.0 {
            leave_tracing_span();
        }
    }
}

#[cfg(feature = "logs")]
#[cold]
#[inline(never)]
fn leave_tracing_span() {
    // Leaving calls layers of the application, so the list is no longer borrowed then.
    let span = ENTERED.try_with(|entered| entered.borrow_mut().pop());
    drop(span);
}

/// Returns true if the work may have a span.
#[cfg(any(feature = "otel", feature = "logs"))]
fn is_traced(handle: &Work) -> bool {
    #[cfg(feature = "logs")]
    if is_spanned(handle) {
        return true;
    }
    #[cfg(feature = "otel")]
    return handle.otel_span().is_some();
    #[cfg(not(feature = "otel"))]
    false
}

/// Returns true if the observer opens a span of `tracing` for each request.
#[cfg(feature = "logs")]
fn is_spanned(handle: &Work) -> bool {
    handle.state().is_some_and(|state| state.policy.tracing_span)
}

/// A part of work in a task or on a thread that the application started.
#[cfg(feature = "logs")]
struct Detached;

#[cfg(feature = "logs")]
impl Detached {
    fn begin(work: &Work) -> Self {
        DETACHED.set(work.state().map_or(ptr::null(), Arc::as_ptr));
        Self
    }
}

#[cfg(feature = "logs")]
impl Drop for Detached {
    fn drop(&mut self) {
        DETACHED.set(ptr::null());
    }
}

#[inline]
fn swap(handle: &mut Work) {
    let entered = ManuallyDrop::new(mem::take(handle));
    *handle = ManuallyDrop::into_inner(CURRENT.replace(entered));
}

#[cfg(test)]
mod tests {
    use std::{
        future::{Future, poll_fn},
        task::{Context, Poll, Waker},
    };

    use super::*;
    use crate::{
        http::head::RequestHead, observer::Observer, record::request_id::RequestId,
        request::observation::Observation,
    };

    fn start(observer: &Observer) -> Observation {
        observer.start(&RequestHead::new("GET", "/", &()))
    }

    fn observer() -> Observer {
        Observer::builder("test").no_environment().build().expect("valid")
    }

    #[test]
    fn a_handle_outside_a_request_does_nothing() {
        let handle = current();
        handle.set("a", 1);
        handle.streaming();
        assert!(!handle.is_active());
        assert!(handle.id().is_none());
    }

    #[test]
    fn scopes_nest_and_are_restored_after_a_panic() {
        let observer = observer();
        let (outer, inner) = (start(&observer), start(&observer));
        outer.work().run(|| {
            let panicked = std::panic::catch_unwind(|| inner.work().run(|| panic!("inside")));
            assert!(panicked.is_err());
            assert_eq!(current().id(), outer.work().id());
        });
        assert!(!current().is_active());
    }

    #[test]
    fn a_future_is_polled_and_dropped_in_its_request() {
        struct OnDrop(RequestId);
        impl Drop for OnDrop {
            fn drop(&mut self) {
                assert_eq!(current().id(), Some(&self.0));
            }
        }
        let observer = observer();
        let observation = start(&observer);
        let id = observation.start().id.clone();
        let guard = OnDrop(id.clone());
        let future = observation.work().scope(poll_fn(move |_| {
            let _ = &guard;
            assert_eq!(current().id(), Some(&id));
            Poll::<()>::Pending
        }));
        let mut future = Box::pin(future);
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(!current().is_active());
        drop(future);
    }

    #[test]
    fn each_observer_finds_its_own_handle() {
        let (first, second) = (observer(), observer());
        let outer = start(&first);
        let handle = outer.work();
        let inner = second.start_within(&RequestHead::new("GET", "/", &()), Some(&handle));
        assert_eq!(inner.start().id, outer.start().id, "the id is shared");
        inner.work().run(|| {
            assert!(current().is_same(&inner.work()));
            assert!(first.current().is_active());
            assert!(second.current().is_active());
            assert!(!observer().current().is_active());
        });
    }
}
