//! Decides when a response has ended.
//!
//! Servers do not always poll a body to its end: hyper drops one that says `is_end_stream` unpolled, and
//! stops after `Content-Length` bytes; actix polls to the end even what it throws away. So each stack has a
//! rule for what a body that is simply dropped means.

use crate::{
    base::panic::catch,
    http::{headers::HeaderLookup, method::Method},
    record::{error::ErrorReport, outcome::Outcome},
    request::{
        in_flight::{Counts, IfDropped, Progress, Sending},
        observation::Observation,
    },
};

/// What a body that [is watched](BodyObservation::poll) yields.
///
/// ```
/// use obs_core::adapter::Polled;
///
/// let nothing_yet: Polled<&str, _> = Polled::Other(std::task::Poll::<()>::Pending);
/// assert_ne!(nothing_yet, Polled::Data("hello"));
/// ```
// The tag is as wide as a pointer. If it were hidden in a niche of the data, or had padding behind it, the compiler would write the value
// to memory in the scope and read it back.
#[repr(usize)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled<D, O> {
    /// Bytes of the body.
    Data(D),
    /// Whatever else there may be, such as that nothing has come yet or that nothing more will.
    Other(O),
}

/// Watches a response's body and finishes its [`Observation`] when the response has ended.
///
/// # Cancellation
/// Dropped before the end, it records [`CancelledInBody`](Outcome::CancelledInBody), or
/// [`Completed`](Outcome::Completed) where the stack is known to drop a body that was sent whole.
///
/// ```
/// use obs_core::{Observer, adapter::{BodyObservation, Polled, RequestHead}};
///
/// let observer = Observer::builder("shop").no_environment().build()?;
/// let mut observation = observer.start(&RequestHead::new("GET", "/", &()));
/// observation.responded(200, &());
/// let mut body = BodyObservation::tower(observation, Some(5), false);
/// let frame = body.poll(|| Polled::<_, ()>::Data("hello"));
/// assert_eq!(frame, Polled::Data("hello"));
/// body.ended(); // finished: `Completed`
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Debug)]
pub struct BodyObservation {
    /// Kept beyond its end: the body is dropped in its scope. None if the layer is passive: the request is current already.
    observation: Option<Observation>,
}

impl BodyObservation {
    /// The rule for hyper, so for axum, tower and tonic. `exact_size` and `ended` are the body's own
    /// `size_hint().exact()` and `is_end_stream()`.
    ///
    /// HEAD, 204, 304 and an ended body are complete at once, and 101 and a successful CONNECT are upgraded:
    /// hyper never polls those.
    #[must_use]
    pub fn tower(observation: Observation, exact_size: Option<u64>, ended: bool) -> Self {
        let method = observation.request().method;
        let status = observation.progress().status.unwrap_or_default();
        let promised = observation.progress().declared;
        let at_head = if method.is_tunnel(status) {
            Some(Outcome::Upgraded)
        } else if method == Method::Head || matches!(status, 204 | 304) {
            Some(Outcome::Completed)
        } else if ended {
            let short = promised.is_some_and(|promised| promised > 0);
            Some(if short { Outcome::Truncated } else { Outcome::Completed })
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
        let status = observation.progress().status.unwrap_or_default();
        let head = observation.request().method == Method::Head;
        // Over HTTP/2 actix does not poll what must not be sent; over HTTP/1 it polls that, too.
        let unpolled = size == Some(0) || (http2 && (head || matches!(status, 204 | 304)));
        let if_dropped = if unpolled { IfDropped::CompleteUntilPolled } else { IfDropped::Cancelled };
        let at_head = (status == 101).then_some(Outcome::Upgraded);
        let counted = !head && status != 304;
        Self::new(observation, size.filter(|_| counted), counted, if_dropped, at_head)
    }

    #[inline]
    fn new(
        mut observation: Observation,
        promised: Option<u64>,
        counted: bool,
        if_dropped: IfDropped,
        at_head: Option<Outcome>,
    ) -> Self {
        let tunnel = (at_head == Some(Outcome::Upgraded)).then(|| observation.observer().tunnel());
        let (scope, progress) = observation.scope_and_progress();
        progress.declared = promised;
        progress.tunnel = tunnel;
        let counts = match (counted, &progress.grpc) {
            (false, _) => Counts::Nothing,
            (true, None) => Counts::Bytes,
            (true, Some(_)) => Counts::Messages,
        };
        // The short way knows nothing of a body that must not be polled.
        let plain =
            counts == Counts::Bytes && if_dropped != IfDropped::CompleteUntilPolled && scope.is_untraced();
        progress.body = Sending { plain, counts, if_dropped };
        if let Some(outcome) = at_head {
            observation.end(outcome);
        }
        Self { observation: Some(observation) }
    }

    /// For a request that another layer of the same observer already observes: does nothing.
    #[must_use]
    pub const fn passive() -> Self {
        Self { observation: None }
    }

    /// Polls the body in the request's scope, and counts its data.
    ///
    /// # Panics
    /// If the body does: the panic is recorded first.
    pub fn poll<D: AsRef<[u8]>, O>(&mut self, poll: impl FnOnce() -> Polled<D, O>) -> Polled<D, O> {
        let Some(observation) = &mut self.observation else { return poll() };
        let (scope, progress) = observation.scope_and_progress();
        if progress.body.if_dropped == IfDropped::CompleteUntilPolled {
            progress.body.if_dropped = IfDropped::Cancelled;
        }
        match catch(|| scope.enter(poll)) {
            Ok(polled) => {
                if let Polled::Data(data) = &polled {
                    progress.sent(data.as_ref());
                }
                polled
            }
            Err(panic) => observation.panicked_in_body(panic),
        }
    }

    /// The short way to poll it, `None` if it must go [the whole one](Self::poll): if nobody observes it, its bytes do not go to the client, messages
    /// of gRPC are counted in it, nobody would poll it, or the request has a span.
    ///
    /// It is worth inlining where frames pass, and the other one is worth keeping apart from it.
    #[inline]
    pub fn plain(&mut self) -> Option<PlainBody<'_>> {
        let observation = self.observation.as_mut()?;
        if observation.progress().body.plain { Some(PlainBody { observation }) } else { None }
    }

