//! Decides when a response has ended.
//!
//! Servers do not always poll a body to its end: hyper drops one that says `is_end_stream` unpolled, and
//! stops after `Content-Length` bytes; actix polls to the end even what it throws away. So each stack has a
//! rule for what a body that is simply dropped means.

use std::task::Poll;

use crate::{
    ErrorReport, HeaderLookup, Method, Observation, Outcome, current::Scope, head::length_header,
    panic::catch,
};

/// What a body has just yielded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seen {
    /// Bytes; `last` if the body says that nothing follows.
    Data {
        /// How many bytes.
        bytes: u64,
        /// The body is at its end.
        last: bool,
    },
    /// Trailers, which are always the last frame.
    Trailers,
    /// The end.
    End,
}

/// What it means that a body is dropped before it was seen to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IfDropped {
    /// hyper: complete if it had yielded all the bytes it promised.
    CompleteAfter(Option<u64>),
    /// actix: complete if there was nothing to send, which is then never polled.
    CompleteIfUnpolled,
    Cancelled,
}

/// Watches a response's body and finishes its [`Observation`] when the response has ended.
///
/// # Cancellation
/// Dropped before the end, it records [`CancelledInBody`](Outcome::CancelledInBody), or
/// [`Completed`](Outcome::Completed) where the stack is known to drop a body that was sent whole.
///
/// ```
/// use std::task::Poll;
/// use obs_core::{BodyObservation, Observer, RequestHead, Seen};
///
/// let observer = Observer::builder("shop").no_environment().build()?;
/// let mut observation = observer.start(RequestHead::new("GET", "/", &()));
/// observation.responded(200, &());
/// let mut body = BodyObservation::tower(observation, &(), Some(5), false);
/// let frame = body.poll(|| Poll::Ready("hello"));
/// assert!(frame.is_ready());
/// body.seen(Seen::Data { bytes: 5, last: true }); // finished: `Completed`
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Debug)]
pub struct BodyObservation {
    observation: Option<Observation>,
    /// Empty if the layer is passive: the request is current already.
    scope: Option<Scope>,
    /// The bytes that `Content-Length` promised.
    promised: Option<u64>,
    /// The bytes that are polled go to the client.
    counted: bool,
    if_dropped: IfDropped,
}

impl BodyObservation {
    /// The rule for hyper, so for axum, tower and tonic. `exact_size` and `ended` are the body's own
    /// `size_hint().exact()` and `is_end_stream()`.
    ///
    /// HEAD, 204, 304 and an ended body are complete at once, and 101 and a successful CONNECT are upgraded:
    /// hyper never polls those.
    #[must_use]
    pub fn tower(
        observation: Observation,
        headers: &dyn HeaderLookup,
        exact_size: Option<u64>,
        ended: bool,
    ) -> Self {
        let method = observation.request().method;
        let status = observation.status().unwrap_or_default();
        let promised = length_header(headers, "content-length");
        let at_head = if method.is_tunnel(status) {
            Some(Outcome::Upgraded)
        } else if method == Method::Head || matches!(status, 204 | 304) || ended {
            Some(Outcome::Completed)
        } else {
            None
        };
        let if_dropped = IfDropped::CompleteAfter(promised.or(exact_size));
        Self::new(observation, promised, true, if_dropped, at_head)
    }

    /// The rule for actix-web. `size` is the body's own, 0 if it is none, and `None` if it is not known; `http2`
    /// says that the request came over HTTP/2, where actix does not poll the body of an answer to HEAD.
    ///
    /// 101 is upgraded at the head. Otherwise only the end counts: actix polls every body to it, even one
    /// that it throws away, so bytes say nothing; those of an answer to HEAD and of a 304 are not counted.
    #[must_use]
    pub fn actix(observation: Observation, size: Option<u64>, http2: bool) -> Self {
        let status = observation.status().unwrap_or_default();
        let head = observation.request().method == Method::Head;
        let if_dropped = if size == Some(0) || (head && http2) {
            IfDropped::CompleteIfUnpolled
        } else {
            IfDropped::Cancelled
        };
        let at_head = (status == 101).then_some(Outcome::Upgraded);
        let counted = !head && status != 304;
        Self::new(observation, size.filter(|_| counted), counted, if_dropped, at_head)
    }

    fn new(
        observation: Observation,
        promised: Option<u64>,
        counted: bool,
        if_dropped: IfDropped,
        at_head: Option<Outcome>,
    ) -> Self {
        let scope = Some(Scope::new(observation.handle()));
        let observation = Some(observation);
        let mut this = Self { observation, scope, promised, counted, if_dropped };
        if let Some(outcome) = at_head {
            this.finish(outcome);
        }
        this
    }

    /// For a request that another layer of the same observer already observes: does nothing.
    #[must_use]
    pub const fn passive() -> Self {
        Self {
            observation: None,
            scope: None,
            promised: None,
            counted: false,
            if_dropped: IfDropped::Cancelled,
        }
    }

    /// Polls the body in the request's scope.
    ///
    /// # Panics
    /// If the body does: the panic is recorded first.
    pub fn poll<T>(&mut self, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        if self.if_dropped == IfDropped::CompleteIfUnpolled {
            self.if_dropped = IfDropped::Cancelled;
        }
        let Some(scope) = &mut self.scope else { return poll() };
        match scope.enter(|| catch(poll)) {
            Ok(polled) => polled,
            Err(panic) => match self.observation.take() {
                Some(observation) => observation.panicked_in_body(panic),
                None => std::panic::resume_unwind(panic.into_parts().0),
            },
        }
    }

    /// The body has yielded something.
    pub fn seen(&mut self, seen: Seen) {
        match seen {
            Seen::Data { bytes, last } => {
                if let Some(observation) = &mut self.observation
                    && self.counted
                {
                    observation.sent(bytes);
                }
                if last {
                    self.finish(Outcome::Completed);
                }
            }
            Seen::Trailers => self.finish(Outcome::Completed),
            Seen::End => {
                let sent = self.observation.as_ref().map_or(0, Observation::bytes_sent);
                let short = self.promised.is_some_and(|promised| sent < promised);
                self.finish(if short { Outcome::Truncated } else { Outcome::Completed });
            }
        }
    }

    /// The body has yielded an error.
    pub fn failed(&mut self, report: ErrorReport) {
        if let Some(observation) = &mut self.observation {
            observation.failed(report);
        }
        self.finish(Outcome::BodyError);
    }

    /// Runs the body's destructor in the request's scope; its panic is recorded and goes no further.
    pub fn drop_in(&mut self, drop: impl FnOnce()) {
        let Some(scope) = &mut self.scope else { return drop() };
        if let Err(panic) = scope.enter(|| catch(drop))
            && let Some(observation) = &mut self.observation
        {
            observation.panicked_in_drop(panic);
        }
    }

    fn finish(&mut self, outcome: Outcome) {
        if let Some(observation) = self.observation.take() {
            observation.finish(outcome);
        }
    }
}

impl Drop for BodyObservation {
    fn drop(&mut self) {
        let sent = self.observation.as_ref().map_or(0, Observation::bytes_sent);
        let complete = match self.if_dropped {
            IfDropped::CompleteAfter(promised) => promised.is_some_and(|all| sent >= all),
            IfDropped::CompleteIfUnpolled => true,
            IfDropped::Cancelled => false,
        };
        // If it is not complete, dropping the observation records `CancelledInBody`.
        if complete {
            self.finish(Outcome::Completed);
        }
    }
}
