//! The observation of a response's body, which finishes the request when the response has ended.
//!
//! Servers do not always poll a body to its end, so a [`BodyRule`] states the meaning of a drop.

use crate::{
    base::panic::catch,
    http::headers::HeaderLookup,
    record::{error::ErrorReport, outcome::Outcome},
    request::{
        body_rule::BodyRule,
        in_flight::{Counts, IfDropped, Progress, Sending},
        observation::Observation,
    },
};

/// An observer of a response's body that finishes the [`Observation`] when the response has ended.
///
/// # Cancellation
/// A drop before the end records [`CancelledInBody`](Outcome::CancelledInBody). If the
/// [rule](BodyRule) says that the response is already complete, the drop records
/// [`Completed`](Outcome::Completed).
///
/// ```
/// use obs_core::{Observer, adapter::{BodyObservation, BodyRule, RequestHead}};
///
/// let observer = Observer::builder("shop").no_environment().build()?;
/// let mut observation = observer.start(&RequestHead::new("GET", "/", &()));
/// observation.responded(200, &());
/// let mut body = BodyObservation::new(observation, BodyRule::polled());
/// let frame = body.poll(|| Ok::<_, ()>("hello"));
/// assert_eq!(frame, Ok("hello"));
/// body.ended(); // finished: `Completed`
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Debug)]
pub struct BodyObservation {
    /// It is kept after the request's end, because the body is dropped in its scope. `None` if the
    /// layer is passive: then the request is already current.
    observation: Option<Observation>,
}

impl BodyObservation {
    /// Moves an observation that has [responded](Observation::responded) into the response's body.
    #[must_use]
    #[inline]
    pub fn new(mut observation: Observation, rule: BodyRule) -> Self {
        let at_head = rule.outcome_at_head();
        let BodyRule { promised, if_dropped, counted, .. } = rule;
        let tunnel = (at_head == Some(Outcome::Upgraded)).then(|| observation.observer().tunnel());
        let (scope, progress) = observation.scope_and_progress();
        progress.declared = promised;
        progress.tunnel = tunnel;
        let counts = match (counted, &progress.grpc) {
            (false, _) => Counts::Nothing,
            (true, None) => Counts::Bytes,
            (true, Some(_)) => Counts::Messages,
        };
        let only_bytes =
            counts == Counts::Bytes && if_dropped != IfDropped::CompleteUntilPolled && scope.is_untraced();
        progress.body = Sending { only_bytes, counts, if_dropped };
        if let Some(outcome) = at_head {
            observation.end(outcome);
        }
        Self { observation: Some(observation) }
    }

    /// Returns an observation that does nothing, for a request that an outer layer of the same
    /// observer observes.
    #[must_use]
    pub const fn passive() -> Self {
        Self { observation: None }
    }

    /// Polls the body in the request's scope, and counts the bytes that it yields. `Err` carries
    /// every other result: pending, end, trailers or an error.
    ///
    /// # Panics
    /// Panics if the body panics. The panic is recorded first.
    #[inline]
    pub fn poll<D: AsRef<[u8]>, O>(&mut self, poll: impl FnOnce() -> Result<D, O>) -> Result<D, O> {
        let observation = match &mut self.observation {
            Some(observation) if observation.progress().body.only_bytes => observation,
            _ => return self.poll_with_all(poll),
        };
        let (scope, progress) = observation.scope_and_progress();
        let polled = catch(|| {
            scope.enter_without_span(|| match poll() {
                Ok(data) => Tagged::Data(data),
                Err(other) => Tagged::Other(other),
            })
        });
        match polled {
            Ok(Tagged::Data(data)) => {
                progress.count(data.as_ref());
                Ok(data)
            }
            Ok(Tagged::Other(other)) => Err(other),
            Err(panic) => observation.panicked_in_body(panic),
        }
    }

