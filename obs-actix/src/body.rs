//! An observed response body.

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
    /// It forwards the size. It does not forward `try_into_bytes`, because those bytes would not be
    /// observed.
    ///
    /// # Errors
    /// The errors of the body, boxed as actix-web boxes them.
    ///
    /// # Cancellation
    /// See [`BodyObservation`].
    ///
    /// # Panics
    /// Panics if the body panics. The panic is recorded first. actix-web then aborts the connection
    /// (HTTP/1) or the stream (HTTP/2).
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
        // An answer of the middleware itself.
        Own { body: AnswerBody },
    }
}

impl<B: MessageBody> ObservedMessageBody<B> {
    #[inline]
    pub(crate) fn body(observation: Observation, body: B) -> Self {
        Self::new(observation, Origin::Service { body })
    }

    pub(crate) fn own(observation: Observation, body: AnswerBody) -> Self {
        Self::new(observation, Origin::Own { body })
    }

    #[inline]
    fn new(observation: Observation, body: Origin<B>) -> Self {
        let size = match body.size() {
            BodySize::None => Some(0),
            BodySize::Sized(size) => Some(size),
            BodySize::Stream => None,
        };
        let rule = of_actix(&observation, size);
        Self { body, observation: BodyObservation::new(observation, rule) }
    }

    /// Wraps a body without observing it, because an outer middleware of the same observer does.
    pub(crate) const fn passive(body: B) -> Self {
        Self { body: Origin::Service { body }, observation: BodyObservation::passive() }
    }
}

impl<B: MessageBody> Origin<B> {
    fn size(&self) -> BodySize {
        match self {
            Self::Service { body } => body.size(),
            // Without a size, an answer to HEAD has no `Content-Length` (RFC 9110 §8.6).
            Self::Own { body } if body.is_omitted() => body.size().map_or(BodySize::None, BodySize::Sized),
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
        self.poll_slow(cx)
    }
}

/// Separate from the fast path, which most bytes take: it is smaller and faster without this code.
impl<B: MessageBody> ObservedMessageBody<B> {
    #[inline(never)]
    fn poll_slow(
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
                if let OriginProj::Own { body } = this.body.project()
                    && let Some(reason) = body.failure()
                {
                    this.observation.failed(ErrorReport::of_text(&reason));
                }
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

/// A result of a poll that is not bytes.
// The tag is as wide as a pointer. If padding followed it, the compiler would write each result to
// memory in the scope and read it back, even bytes.
#[repr(usize)]
enum NoBytes {
    Pending,
    End,
    Error(Box<dyn Error>),
}

/// Separates bytes from all other results, so that they are not moved through the larger type.
#[inline]
fn bytes_of<E: Into<Box<dyn Error>>>(polled: Poll<Option<Result<Bytes, E>>>) -> Result<Bytes, NoBytes> {
    match polled {
        Poll::Ready(Some(Ok(bytes))) => Ok(bytes),
        other => Err(no_bytes(other)),
    }
}

// Not inlined, so that the fast path is short.
#[cold]
fn no_bytes<E: Into<Box<dyn Error>>>(polled: Poll<Option<Result<Bytes, E>>>) -> NoBytes {
    match polled {
        Poll::Pending => NoBytes::Pending,
        Poll::Ready(Some(Err(error))) => NoBytes::Error(error.into()),
        Poll::Ready(_) => NoBytes::End,
    }
}
