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
    let kept = KEPT.try_with(|kept| {
        let mut kept = kept.try_borrow_mut().ok()?;
        let own = kept.iter().rposition(|state| state.observer().is(observer))?;
        Some(kept.swap_remove(own))
    });
    kept.ok().flatten().unwrap_or_else(|| Arc::new(RequestState::empty(observer)))
}

/// Keeps the memory of a request that has ended, unless somebody still has a handle or a record of it.
pub(crate) fn keep(state: &mut Arc<RequestState>) {
    let _ = KEPT.try_with(|kept| {
        if let Some(ended) = Arc::get_mut(state)
            && let Ok(mut kept) = kept.try_borrow_mut()
        {
            ended.let_go();
            if kept.len() >= MOST {
                // One that was left by an observer that is gone must make room some day.
                kept.swap_remove(0);
            }
            kept.push(Arc::clone(state));
        }
    });
}

#[cfg(all(test, not(obs_loom)))]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::{HeaderLookup, Outcome, RequestHead, records::Records};

    struct Agent;
    impl HeaderLookup for Agent {
        fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
            match name {
                "user-agent" => f(b"agent/1.0"),
                "x-request-id" => f(b"mine"),
                "baggage" => f(b"tenant=blue"),
                _ => {}
            }
        }
    }

    fn observer() -> Observer {
        Observer::builder("test").no_environment().build().expect("valid")
    }

    fn run(observer: &Observer) -> *const RequestState {
        let state = take(observer);
        let place = Arc::as_ptr(&state);
        keep(&mut { state });
        place
    }

    #[test]
    fn an_observers_requests_use_the_same_memory_again() {
        let (first, second) = (observer(), observer());
        let (a, b) = (run(&first), run(&second));
        assert_ne!(a, b);
        assert_eq!([run(&first), run(&second), run(&first)], [a, b, a]);
    }

    #[test]
    fn what_somebody_still_has_is_not_used_again() {
        let (send, records) = channel();
        let observer = Observer::builder("test").no_environment().sink(Records(send)).build().expect("valid");
        for path in ["/a", "/b"] {
            observer.start(RequestHead::new("GET", path, &())).finish(Outcome::Completed);
        }
        let paths: Vec<_> = records.try_iter().map(|record| record.request().path().to_owned()).collect();
        assert_eq!(paths, ["/a", "/b"]);
        let handle = observer.start(RequestHead::new("GET", "/c", &())).handle();
        observer.start(RequestHead::new("GET", "/d", &())).finish(Outcome::Completed);
        assert_eq!(handle.request().map(crate::RequestStart::path), Some("/c"));
    }

    #[test]
    fn nothing_of_a_request_is_left_for_the_next() {
        let (send, records) = channel();
        let observer = Observer::builder("test").no_environment().sink(Records(send)).build().expect("valid");
        let full = observer.start(RequestHead::new("BREW", "/a", &Agent).query(Some("q=1")));
        full.handle().set("field", 1);
        full.handle().user("jane");
        full.handle().flag("cart", "new");
        full.handle().error_kind("out_of_stock");
        full.handle().streaming();
        full.handle().set_route("/within");
        drop(full);
        drop(records.try_recv());
        let mut next = observer.start(RequestHead::new("GET", "/b", &()));
        next.set_route("/b");
        next.finish(Outcome::Completed);
        let record = records.try_recv().expect("a record");
        assert_eq!(record.route_label(), "/b");
        assert!(record.error.is_none() && record.flags.is_empty() && !record.stream);
        let request = record.request();
        assert_eq!((request.path(), request.query(), request.user_agent()), ("/b", None, None));
        assert_eq!((request.method.as_str(), &request.method_original), ("GET", &None));
        assert!(request.trace.baggage.is_empty() && request.id.as_str() != "mine");
        assert!(record.user.is_none() && record.fields.iter().next().is_none());
    }

    #[test]
    fn no_more_than_so_many_are_kept() {
        let observer = observer();
        let mut states: Vec<_> = (0..MOST * 2).map(|_| take(&observer)).collect();
        states.iter_mut().for_each(keep);
        drop(states);
        assert_eq!(KEPT.with_borrow(Vec::len), MOST);
    }
}
