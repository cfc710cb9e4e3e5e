//! Frames of a body, cut into slices (feature `http`).

use std::{
    any::Any,
    mem::{self, ManuallyDrop},
    task::Poll,
};

use bytes::{Buf, Bytes};
use http_body::Frame;

use crate::{AnswerBody, Polled};

/// Frames are handed over in slices of this size.
///
/// hyper drops a body as soon as it has its last frame, so a 50 MB frame would look sent although the client
/// left after the first kilobyte. In slices, the transport's back-pressure shows how far it really got.
pub(crate) const SLICE: usize = 64 * 1024;

/// What is left of the frame that is being sliced, or of an answer of our own. It is behind a pointer, because most bodies have none of
/// it, and bodies are moved often.
#[derive(Debug)]
pub(crate) enum Rest<D> {
    Frame(D),
    Own(AnswerBody),
}

impl<D: Buf> Rest<D> {
    /// The next slice of a frame.
    pub(crate) fn slice(this: &mut Option<Box<Self>>) -> Option<Bytes> {
        let Some(Self::Frame(data)) = this.as_deref_mut() else { return None };
        let slice = data.copy_to_bytes(data.remaining().min(SLICE));
        if !data.has_remaining() {
            *this = None;
        }
        Some(slice)
    }

    /// The bytes of a frame that are there.
    pub(crate) fn len(this: Option<&Self>) -> usize {
        match this {
            Some(Self::Frame(data)) => data.remaining(),
            None | Some(Self::Own(_)) => 0,
        }
    }

    pub(crate) fn has_ended(this: Option<&Self>) -> bool {
        match this {
            None => true,
            Some(Self::Frame(_)) => false,
            Some(Self::Own(own)) => own.has_ended(),
        }
    }
}

/// What is no slice. What is large of it is behind a pointer.
pub(crate) enum Other<D, E> {
    Pending,
    End,
    /// Data of several slices.
    Rest(Box<Rest<D>>),
    /// Trailers or an error.
    Frame(Box<Result<Frame<D>, E>>),
}

/// Takes the data out of what a body yields, if it is no more than a slice, as most is. A whole frame is large, because of the trailers
/// that it may be, and to move one out of the request's scope costs as much as the scope.
#[inline]
pub(crate) fn slice_of<D: Buf + 'static, E>(
    polled: Poll<Option<Result<Frame<D>, E>>>,
) -> Polled<Bytes, Other<D, E>> {
    match polled {
        Poll::Ready(Some(Ok(frame))) if frame.is_data() => match frame.into_data() {
            Ok(data) if data.remaining() <= SLICE => Polled::Data(into_bytes(data)),
            Ok(data) => Polled::Other(several(data)),
            Err(frame) => Polled::Other(apart(Ok(frame))),
        },
        polled => Polled::Other(no_data(polled)),
    }
}

// What is rare is not inlined, so that the rest can be.

#[cold]
fn no_data<D, E>(polled: Poll<Option<Result<Frame<D>, E>>>) -> Other<D, E> {
    match polled {
        Poll::Pending => Other::Pending,
        Poll::Ready(None) => Other::End,
        Poll::Ready(Some(frame)) => apart(frame),
    }
}

#[cold]
fn several<D, E>(data: D) -> Other<D, E> {
    Other::Rest(Box::new(Rest::Frame(data)))
}

#[cold]
fn apart<D, E>(frame: Result<Frame<D>, E>) -> Other<D, E> {
    Other::Frame(Box::new(frame))
}

/// The whole data. If it is `Bytes`, as of most bodies, it is only moved: `copy_to_bytes` would split it.
fn into_bytes<D: Buf + 'static>(data: D) -> Bytes {
    // Nothing that needs to be dropped is left in it.
    let mut data = ManuallyDrop::new(data);
    match (&mut *data as &mut dyn Any).downcast_mut::<Bytes>() {
        Some(bytes) => mem::take(bytes),
        None => {
            let mut data = ManuallyDrop::into_inner(data);
            data.copy_to_bytes(data.remaining())
        }
    }
}
