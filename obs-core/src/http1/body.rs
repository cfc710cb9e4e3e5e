//! An observed response body for `http-body` 1 (feature `http`).

use std::{
    fmt::Display,
    pin::Pin,
    task::{Context, Poll},
};

use ::http::{HeaderMap, HeaderValue, header::CONNECTION};
use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{
    http::answer::Answer,
    http1::chunks::{NotSingleChunk, UnsentBody, single_chunk},
    record::error::ErrorReport,
    request::{body::BodyObservation, body_rule::BodyRule, observation::Observation},
};

pin_project! {
    /// A response's body that finishes its request's [`Observation`] when it ends.
    ///
    /// It forwards trailers, `is_end_stream` and `size_hint`, and cuts data frames into chunks of
    /// 64 KiB. A chunk of `Bytes` is not copied.
    ///
    /// # Errors
    /// The body's own errors, unchanged.
    ///
    /// # Cancellation
    /// See [`BodyObservation`].
    ///
    /// # Panics
    /// Panics if the body panics. The panic is recorded first, and the server then aborts the
    /// stream.
    ///
    /// ```
    /// use http_body::Body;
    /// use obs_core::{Observer, adapter::{BodyRule, ObservedBody, RequestHead}};
    ///
    /// let observer = Observer::builder("shop").no_environment().build()?;
    /// let observation = observer.start(&RequestHead::new("GET", "/", &()));
    /// let response = http::Response::new("hello".to_owned());
    /// let response = ObservedBody::respond(observation, response, |_, _, _| BodyRule::polled());
    /// assert_eq!(response.body().size_hint().exact(), Some(5));
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    #[derive(Debug)]
    pub struct ObservedBody<B>
    where
        B: Body,
    {
        #[pin]
        body: Option<B>,
        rest: Option<Box<UnsentBody<B::Data>>>,
        observation: BodyObservation,
    }

    impl<B: Body> PinnedDrop for ObservedBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let mut ended = UnsentBody::has_ended(this.rest.as_deref());
            let body = &mut this.body;
            this.observation.drop_in(|| {
                // A server may drop a body that reports its end after the last frame, without
                // another poll.
                ended &= body.as_ref().as_pin_ref().is_none_or(|body| body.is_end_stream());
                body.set(None);
            });
            if ended {
                this.observation.ended();
            }
        }
    }
}

impl<B: Body> ObservedBody<B> {
    /// Moves the observation into the response: reports its head, adds the request id header, and
    /// wraps the body.
    #[must_use]
    #[inline]
    pub fn respond(
        observation: Observation,
        response: ::http::Response<B>,
        rule: impl FnOnce(&Observation, Option<u64>, bool) -> BodyRule,
    ) -> ::http::Response<Self> {
        let mut response = response;
        let (exact, ended) = (response.body().size_hint().exact(), response.body().is_end_stream());
        let status = response.status().as_u16();
        let observation = finish_head(observation, status, response.headers_mut());
        let rule = rule(&observation, exact, ended);
        let observation = BodyObservation::new(observation, rule);
        response.map(|body| Self { body: Some(body), rest: None, observation })
    }

    /// Moves the observation into an answer of the middleware, in the same way as
    /// [`respond`](Self::respond).
    #[must_use]
    pub fn answer(
        observation: Observation,
        answer: Answer,
        rule: impl FnOnce(&Observation, Option<u64>, bool) -> BodyRule,
    ) -> ::http::Response<Self> {
        let (mut parts, body) = answer.into_http().into_parts();
        let (exact, ended) = (body.size(), body.has_ended());
        let observation = finish_head(observation, parts.status.as_u16(), &mut parts.headers);
        let rule = rule(&observation, exact, ended);
        let observation = BodyObservation::new(observation, rule);
        let rest = (!ended || body.is_omitted()).then(|| Box::new(UnsentBody::Own(body)));
        ::http::Response::from_parts(parts, Self { body: None, rest, observation })
    }