    /// The body has yielded bytes that were polled apart from them.
    #[cfg(any(feature = "http", test))]
    pub(crate) fn data(&mut self, bytes: &[u8]) {
        if let Some(observation) = &mut self.observation {
            observation.progress_mut().sent(bytes);
        }
    }

    /// The body has yielded trailers, which are always the last frame.
    pub fn trailers(&mut self, trailers: &dyn HeaderLookup) {
        if let Some(observation) = &mut self.observation {
            observation.trailers(trailers);
        }
        self.ended();
    }

    /// The body is at its end. If that is not all it promised, it was truncated.
    pub fn ended(&mut self) {
        if let Some(observation) = &mut self.observation {
            let Progress { declared, response_bytes, .. } = observation.progress();
            let short = declared.is_some_and(|declared| *response_bytes < declared);
            observation.end(if short { Outcome::Truncated } else { Outcome::Completed });
        }
    }

    /// The body has yielded an error.
    pub fn failed(&mut self, report: ErrorReport) {
        if let Some(observation) = &mut self.observation {
            observation.failed(report);
            observation.end(Outcome::BodyError);
        }
    }

    /// Runs the body's destructor in the request's scope; its panic is recorded and goes no further.
    pub fn drop_in(&mut self, drop: impl FnOnce()) {
        let Some(observation) = &mut self.observation else { return drop() };
        if let Err(panic) = observation.enter(|| catch(drop)) {
            observation.note(&panic);
        }
    }
}

/// [A body](BodyObservation::plain) of whose polls only the bytes are to be seen.
///
/// ```
/// use obs_core::{Observer, adapter::{BodyObservation, Polled, RequestHead}};
///
/// let observer = Observer::builder("shop").no_environment().build()?;
/// let mut observation = observer.start(&RequestHead::new("GET", "/", &()));
/// observation.responded(200, &());
/// let mut body = BodyObservation::tower(observation, Some(5), false);
/// let frame = || Polled::<_, ()>::Data("hello");
/// let polled = match body.plain() {
///     Some(plain) => plain.poll(frame),
///     None => body.poll(frame),
/// };
/// assert_eq!(polled, Polled::Data("hello"));
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Debug)]
pub struct PlainBody<'a> {
    observation: &'a mut Observation,
}

