//! The memory of finished requests, kept for the next requests of the thread.
//!
//! With it, the core allocates nothing for most requests. A request changes only one reference
//! count that threads share: the observer's.
//!
//! A request that ends on another thread leaves its memory there. The data in it is reset first.
//! Only the capacity for texts and the data that all requests of the observer share are kept.

use std::{
    cell::RefCell,
    ops::{Deref, DerefMut},
};

use crate::{observer::Observer, request::in_flight::InFlight};

/// The maximum number of requests whose memory a thread keeps. More rarely run at the same time.
const MOST: usize = 64;

thread_local! {
    // The boxes themselves are handed out.
    #[allow(clippy::vec_box)]
    static KEPT: RefCell<Vec<Box<InFlight>>> = const { RefCell::new(Vec::new()) };
}

/// The memory of a request. Its drop keeps it for another request, unless a handle or a record of
/// the request still exists.
pub(crate) struct Recycled(Option<Box<InFlight>>);

impl Recycled {
    /// Takes memory of this observer, without a request and without other references.
    #[inline]
    pub(crate) fn take(observer: &Observer) -> Self {
        let kept = KEPT.try_with(|kept| {
            let mut kept = kept.try_borrow_mut().ok()?;
            let own = kept.iter().rposition(|kept| kept.state().is_of(observer.policy()))?;
            Some(kept.swap_remove(own))
        });
        Self(Some(kept.ok().flatten().unwrap_or_else(|| fresh(observer))))
    }
}

#[inline(never)]
fn fresh(observer: &Observer) -> Box<InFlight> {
    Box::new(InFlight::no_request(observer.policy()))
}

impl Drop for Recycled {
    fn drop(&mut self) {
        let Some(mut ended) = self.0.take() else { return };
        if !ended.reset() {
            return;
        }
        let _ = KEPT.try_with(|kept| {
            if let Ok(mut kept) = kept.try_borrow_mut() {
                if kept.len() >= MOST {
                    // So the memory of an observer that no longer exists is evicted at some point.
                    kept.swap_remove(0);
                }
                kept.push(ended);
            }
        });
    }
}

impl Deref for Recycled {
    type Target = InFlight;

    #[inline]
    fn deref(&self) -> &InFlight {
        match &self.0 {
            Some(in_flight) => in_flight,
            None => unreachable!("it is taken only when dropped"),
        }
    }
}

impl DerefMut for Recycled {
    #[inline]
    fn deref_mut(&mut self) -> &mut InFlight {
        match &mut self.0 {
            Some(in_flight) => in_flight,
            None => unreachable!("it is taken only when dropped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Sender, channel},
    };

    use super::*;
    use crate::{
        extension::sink::RecordSink,
        http::{head::RequestHead, headers::HeaderLookup},
        outputs::records::{OfRequest as _, Records},
        record::{finished::Record, outcome::Outcome, route::Route, start::RequestStart, state::WorkState},
        request::{body::BodyObservation, body_rule::BodyRule, observation::Observation},
    };

    /// A sink that does not keep the first record of a request, because it keeps the request's
    /// memory.
    struct ButTheFirst(Sender<Record>, AtomicBool);
    impl RecordSink for ButTheFirst {
        fn name(&self) -> &str {
            "but the first"
        }
        fn on_finish(&self, record: &Record) {
            if record.request().is_some() && !self.1.swap(false, Ordering::Relaxed) {
                let _ = self.0.send(record.clone());
            }
        }
    }

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

    fn run(observer: &Observer) -> *const WorkState {
        Arc::as_ptr(Recycled::take(observer).state())
    }

    #[test]
    fn requests_of_an_observer_reuse_its_memory() {
        let (first, second) = (observer(), observer());
        let (a, b) = (run(&first), run(&second));
        assert_ne!(a, b);
        assert_eq!([run(&first), run(&second), run(&first)], [a, b, a]);
    }

    #[test]
    fn memory_with_other_references_is_not_reused() {
        let (send, records) = channel();
        let observer = Observer::builder("test").no_environment().sink(Records(send)).build().expect("valid");
        for path in ["/a", "/b"] {
            observer.start(&RequestHead::new("GET", path, &())).finish(Outcome::Completed);
        }
        let paths: Vec<_> = records.try_iter().map(|record| record.head().path().to_owned()).collect();
        assert_eq!(paths, ["/a", "/b"]);
        let handle = observer.start(&RequestHead::new("GET", "/c", &())).work();
        observer.start(&RequestHead::new("GET", "/d", &())).finish(Outcome::Completed);
        assert_eq!(handle.request().map(RequestStart::path), Some("/c"));
    }

    #[test]
    fn no_data_of_a_request_reaches_the_next_one() {
        let (send, records) = channel();
        let observer =
            Observer::builder("test").no_environment().sink(ButTheFirst(send, AtomicBool::new(true))).build();
        let observer = observer.expect("valid");
        let head = RequestHead::new("BREW", "/a", &Agent).query(Some("q=1")).route(Some("/a"));
        let mut full = observer.start(&head);
        let memory = |observation: &Observation| observation.work().state().map(Arc::as_ptr);
        let first = memory(&full);
        full.work().set("field", 1);
        full.work().user("jane");
        full.work().flag("cart", "new");
        full.work().error_kind("out_of_stock");
        full.work().streaming();
        full.work().set_route("/within");
        full.work().error(&std::io::Error::other("lost"));
        drop(full.work().call("db"));
        let (observation, panicked) = full.run(|| panic!("out of stock"));
        (full, _) = observation.panicked(panicked.expect_err("it panicked"));
        full.responded(200, &());
        let mut body = BodyObservation::new(full, BodyRule::polled().promised(Some(9)));
        assert_eq!(body.poll(|| Ok::<_, ()>("12345")), Ok("12345"));
        drop(body);
        let tunnel = observer.start(&RequestHead::new("CONNECT", "/t", &()));
        assert_eq!(memory(&tunnel), first, "the same memory");
        let mut tunnel = tunnel;
        tunnel.responded(200, &());
        let tunnel = BodyObservation::new(tunnel, BodyRule::upgraded());
        assert_eq!(observer.tunnels(), 1);
        drop(tunnel);
        assert_eq!(observer.tunnels(), 0);
        drop(records.try_recv().expect("the tunnel's"));

        // This request gets no response.
        let next = observer.start(&RequestHead::new("GET", "/b", &()));
        next.work().set_route("/b");
        drop(next);
        let record = records.try_recv().expect("a record");
        assert_eq!((record.outcome, record.end().status), (Outcome::CancelledBeforeResponse, None));
        assert_eq!(
            (record.end().response_bytes, record.end().time_to_head, record.end().endpoint),
            (0, None, false)
        );
        assert!(record.panic.is_none() && record.calls.by_dependency().is_empty());
        assert_eq!(record.end().route.as_ref().map(Route::as_str), Some("/b"));
        assert!(record.error.is_none() && record.flags.is_empty() && !record.end().stream);
        let request = record.head();
        assert_eq!((request.path(), request.query(), request.user_agent()), ("/b", None, None));
        assert_eq!((request.method.as_str(), &request.method_original), ("GET", &None));
        assert!(record.start().trace.baggage.is_empty() && record.start().id.as_str() != "mine");
        assert!(record.user.is_none() && record.fields.iter().next().is_none());
    }

    #[test]
    fn the_number_of_kept_requests_is_bounded() {
        let observer = observer();
        drop((0..MOST * 2).map(|_| Recycled::take(&observer)).collect::<Vec<_>>());
        assert_eq!(KEPT.with_borrow(Vec::len), MOST);
    }
}