    /// Wraps a body without observing it, because an outer layer of the same observer does.
    #[must_use]
    pub fn passive(response: ::http::Response<B>) -> ::http::Response<Self> {
        response.map(|body| Self { body: Some(body), rest: None, observation: BodyObservation::passive() })
    }
}

fn finish_head(mut observation: Observation, status: u16, headers: &mut HeaderMap) -> Observation {
    observation.responded(status, headers);
    if !observation.keeps_id(headers) {
        let name = observation.observer().policy().ids.response_name().clone();
        headers.insert(name, observation.start().id.header_value());
    }
    if let Some((name, value)) = observation.trace_header()
        && let Ok(value) = HeaderValue::from_str(&value)
    {
        // A `server-timing` header of the handler is kept.
        headers.append(name, value);
    }
    if observation.closes_connection() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    observation
}

impl<B> Body for ObservedBody<B>
where
    B: Body,
    B::Data: 'static,
    B::Error: Display,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.as_mut().project();
        if this.rest.is_none()
            && let Some(body) = this.body.as_pin_mut()
            && this.observation.sees_only_bytes()
        {
            return match this.observation.poll(|| single_chunk(body.poll_frame(cx))) {
                Ok(chunk) => Poll::Ready(Some(Ok(Frame::data(chunk)))),
                Err(other) => self.other(other),
            };
        }
        self.poll_frame_slow(cx)
    }

    fn is_end_stream(&self) -> bool {
        UnsentBody::has_ended(self.rest.as_deref()) && self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        if let Some(UnsentBody::Own(own)) = self.rest.as_deref() {
            return own.size_hint();
        }
        let rest = UnsentBody::len(self.rest.as_deref()) as u64;
        let Some(body) = &self.body else { return SizeHint::with_exact(rest) };
        let inner = body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(rest));
        if let Some(upper) = inner.upper().and_then(|upper| upper.checked_add(rest)) {
            hint.set_upper(upper);
        }
        hint
    }
}

/// Separate from the fast path, which most frames take: it is smaller and faster without this code.
impl<B> ObservedBody<B>
where
    B: Body,
    B::Data: 'static,
    B::Error: Display,
{
    /// Handles every result that is not a chunk.
    #[inline(never)]
    fn other(
        self: Pin<&mut Self>,
        other: NotSingleChunk<B::Data, B::Error>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        match other {
            NotSingleChunk::Pending => Poll::Pending,
            NotSingleChunk::Unsent(rest) => {
                *this.rest = Some(rest);
                Poll::Ready(next_chunk(this.rest, this.observation))
            }
            NotSingleChunk::End => {
                this.observation.ended();
                Poll::Ready(None)
            }
            NotSingleChunk::Last(frame) => {
                note(this.observation, &frame);
                Poll::Ready(Some(frame.map(|frame| frame.map_data(|_| Bytes::new()))))
            }
        }
    }

    #[inline(never)]
    fn poll_frame_slow(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.as_mut().project();
        match this.rest.as_deref_mut() {
            Some(UnsentBody::Own(own)) => {
                let piece = this.observation.poll(|| match own.poll_piece(cx) {
                    Poll::Ready(Some(piece)) => Ok(piece),
                    other => Err(other.map(drop)),
                });
                match piece {
                    Ok(piece) => {
                        // The server may drop the body after its last piece.
                        if let Some(reason) = own.failure() {
                            this.observation.failed(ErrorReport::of_text(&reason));
                        }
                        Poll::Ready(Some(Ok(Frame::data(piece))))
                    }
                    Err(Poll::Ready(())) => {
                        this.observation.ended();
                        Poll::Ready(None)
                    }
                    Err(Poll::Pending) => Poll::Pending,
                }
            }
            Some(UnsentBody::Data(_)) => Poll::Ready(next_chunk(this.rest, this.observation)),
            None => {
                let Some(body) = this.body.as_pin_mut() else { return Poll::Ready(None) };
                match this.observation.poll(|| single_chunk(body.poll_frame(cx))) {
                    Ok(chunk) => Poll::Ready(Some(Ok(Frame::data(chunk)))),
                    Err(other) => self.other(other),
                }
            }
        }
    }
}