impl PlainBody<'_> {
    /// As [`BodyObservation::poll`].
    ///
    /// # Panics
    /// If the body does: the panic is recorded first.
    #[inline]
    pub fn poll<D: AsRef<[u8]>, O>(self, poll: impl FnOnce() -> Polled<D, O>) -> Polled<D, O> {
        let (scope, progress) = self.observation.scope_and_progress();
        match catch(|| scope.enter_without_span(poll)) {
            Ok(polled) => {
                if let Polled::Data(data) = &polled {
                    progress.count(data.as_ref());
                }
                polled
            }
            Err(panic) => self.observation.panicked_in_body(panic),
        }
    }
}

impl Drop for BodyObservation {
    fn drop(&mut self) {
        let Some(observation) = &mut self.observation else { return };
        let Progress { response_bytes, body, .. } = observation.progress();
        let complete = match body.if_dropped {
            IfDropped::CompleteAfter(promised) => promised.is_some_and(|all| *response_bytes >= all),
            IfDropped::CompleteUntilPolled => true,
            IfDropped::Cancelled => false,
        };
        // Dropping the observation records `CancelledInBody`.
        if complete {
            observation.end(Outcome::Completed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;
    use crate::{
        http::head::RequestHead, observer::Observer, outputs::sink::RecordSink, record::finished::Record,
    };

    struct Outcomes(std::sync::mpsc::Sender<Outcome>);
    impl RecordSink for Outcomes {
        fn name(&self) -> &'static str {
            "outcomes"
        }
        fn on_finish(&self, record: &Record) {
            let _ = self.0.send(record.outcome);
        }
    }

    struct Length(Option<&'static str>);
    impl HeaderLookup for Length {
        fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
            if let Some(length) = self.0.filter(|_| name == "content-length") {
                f(length.as_bytes());
            }
        }
    }

    fn responded(
        method: &str,
        status: u16,
        length: Option<&'static str>,
    ) -> (Observation, Receiver<Outcome>) {
        let (send, outcomes) = channel();
        let observer = Observer::builder("test").no_environment().sink(Outcomes(send)).build();
        let mut observation = observer.expect("valid").start(&RequestHead::new(method, "/", &()));
        observation.responded(status, &Length(length));
        (observation, outcomes)
    }

    /// What a body yields: five bytes, trailers, the end.
    #[derive(Clone, Copy, Debug)]
    enum Seen {
        Part,
        Trailers,
        End,
    }
    use Seen::{End, Part, Trailers};

    fn see(body: &mut BodyObservation, seen: Seen) {
        match seen {
            Part => body.data(b"12345"),
            Trailers => body.trailers(&()),
            End => body.ended(),
        }
    }

    /// What hyper does with each body, and what it means.
    #[test]
    fn the_rule_for_tower() {
        type Case = (&'static str, u16, Option<&'static str>, Option<u64>, bool, &'static [Seen], Outcome);
        let cases: &[Case] = &[
            ("HEAD", 200, Some("9"), Some(9), false, &[], Outcome::Completed),
            ("GET", 204, None, None, false, &[], Outcome::Completed),
            ("GET", 304, Some("9"), None, false, &[], Outcome::Completed),
            ("GET", 200, None, Some(0), true, &[], Outcome::Completed),
            ("GET", 200, Some("9"), Some(0), true, &[], Outcome::Truncated),
            ("GET", 101, None, None, false, &[], Outcome::Upgraded),
            ("CONNECT", 200, None, None, false, &[], Outcome::Upgraded),
            ("CONNECT", 403, None, None, false, &[Part, End], Outcome::Completed),
            ("GET", 200, None, Some(5), false, &[Part, End], Outcome::Completed),
            ("GET", 200, Some("9"), Some(5), false, &[Part, End], Outcome::Truncated),
            ("GET", 200, None, None, false, &[Part, Trailers], Outcome::Completed),
            ("GET", 200, None, None, false, &[Part, End], Outcome::Completed),
            ("GET", 200, Some("9"), None, false, &[Part, End], Outcome::Truncated),
            // Dropped, with all bytes handed over and with fewer.
            ("GET", 200, Some("5"), None, false, &[Part], Outcome::Completed),
            ("GET", 200, None, Some(5), false, &[Part], Outcome::Completed),
            ("GET", 200, Some("9"), None, false, &[Part], Outcome::CancelledInBody),
            ("GET", 200, None, None, false, &[Part], Outcome::CancelledInBody),
            ("GET", 200, None, None, false, &[], Outcome::CancelledInBody),
        ];
        for case in cases {
            let (method, status, length, exact, ended, seen, outcome) = *case;
            let (observation, outcomes) = responded(method, status, length);
            let mut body = BodyObservation::tower(observation, exact, ended);
            seen.iter().for_each(|seen| see(&mut body, *seen));
            drop(body);
            assert_eq!(outcomes.try_iter().collect::<Vec<_>>(), [outcome], "{case:?}");
        }
    }

    /// What actix does with each body, and what it means.
    #[test]
    fn the_rule_for_actix() {
        type Case = (&'static str, u16, Option<u64>, bool, &'static [Seen], Outcome);
        let cases: &[Case] = &[
            ("GET", 200, Some(0), false, &[], Outcome::Completed),
            ("GET", 101, None, false, &[], Outcome::Upgraded),
            ("HEAD", 200, Some(5), true, &[], Outcome::Completed),
            ("GET", 204, Some(5), true, &[], Outcome::Completed),
            ("GET", 304, Some(5), true, &[], Outcome::Completed),
            ("HEAD", 200, Some(5), true, &[Part], Outcome::CancelledInBody),
            ("GET", 200, Some(0), false, &[Part], Outcome::CancelledInBody),
            ("HEAD", 200, Some(5), false, &[Part, End], Outcome::Completed),
            ("GET", 304, Some(5), false, &[Part, End], Outcome::Completed),
            ("GET", 200, Some(5), false, &[Part, End], Outcome::Completed),
            ("GET", 200, Some(9), false, &[Part, End], Outcome::Truncated),
            ("GET", 200, None, false, &[Part, End], Outcome::Completed),
            // All bytes were taken, and still it was not sent.
            ("GET", 200, Some(5), false, &[Part], Outcome::CancelledInBody),
            ("GET", 200, Some(5), true, &[], Outcome::CancelledInBody),
            ("GET", 200, None, false, &[], Outcome::CancelledInBody),
        ];
        for case in cases {
            let (method, status, size, http2, seen, outcome) = *case;
            let (observation, outcomes) = responded(method, status, None);
            let mut body = BodyObservation::actix(observation, size, http2);
            for seen in seen {
                assert_eq!(body.poll(|| Polled::<&[u8], _>::Other(())), Polled::Other(()));
                see(&mut body, *seen);
            }
            drop(body);
            assert_eq!(outcomes.try_iter().collect::<Vec<_>>(), [outcome], "{case:?}");
        }
    }

    struct Grpc;
    impl HeaderLookup for Grpc {
        fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
            if name == "content-type" {
                f(b"application/grpc");
            }
        }
    }

    /// A body takes the short way only if its bytes are all there is to see.
    #[test]
    fn which_bodies_are_plain() {
        let observation = |method, status| responded(method, status, None).0;
        let plain = |mut body: BodyObservation| body.plain().is_some();
        assert!(plain(BodyObservation::tower(observation("GET", 200), None, false)));
        assert!(plain(BodyObservation::tower(observation("GET", 200), Some(5), false)));
        assert!(plain(BodyObservation::actix(observation("GET", 200), Some(5), true)));
        assert!(plain(BodyObservation::actix(observation("GET", 200), None, false)));
        assert!(!plain(BodyObservation::passive()));
        assert!(!plain(BodyObservation::actix(observation("GET", 200), Some(0), false)));
        assert!(!plain(BodyObservation::actix(observation("HEAD", 200), Some(5), false)));
        assert!(!plain(BodyObservation::actix(observation("GET", 304), Some(5), false)));
        assert!(!plain(BodyObservation::actix(observation("GET", 204), Some(5), true)));

        let observer = Observer::builder("test").no_environment().build().expect("valid");
        let mut grpc = observer.start(&RequestHead::new("POST", "/shop.Cart/Add", &Grpc));
        grpc.responded(200, &Grpc);
        assert!(!plain(BodyObservation::tower(grpc, None, false)), "its messages are counted");
    }

    /// A request's span is current in its body, whether it is sampled or not.
    #[cfg(feature = "otel")]
    #[test]
    fn a_body_with_a_span_is_not_plain() {
        use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
        for sampler in [Sampler::AlwaysOn, Sampler::AlwaysOff] {
            let provider = SdkTracerProvider::builder().with_sampler(sampler).build();
            let observer = Observer::builder("test").no_environment().otel(provider).build().expect("valid");
            let mut observation = observer.start(&RequestHead::new("GET", "/", &()));
            observation.responded(200, &());
            assert!(BodyObservation::tower(observation, None, false).plain().is_none());
        }
    }
}
