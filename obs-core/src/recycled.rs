//! The memory of requests that have ended, kept for the next ones of the thread: most requests then allocate nothing of the core's.
//!
//! A request that ends on another thread than it began on leaves its memory there. What it held is let go first: only the room for its
//! texts stays.

use std::{cell::RefCell, mem, sync::Arc};

use crate::state::RequestState;

/// How much a thread keeps: as many requests as seldom end before others begin.
const MOST: usize = 64;

/// The longest room for texts that is kept, in bytes.
const MOST_TEXT: usize = 1024;

thread_local! {
    static KEPT: RefCell<Vec<Arc<RequestState>>> = const { RefCell::new(Vec::new()) };
}

/// Memory for a request; `None` if there is none.
pub(crate) struct Memory(Option<Arc<RequestState>>);

impl Memory {
    pub(crate) fn take() -> Self {
        let kept = KEPT.try_with(|kept| kept.try_borrow_mut().ok().and_then(|mut kept| kept.pop()));
        Self(kept.ok().flatten())
    }

    /// Empty room for the request's texts.
    pub(crate) fn text(&mut self) -> String {
        let state = self.0.as_mut().and_then(Arc::get_mut);
        state.map(|state| mem::take(state.text())).unwrap_or_default()
    }

    /// Puts the request there.
    pub(crate) fn fill(self, request: RequestState) -> Arc<RequestState> {
        if let Some(mut kept) = self.0
            && let Some(place) = Arc::get_mut(&mut kept)
        {
            *place = request;
            return kept;
        }
        Arc::new(request)
    }
}

/// Keeps the memory of a request that has ended, unless somebody still has a handle or a record of it.
pub(crate) fn keep(state: &mut Arc<RequestState>) {
    let _ = KEPT.try_with(|kept| {
        if let Some(ended) = Arc::get_mut(state)
            && let Ok(mut kept) = kept.try_borrow_mut()
            && kept.len() < MOST
        {
            ended.let_go();
            let text = ended.text();
            text.clear();
            text.shrink_to(MOST_TEXT);
            kept.push(Arc::clone(state));
        }
    });
}
