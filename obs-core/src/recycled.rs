//! The memory of requests that have ended, kept for the next ones of the thread: most requests then allocate nothing of the core's, and
//! touch no count of references that all cores share.
//!
//! A request that ends on another thread than it began on leaves its memory there. What it held is let go first: only the room for its
//! texts stays, and what all requests of its observer have in common.

use std::{cell::RefCell, sync::Arc};

use crate::{Observer, state::RequestState};

/// How much a thread keeps: as many requests as seldom end before others begin.
const MOST: usize = 64;

thread_local! {
    static KEPT: RefCell<Vec<Arc<RequestState>>> = const { RefCell::new(Vec::new()) };
}

/// A state of this observer's that nobody else has, without a request.
pub(crate) fn take(observer: &Observer) -> Arc<RequestState> {
    let kept = KEPT.try_with(|kept| kept.try_borrow_mut().ok().and_then(|mut kept| kept.pop()));
    let of_observer = |state: &Arc<RequestState>| state.observer().is(observer);
    kept.ok().flatten().filter(of_observer).unwrap_or_else(|| Arc::new(RequestState::empty(observer)))
}

/// Keeps the memory of a request that has ended, unless somebody still has a handle or a record of it.
pub(crate) fn keep(state: &mut Arc<RequestState>) {
    let _ = KEPT.try_with(|kept| {
        if let Some(ended) = Arc::get_mut(state)
            && let Ok(mut kept) = kept.try_borrow_mut()
            && kept.len() < MOST
        {
            ended.let_go();
            kept.push(Arc::clone(state));
        }
    });
}
