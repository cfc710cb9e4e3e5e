//! An observed response body.

use std::{
    error::Error,
    mem,
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
    /// Its size is the size of the body inside it. A body that is ready as a whole, such as a
    /// `String`, is stored as bytes. `try_into_bytes` always fails, because the bytes that it
    /// returns would not be observed.
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
            if matches!(**body, Origin::Service { .. }) {
                this.observation.drop_in(|| body.set(Origin::Ready { bytes: Bytes::new(), size: 0 }));
            }
        }
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = OriginProj]
    enum Origin<B> {
        Service { #[pin] body: B },
        // The whole body of the service. No code of the application runs for it any more.
        Ready { bytes: Bytes, size: u64 },
        // An answer of the middleware itself.
        Own { body: AnswerBody },
    }
}

impl<B: MessageBody> ObservedMessageBody<B> {
    #[inline]
    pub(crate) fn body(observation: Observation, body: B) -> Self {
        Self::new(observation, Origin::of(body))
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
    #[inline]
    fn of(body: B) -> Self {
        // A body that must not exist, as that of a 204, has no size and stays as it is.
        let BodySize::Sized(size) = body.size() else { return Self::Service { body } };
        match body.try_into_bytes() {
            // The size is what the body states. If its bytes are fewer, they count as truncated.
            Ok(bytes) => Self::Ready { bytes, size },
            Err(body) => Self::Service { body },
        }
    }

    #[inline]
    fn size(&self) -> BodySize {
        match self {
            Self::Service { body } => body.size(),
            Self::Ready { size, .. } => BodySize::Sized(*size),
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
        match this.body.project() {
            OriginProj::Ready { bytes, .. } if bytes.is_empty() => {
                this.observation.ended();
                return Poll::Ready(None);
            }
            OriginProj::Ready { bytes, .. } => {
                this.observation.yielded(bytes);
                return Poll::Ready(Some(Ok(mem::take(bytes))));
            }
            OriginProj::Service { body } if this.observation.sees_only_bytes() => {
                return match this.observation.poll(|| bytes_of(body.poll_next(cx))) {
                    Ok(bytes) => Poll::Ready(Some(Ok(bytes))),
                    Err(other) => self.other(other),
                };
            }
            _ => {}
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
            OriginProj::Ready { .. } => return Poll::Ready(None),
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

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use actix_web::body::{BoxBody, None as NoBody};
    use obs_core::{Outcome, adapter::RequestHead, testing::TestObserver};

    use super::*;

    fn observed(test: &TestObserver, status: u16, body: BoxBody) -> Pin<Box<ObservedMessageBody<BoxBody>>> {
        let mut observation = test.observer().start(&RequestHead::new("GET", "/", &()));
        observation.responded(status, &());
        Box::pin(ObservedMessageBody::body(observation, body))
    }

    fn poll(body: &mut Pin<Box<ObservedMessageBody<BoxBody>>>) -> Option<Bytes> {
        match body.as_mut().poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(polled) => polled.transpose().expect("bytes have no error"),
            Poll::Pending => panic!("bytes are ready"),
        }
    }

    #[test]
    fn a_body_that_is_ready_as_a_whole_ends_after_its_bytes() {
        for (polls, outcome, bytes) in [
            (0, Outcome::CancelledInBody, 0),
            (1, Outcome::CancelledInBody, 5),
            (2, Outcome::Completed, 5),
            (3, Outcome::Completed, 5),
        ] {
            let test = TestObserver::new();
            let mut body = observed(&test, 200, BoxBody::new("hello"));
            assert_eq!(body.size(), BodySize::Sized(5));
            let seen: Vec<u8> = (0..polls).filter_map(|_| poll(&mut body)).flatten().collect();
            assert!(polls == 0 || seen == b"hello", "{seen:?}");
            drop(body);
            let records = test.records();
            let [record] = &*records else { panic!("{} records", records.len()) };
            let sent = record.request().map(|request| request.end.response_bytes);
            assert_eq!((record.outcome, sent), (outcome, Some(bytes)), "{polls} polls");
        }
    }

    #[test]
    fn an_empty_body_has_a_size_and_an_absent_body_has_none() {
        let test = TestObserver::new();
        for (body, size) in
            [(BoxBody::new(""), BodySize::Sized(0)), (BoxBody::new(NoBody::new()), BodySize::None)]
        {
            let mut body = observed(&test, 204, body);
            assert_eq!(body.size(), size);
            assert_eq!(poll(&mut body), None);
        }
        assert!(test.records().iter().all(|record| record.outcome == Outcome::Completed));
    }
}
