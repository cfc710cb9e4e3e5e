//! A response's body under observation.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, MessageBody},
    web::Bytes,
};
use obs_core::{
    adapter::{AnswerBody, BodyObservation, Observation},
    output::ErrorReport,
};
use pin_project_lite::pin_project;

use crate::body_rule::of_actix;

pin_project! {
    /// A response's body that finishes its request's observation when it ends.
    ///
    /// It forwards the size. It does not forward `try_into_bytes`, through which the bytes would leave unobserved.
    ///
    /// # Errors
    /// The body's own, boxed as actix would box it.
    ///
    /// # Cancellation
    /// See [`BodyObservation`].
    ///
    /// # Panics
    /// If the body does; actix then aborts the connection (HTTP/1) or the stream (HTTP/2). The panic is recorded
    /// first.
    #[derive(Debug)]
    pub struct ObservedMessageBody<B> {
        #[pin]
        body: Origin<B>,
        observation: BodyObservation,
    }

    impl<B> PinnedDrop for ObservedMessageBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let body = &mut this.body;
            this.observation.drop_in(|| body.set(Origin::Own { body: AnswerBody::default() }));
        }
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = OriginProj]
    enum Origin<B> {
        Service { #[pin] body: B },
        // An answer of the middleware's own.
        Own { body: AnswerBody },
    }
}

impl<B: MessageBody> ObservedMessageBody<B> {
    pub(crate) fn body(observation: Observation, body: B) -> Self {
        Self::new(observation, Origin::Service { body })
    }

    pub(crate) fn own(observation: Observation, body: AnswerBody) -> Self {
        Self::new(observation, Origin::Own { body })
    }

    fn new(observation: Observation, body: Origin<B>) -> Self {
        let size = match body.size() {
            BodySize::None => Some(0),
            BodySize::Sized(size) => Some(size),
            BodySize::Stream => None,
        };
        let rule = of_actix(&observation, size);
        Self { body, observation: BodyObservation::new(observation, rule) }
    }

    /// A body that nobody observes here, because another middleware of the same observer does.
    pub(crate) const fn passive(body: B) -> Self {
        Self { body: Origin::Service { body }, observation: BodyObservation::passive() }
    }
}

impl<B: MessageBody> Origin<B> {
    fn size(&self) -> BodySize {
        match self {
            Self::Service { body } => body.size(),
            // Only HEAD is answered by nothing, and `Content-Length: 0` would be untrue (RFC 9110 §8.6).
            Self::Own { body } if body.has_ended() => BodySize::None,
            Self::Own { body } => body.size().map_or(BodySize::Stream, BodySize::Sized),
        }
    }
}

impl<B: MessageBody> MessageBody for ObservedMessageBody<B> {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.as_mut().project();
        if let OriginProj::Service { body } = this.body.project()
            && this.observation.sees_only_bytes()
        {
            return match this.observation.poll(|| bytes_of(body.poll_next(cx))) {
                Ok(bytes) => Poll::Ready(Some(Ok(bytes))),
                Err(other) => self.other(other),
            };
        }
        self.poll_apart(cx)
    }
}

/// Apart from the way that most bytes go, which is smaller and faster without.
impl<B: MessageBody> ObservedMessageBody<B> {
    #[inline(never)]
    fn poll_apart(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Box<dyn Error>>>> {
        let this = self.as_mut().project();
        let polled = match this.body.project() {
            OriginProj::Service { body } => this.observation.poll(|| bytes_of(body.poll_next(cx))),
            OriginProj::Own { body } => this.observation.poll(|| match body.poll_piece(cx) {
                Poll::Ready(Some(bytes)) => Ok(bytes),
                Poll::Ready(None) => Err(NoBytes::End),
                Poll::Pending => Err(NoBytes::Pending),
            }),
        };
        match polled {
            Ok(bytes) => Poll::Ready(Some(Ok(bytes))),
            Err(other) => self.other(other),
        }
    }

    #[inline(never)]
    fn other(self: Pin<&mut Self>, other: NoBytes) -> Poll<Option<Result<Bytes, Box<dyn Error>>>> {
        let this = self.project();
        match other {
            NoBytes::Pending => Poll::Pending,
            NoBytes::End => {
                this.observation.ended();
                Poll::Ready(None)
            }
            NoBytes::Error(error) => {
                this.observation.failed(ErrorReport::of(error.as_ref()));
                Poll::Ready(Some(Err(error)))
            }
        }
    }
}

/// Anything that a body yields but bytes.
// The tag is as wide as a pointer. With padding behind it, the compiler would write what comes out of the scope to memory and read it
// back, even if it is bytes.
#[repr(usize)]
enum NoBytes {
    Pending,
    End,
    Error(Box<dyn Error>),
}

/// Splits bytes from all else, so that they are returned without being moved through the larger type.
#[inline]
fn bytes_of<E: Into<Box<dyn Error>>>(polled: Poll<Option<Result<Bytes, E>>>) -> Result<Bytes, NoBytes> {
    match polled {
        Poll::Ready(Some(Ok(bytes))) => Ok(bytes),
        other => Err(no_bytes(other)),
    }
}

// Apart, so that the rest is short.
#[cold]
fn no_bytes<E: Into<Box<dyn Error>>>(polled: Poll<Option<Result<Bytes, E>>>) -> NoBytes {
    match polled {
        Poll::Pending => NoBytes::Pending,
        Poll::Ready(Some(Err(error))) => NoBytes::Error(error.into()),
        Poll::Ready(_) => NoBytes::End,
    }
}
