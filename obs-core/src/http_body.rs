//! A response's body for `http-body` 1 (feature `http`) under observation.

use std::{
    fmt::Display,
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::http::{HeaderMap, HeaderValue};
use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{Answer, AnswerBody, BodyObservation, ErrorReport, Observation};

/// Frames are handed over in slices of this size.
///
/// hyper drops a body as soon as it has its last frame, so a 50 MB frame would look sent although the client
/// left after the first kilobyte. In slices, the transport's back-pressure shows how far it really got.
const SLICE: usize = 64 * 1024;

pin_project! {
    /// A response's body that finishes its request's [`Observation`] when it ends.
    ///
    /// It forwards trailers, `is_end_stream` and `size_hint`, and cuts data frames into slices of 64 KiB (without
    /// copying if they are `Bytes`).
    ///
    /// # Errors
    /// The body's own, untouched.
    ///
    /// # Cancellation
    /// See [`BodyObservation`].
    ///
    /// # Panics
    /// If the body does; the server then aborts the stream. The panic is recorded first.
    ///
    /// ```
    /// use http_body::Body;
    /// use obs_core::{ObservedBody, Observer, RequestHead};
    ///
    /// let observer = Observer::builder("shop").no_environment().build()?;
    /// let observation = observer.start(RequestHead::new("GET", "/", &()));
    /// let response = http::Response::new("hello".to_owned());
    /// let response = ObservedBody::respond(observation, response);
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
        // What is left of the frame that is being sliced, or of an answer of our own.
        rest: Rest<B::Data>,
        observation: BodyObservation,
    }

    impl<B: Body> PinnedDrop for ObservedBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let body = &mut this.body;
            this.observation.drop_in(|| body.set(None));
        }
    }
}

#[derive(Debug)]
enum Rest<D> {
    None,
    Frame(D),
    Own(AnswerBody),
}

impl<D: Buf> Rest<D> {
    /// The bytes that are there.
    fn len(&self) -> usize {
        match self {
            Self::Frame(data) => data.remaining(),
            Self::None | Self::Own(_) => 0,
        }
    }

    /// The next slice; `None` if there is nothing left.
    fn next(&mut self) -> Option<Bytes> {
        let Self::Frame(data) = self else { return None };
        let slice = data.copy_to_bytes(data.remaining().min(SLICE));
        if data.remaining() == 0 {
            *self = Self::None;
        }
        Some(slice)
    }
}

impl<B: Body> ObservedBody<B> {
    /// Moves the observation into the response: notes its head, writes the request id into it and wraps the body.
    #[must_use]
    pub fn respond(observation: Observation, response: ::http::Response<B>) -> ::http::Response<Self> {
        let mut response = response;
        let (exact, ended) = (response.body().size_hint().exact(), response.body().is_end_stream());
        let status = response.status().as_u16();
        let observation = head_done(observation, status, response.headers_mut(), exact, ended);
        response.map(|body| Self { body: Some(body), rest: Rest::None, observation })
    }

    /// The same for an answer of the middleware's own.
    #[must_use]
    pub fn answer(observation: Observation, answer: Answer) -> ::http::Response<Self> {
        let (mut parts, body) = answer.into_http().into_parts();
        let (exact, ended) = (body.size(), body.has_ended());
        let observation = head_done(observation, parts.status.as_u16(), &mut parts.headers, exact, ended);
        let rest = if ended { Rest::None } else { Rest::Own(body) };
        ::http::Response::from_parts(parts, Self { body: None, rest, observation })
    }

    /// A body that nobody observes here, because another layer of the same observer does.
    #[must_use]
    pub fn passive(response: ::http::Response<B>) -> ::http::Response<Self> {
        response.map(|body| Self {
            body: Some(body),
            rest: Rest::None,
            observation: BodyObservation::passive(),
        })
    }
}

fn head_done(
    mut observation: Observation,
    status: u16,
    headers: &mut HeaderMap,
    exact_size: Option<u64>,
    ended: bool,
) -> BodyObservation {
    observation.responded(status, headers);
    let name = observation.observer().ids().response_name().clone();
    headers.insert(name, observation.request().id.header_value());
    if let Some((name, value)) = observation.trace_header()
        && let Ok(value) = HeaderValue::from_str(&value)
    {
        // A handler's own `server-timing` stays.
        headers.append(name, value);
    }
    BodyObservation::tower(observation, exact_size, ended)
}

impl<B> Body for ObservedBody<B>
where
    B: Body,
    B::Error: Display,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        if let Rest::Own(own) = this.rest {
            let piece = ready!(this.observation.poll(|| own.poll_piece(cx)));
            match &piece {
                Some(piece) => this.observation.data(piece, own.has_ended()),
                None => this.observation.ended(),
            }
            return Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))));
        }
        if matches!(this.rest, Rest::None) {
            let Some(body) = this.body.as_mut().as_pin_mut() else { return Poll::Ready(None) };
            match ready!(this.observation.poll(|| body.poll_frame(cx))) {
                None => {
                    this.observation.ended();
                    return Poll::Ready(None);
                }
                Some(Err(error)) => {
                    this.observation.failed(ErrorReport::of_text(&error));
                    return Poll::Ready(Some(Err(error)));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    // Most are one slice.
                    Ok(mut data) if data.remaining() <= SLICE => {
                        let slice = data.copy_to_bytes(data.remaining());
                        let last = this.body.as_ref().as_pin_ref().is_none_or(|b| b.is_end_stream());
                        this.observation.data(&slice, last);
                        return Poll::Ready(Some(Ok(Frame::data(slice))));
                    }
                    Ok(data) => *this.rest = Rest::Frame(data),
                    Err(other) => {
                        if let Some(trailers) = other.trailers_ref() {
                            this.observation.trailers(trailers);
                        }
                        return Poll::Ready(Some(Ok(other.map_data(|_| Bytes::new()))));
                    }
                },
            }
        }
        let Some(slice) = this.rest.next() else { return Poll::Ready(None) };
        let last = this.rest.len() == 0 && this.body.as_ref().as_pin_ref().is_none_or(|b| b.is_end_stream());
        this.observation.data(&slice, last);
        Poll::Ready(Some(Ok(Frame::data(slice))))
    }

    fn is_end_stream(&self) -> bool {
        if let Rest::Own(own) = &self.rest {
            return own.has_ended();
        }
        self.rest.len() == 0 && self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        if let Rest::Own(own) = &self.rest {
            return own.size_hint();
        }
        let rest = self.rest.len() as u64;
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
