//! The rule that says when the body of a response is complete.

use crate::{record::outcome::Outcome, request::in_flight::IfDropped};

/// The rule that says when the body of one response is complete. An adapter uses it to describe the
/// behaviour of its server.
///
/// Servers do not always poll a body to its end. Some drop a body that must not be sent, or stop
/// after `Content-Length` bytes. Others poll a body and discard it. So the adapter states for each
/// response what a drop means:
///
/// | question | without a statement | statement |
/// |---|---|---|
/// | Does the response end with its head? | no | [`complete`](Self::complete), [`upgraded`](Self::upgraded) |
/// | How many bytes must the body yield? | any number | [`promised`](Self::promised): fewer are [`Truncated`](Outcome::Truncated) |
/// | What does a drop before the end mean? | [`CancelledInBody`](Outcome::CancelledInBody) | [`complete_after`](Self::complete_after), [`complete_unless_polled`](Self::complete_unless_polled) |
/// | Do its bytes go to the client? | yes | [`uncounted`](Self::uncounted) |
///
/// ```
/// use obs_core::{Observer, adapter::{BodyObservation, BodyRule, RequestHead}};
///
/// let observer = Observer::builder("shop").no_environment().build()?;
/// let mut observation = observer.start(&RequestHead::new("GET", "/", &()));
/// observation.responded(200, &());
/// // The server stops polling after the bytes that the head declares.
/// let rule = BodyRule::polled().promised(Some(5)).complete_after(Some(5));
/// let mut body = BodyObservation::new(observation, rule);
/// body.poll(|| Ok::<_, ()>("hello")).unwrap();
/// drop(body); // recorded as `Completed`
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct BodyRule {
    pub(crate) at_head: Option<Outcome>,
    pub(crate) promised: Option<u64>,
    pub(crate) if_dropped: IfDropped,
    pub(crate) counted: bool,
}

impl BodyRule {
    /// Returns the rule for a body that is polled to its end. An earlier drop is a cancellation.
    pub const fn polled() -> Self {
        Self { at_head: None, promised: None, if_dropped: IfDropped::Cancelled, counted: true }
    }

    /// Returns the rule for a response that ends with its head, because its body is empty or must
    /// not be sent.
    ///
    /// If [`promised`](Self::promised) sets more than 0 bytes, the outcome is
    /// [`Truncated`](Outcome::Truncated).
    pub const fn complete() -> Self {
        Self { at_head: Some(Outcome::Completed), ..Self::polled() }
    }

    /// Returns the rule for a response that upgrades the connection. It ends with its head, as
    /// [`Upgraded`](Outcome::Upgraded).
    pub const fn upgraded() -> Self {
        Self { at_head: Some(Outcome::Upgraded), ..Self::polled() }
    }

    /// Sets the number of bytes that the body must yield. A body that ends with fewer is truncated.
    pub const fn promised(mut self, bytes: Option<u64>) -> Self {
        self.promised = bytes;
        self
    }

    /// States that the server drops the body after this many bytes. A drop after them is no
    /// cancellation.
    pub const fn complete_after(mut self, bytes: Option<u64>) -> Self {
        self.if_dropped = IfDropped::CompleteAfter(bytes);
        self
    }

    /// States that the server does not poll this body, because it must not be sent. A drop is no
    /// cancellation, unless the body was polled.
    pub const fn complete_unless_polled(mut self) -> Self {
        self.if_dropped = IfDropped::CompleteUntilPolled;
        self
    }

    /// States that the server polls the body and discards its bytes.
    pub const fn uncounted(mut self) -> Self {
        self.counted = false;
        self
    }

    /// The outcome of a response that ends with its head.
    pub(crate) fn outcome_at_head(&self) -> Option<Outcome> {
        let short = self.promised.is_some_and(|promised| promised > 0);
        match self.at_head {
            Some(Outcome::Completed) if short => Some(Outcome::Truncated),
            outcome => outcome,
        }
    }
}