    /// The slow path, for these bodies:
    ///
    /// * the request has a span;
    /// * gRPC messages are counted;
    /// * the bytes do not go to the client;
    /// * the body should not be polled;
    /// * the body is not observed.
    #[inline(never)]
    fn poll_with_all<D: AsRef<[u8]>, O>(&mut self, poll: impl FnOnce() -> Result<D, O>) -> Result<D, O> {
        let Some(observation) = &mut self.observation else { return poll() };
        let (scope, progress) = observation.scope_and_progress();
        progress.polled();
        match catch(|| scope.enter(poll)) {
            Ok(polled) => {
                if let Ok(data) = &polled {
                    progress.sent(data.as_ref());
                }
                polled
            }
            Err(panic) => observation.panicked_in_body(panic),
        }
    }

    /// Returns true if the next [`poll`](Self::poll) takes its fast path, which only counts bytes.
    /// Most bodies take it.
    ///
    /// This is a hint for speed. After the check, the compiler knows the path that `poll` takes. So
    /// an adapter can inline the poll of such a body, and poll all others in a separate function.
    #[must_use]
    #[inline]
    pub fn sees_only_bytes(&self) -> bool {
        self.observation.as_ref().is_some_and(|observation| observation.progress().body.only_bytes)
    }

    /// Counts bytes that the body yields without a [`poll`](Self::poll), because no code of the
    /// application runs for them.
    #[inline]
    pub fn yielded(&mut self, bytes: &[u8]) {
        if let Some(observation) = &mut self.observation {
            let progress = observation.progress_mut();
            progress.polled();
            progress.sent(bytes);
        }
    }

    /// Records the trailers, which are always the last frame, and ends the body.
    pub fn trailers(&mut self, trailers: &dyn HeaderLookup) {
        if let Some(observation) = &mut self.observation {
            observation.trailers(trailers);
        }
        self.ended();
    }

    /// Ends the body. It counts as truncated if it yielded fewer bytes than declared.
    #[inline]
    pub fn ended(&mut self) {
        if let Some(observation) = &mut self.observation {
            let Progress { declared, response_bytes, .. } = observation.progress();
            let short = declared.is_some_and(|declared| *response_bytes < declared);
            observation.end(if short { Outcome::Truncated } else { Outcome::Completed });
        }
    }

    /// Records the error that the body yielded, and ends the body.
    pub fn failed(&mut self, report: ErrorReport) {
        if let Some(observation) = &mut self.observation {
            observation.failed(report);
            observation.end(Outcome::BodyError);
        }
    }

    /// Runs the body's destructor in the request's scope. A panic is caught and recorded.
    #[inline]
    pub fn drop_in(&mut self, drop: impl FnOnce()) {
        let Some(observation) = &mut self.observation else { return drop() };
        if let Err(panic) = observation.enter(|| catch(drop)) {
            observation.note(&panic);
        }
    }
}

