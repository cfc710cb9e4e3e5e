//! A response's body under observation.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::{
    body::{BodySize, MessageBody},
    web::Bytes,
};
use obs_core::{
    adapter::{AnswerBody, BodyObservation, Observation, Polled},
    output::ErrorReport,
};
use pin_project_lite::pin_project;

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
    pub struct ObservedBody<B> {
        #[pin]
        body: Inner<B>,
        observation: BodyObservation,
    }

    impl<B> PinnedDrop for ObservedBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let body = &mut this.body;
            this.observation.drop_in(|| body.set(Inner::Own { body: AnswerBody::default() }));
        }
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = InnerProj]
    enum Inner<B> {
        Service { #[pin] body: B },
        // An answer of the middleware's own.
        Own { body: AnswerBody },
    }
}

impl<B: MessageBody> ObservedBody<B> {
    pub(crate) fn body(observation: Observation, body: B, http2: bool) -> Self {
        Self::new(observation, Inner::Service { body }, http2)
    }

    pub(crate) fn own(observation: Observation, body: AnswerBody) -> Self {
        let http2 = observation.request().version == Some(obs_core::adapter::HttpVersion::Http2);
        Self::new(observation, Inner::Own { body }, http2)
    }

    fn new(observation: Observation, body: Inner<B>, http2: bool) -> Self {
        let size = match body.size() {
            BodySize::None => Some(0),
            BodySize::Sized(size) => Some(size),
            BodySize::Stream => None,
        };
        Self { body, observation: BodyObservation::actix(observation, size, http2) }
    }

    /// A body that nobody observes here, because another middleware of the same observer does.
    pub(crate) const fn passive(body: B) -> Self {
        Self { body: Inner::Service { body }, observation: BodyObservation::passive() }
    }
}

impl<B: MessageBody> Inner<B> {
    fn size(&self) -> BodySize {
        match self {
            Self::Service { body } => body.size(),
            // Only HEAD is answered by nothing, and `Content-Length: 0` would be untrue (RFC 9110 §8.6).
            Self::Own { body } if body.has_ended() => BodySize::None,
            Self::Own { body } => body.size().map_or(BodySize::Stream, BodySize::Sized),
        }
    }
}

impl<B: MessageBody> MessageBody for ObservedBody<B> {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.as_mut().project();
        if let InnerProj::Service { body } = this.body.project()
            && let Some(plain) = this.observation.plain()
        {
            return match plain.poll(|| bytes_of(body.poll_next(cx))) {
                Polled::Data(bytes) => Poll::Ready(Some(Ok(bytes))),
                Polled::Other(other) => self.other(other),
            };
        }
        self.poll_apart(cx)
    }
}

/// Apart from the way that most bytes go, which is smaller and faster without.
impl<B: MessageBody> ObservedBody<B> {
    #[inline(never)]
    fn poll_apart(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Box<dyn Error>>>> {
        let this = self.as_mut().project();
        let polled = match this.body.project() {
            InnerProj::Service { body } => this.observation.poll(|| bytes_of(body.poll_next(cx))),
            InnerProj::Own { body } => this.observation.poll(|| match body.poll_piece(cx) {
                Poll::Ready(Some(bytes)) => Polled::Data(bytes),
                other => Polled::Other(other.map(|_| None)),
            }),
        };
        match polled {
            Polled::Data(bytes) => Poll::Ready(Some(Ok(bytes))),
            Polled::Other(other) => self.other(other),
        }
    }

    /// What is no bytes: that there are none yet, an error or the end.
    #[inline(never)]
    fn other(
        self: Pin<&mut Self>,
        other: Poll<Option<Box<dyn Error>>>,
    ) -> Poll<Option<Result<Bytes, Box<dyn Error>>>> {
        let error = ready!(other);
        let this = self.project();
        match &error {
            None => this.observation.ended(),
            Some(error) => this.observation.failed(ErrorReport::of(error.as_ref())),
        }
        Poll::Ready(error.map(Err))
    }
}

/// Splits bytes from all else, so that they are returned without being moved through the larger type.
#[inline]
fn bytes_of<E: Into<Box<dyn Error>>>(
    polled: Poll<Option<Result<Bytes, E>>>,
) -> Polled<Bytes, Poll<Option<Box<dyn Error>>>> {
    match polled {
        Poll::Ready(Some(Ok(bytes))) => Polled::Data(bytes),
        other => Polled::Other(no_bytes(other)),
    }
}

// Apart, so that the rest is short.
#[cold]
fn no_bytes<E: Into<Box<dyn Error>>>(polled: Poll<Option<Result<Bytes, E>>>) -> Poll<Option<Box<dyn Error>>> {
    polled.map(|next| next.and_then(Result::err).map(Into::into))
}