fn next_chunk<D: Buf, E>(
    rest: &mut Option<Box<UnsentBody<D>>>,
    observation: &mut BodyObservation,
) -> Option<Result<Frame<Bytes>, E>> {
    let chunk = UnsentBody::next_chunk(rest)?;
    observation.yielded(&chunk);
    Some(Ok(Frame::data(chunk)))
}

/// Records trailers or an error.
#[cold]
fn note<D, E: Display>(observation: &mut BodyObservation, frame: &Result<Frame<D>, E>) {
    match frame {
        Err(error) => observation.failed(ErrorReport::of_text(error)),
        Ok(frame) => {
            if let Some(trailers) = frame.trailers_ref() {
                observation.trailers(trailers);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::mpsc, task::Waker};

    use super::*;
    use crate::outputs::records::OfRequest as _;
    use crate::{
        http::head::RequestHead,
        http1::chunks::MAX_CHUNK,
        observer::Observer,
        outputs::records::Records,
        record::{finished::Record, outcome::Outcome},
    };

    /// One frame of data that is not `Bytes`, with an unknown length.
    struct OneFrame(Option<&'static [u8]>);
    impl Body for OneFrame {
        type Data = &'static [u8];
        type Error = Infallible;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<&'static [u8]>, Infallible>>> {
            Poll::Ready(self.0.take().map(|data| Ok(Frame::data(data))))
        }
        fn is_end_stream(&self) -> bool {
            self.0.is_none()
        }
    }
    impl Drop for OneFrame {
        fn drop(&mut self) {
            crate::work::scope::current().set("dropped", true);
        }
    }

    fn observed(data: &'static [u8]) -> (Pin<Box<ObservedBody<OneFrame>>>, mpsc::Receiver<Record>) {
        let (send, records) = mpsc::channel();
        let observer = Observer::builder("test").no_environment().sink(Records(send)).build();
        let observation = observer.expect("valid").start(&RequestHead::new("GET", "/", &()));
        let response =
            ObservedBody::respond(observation, ::http::Response::new(OneFrame(Some(data))), |_, size, _| {
                BodyRule::polled().complete_after(size)
            });
        (Box::pin(response.into_body()), records)
    }

    /// The next frame's data.
    fn next(body: &mut Pin<Box<ObservedBody<OneFrame>>>) -> Option<Bytes> {
        match body.as_mut().poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(frame) => {
                frame.map(|frame| frame.ok().and_then(|f| f.into_data().ok()).expect("data"))
            }
            Poll::Pending => panic!("it is there"),
        }
    }

    /// A server may drop a body after its last frame.
    #[test]
    fn a_body_that_reports_its_end_is_complete_when_dropped() {
        let (mut body, records) = observed(b"hello");
        assert_eq!(next(&mut body).as_deref(), Some(&b"hello"[..]));
        assert!(body.is_end_stream());
        drop(body);
        let record = records.try_recv().expect("one record");
        assert_eq!((record.outcome, record.end().response_bytes), (Outcome::Completed, 5));
        assert_eq!(record.fields.get("dropped"), Some(&true.into()));
        assert!(records.try_recv().is_err(), "only one");
    }

    #[test]
    fn a_body_is_complete_when_it_was_polled_to_its_end() {
        let (mut body, records) = observed(b"hello");
        assert!(next(&mut body).is_some());
        assert_eq!(next(&mut body), None);
        assert_eq!(records.try_recv().expect("one record").outcome, Outcome::Completed);
        drop(body);
        assert!(records.try_recv().is_err(), "only one");
    }

    #[test]
    fn chunks_that_were_not_polled_do_not_count_as_sent() {
        let (mut body, records) = observed(&[0; MAX_CHUNK + 1]);
        assert_eq!(next(&mut body).map(|chunk| chunk.len()), Some(MAX_CHUNK));
        assert!(!body.is_end_stream());
        drop(body);
        let record = records.try_recv().expect("one record");
        assert_eq!(
            (record.outcome, record.end().response_bytes),
            (Outcome::CancelledInBody, MAX_CHUNK as u64)
        );
    }
}