/// The result of a poll, on its way out of the scope.
// The tag is as wide as a pointer. If it were in a niche of the data or followed by padding, the
// compiler would write the value to memory in the scope and read it back.
#[repr(usize)]
enum Tagged<D, O> {
    Data(D),
    Other(O),
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
        http::{head::RequestHead, headers::HeaderLookup},
        observer::Observer,
        outputs::records::{OfRequest as _, Records},
        record::finished::Record,
    };

    fn responded(headers: &dyn HeaderLookup) -> (Observation, Receiver<Record>) {
        let (send, records) = channel();
        let observer = Observer::builder("test").no_environment().sink(Records(send)).build();
        let mut observation = observer.expect("valid").start(&RequestHead::new("POST", "/", headers));
        observation.responded(200, headers);
        (observation, records)
    }

    /// An event of a body.
    #[derive(Clone, Copy, Debug)]
    enum Seen {
        Pending,
        Part,
        Trailers,
        End,
    }
    use Seen::{End, Part, Pending, Trailers};

    fn see(body: &mut BodyObservation, seen: Seen) {
        match seen {
            Pending => assert_eq!(body.poll(|| Err::<&[u8], _>(())), Err(())),
            Part => assert_eq!(body.poll(|| Ok::<_, ()>("12345")), Ok("12345")),
            Trailers => body.trailers(&()),
            End => body.ended(),
        }
    }

    #[test]
    fn each_rule_leads_to_the_expected_outcome() {
        let nine = BodyRule::polled().promised(Some(9));
        let after_five = BodyRule::polled().complete_after(Some(5));
        let unpolled = BodyRule::polled().complete_unless_polled();
        let cases: &[(BodyRule, &[Seen], Outcome, u64)] = &[
            (BodyRule::upgraded(), &[], Outcome::Upgraded, 0),
            (BodyRule::complete(), &[], Outcome::Completed, 0),
            (BodyRule::complete().promised(Some(0)), &[], Outcome::Completed, 0),
            (BodyRule::complete().promised(Some(9)), &[], Outcome::Truncated, 0),
            (BodyRule::polled(), &[Part, End], Outcome::Completed, 5),
            (BodyRule::polled(), &[Part, Trailers], Outcome::Completed, 5),
            (BodyRule::polled(), &[Part], Outcome::CancelledInBody, 5),
            (BodyRule::polled(), &[], Outcome::CancelledInBody, 0),
            (nine, &[Part, Part, End], Outcome::Completed, 10),
            (nine, &[Part, End], Outcome::Truncated, 5),
            (nine, &[Part, Pending], Outcome::CancelledInBody, 5),
            (after_five, &[Part], Outcome::Completed, 5),
            (after_five, &[Pending], Outcome::CancelledInBody, 0),
            (BodyRule::polled().complete_after(None), &[Part], Outcome::CancelledInBody, 5),
            (unpolled, &[], Outcome::Completed, 0),
            (unpolled, &[Part, End], Outcome::Completed, 5),
            (unpolled, &[Pending], Outcome::CancelledInBody, 0),
            (BodyRule::polled().uncounted(), &[Part, End], Outcome::Completed, 0),
        ];
        for case in cases {
            let (rule, seen, outcome, bytes) = *case;
            let (observation, records) = responded(&());
            let mut body = BodyObservation::new(observation, rule);
            seen.iter().for_each(|seen| see(&mut body, *seen));
            drop(body);
            let record = records.try_recv().expect("one record");
            assert_eq!((record.outcome, record.end().response_bytes), (outcome, bytes), "{case:?}");
            assert!(records.try_recv().is_err(), "only one: {case:?}");
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

    /// A body takes the fast path only if nothing but its bytes is observed.
    #[test]
    fn the_fast_path_is_for_bodies_of_which_only_bytes_are_counted() {
        let short = |headers: &dyn HeaderLookup, rule| {
            BodyObservation::new(responded(headers).0, rule).sees_only_bytes()
        };
        assert!(short(&(), BodyRule::polled()));
        assert!(!BodyObservation::passive().sees_only_bytes());
        assert!(short(&(), BodyRule::polled().complete_after(Some(5))));
        assert!(!short(&(), BodyRule::polled().uncounted()));
        assert!(!short(&(), BodyRule::polled().complete_unless_polled()));
        assert!(!short(&Grpc, BodyRule::polled()), "its messages are counted");
    }

    /// A request's span is active in its body, even if it is not sampled.
    #[cfg(feature = "otel")]
    #[test]
    fn a_body_with_a_span_does_not_take_the_fast_path() {
        use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
        for sampler in [Sampler::AlwaysOn, Sampler::AlwaysOff] {
            let provider = SdkTracerProvider::builder().with_sampler(sampler).build();
            let observer = Observer::builder("test").no_environment().otel(provider).build().expect("valid");
            let mut observation = observer.start(&RequestHead::new("GET", "/", &()));
            observation.responded(200, &());
            assert!(!BodyObservation::new(observation, BodyRule::polled()).sees_only_bytes());
        }
    }
}
