//! The slices in which a body is sent (feature `http`).

use std::{
    any::Any,
    mem::{self, ManuallyDrop},
    task::Poll,
};

use bytes::{Buf, Bytes};
use http_body::Frame;

use crate::http::answer_body::AnswerBody;

/// The size of a slice, in bytes. Frames are sent in slices of this size.
///
/// A server may drop a body as soon as it has its last frame. So a frame of 50 MB would look sent,
/// even if the client disconnected after the first kilobyte. With slices, the back-pressure of the
/// transport shows how much was really sent.
pub(crate) const SLICE: usize = 64 * 1024;

/// The part of a frame, or of the middleware's own answer, that is not sent yet. It is behind a
/// pointer, because most bodies have no such part and bodies are moved often.
#[derive(Debug)]
pub(crate) enum Rest<D> {
    Data(D),
    Own(AnswerBody),
}

impl<D: Buf> Rest<D> {
    /// Takes the next slice of a frame.
    pub(crate) fn slice(this: &mut Option<Box<Self>>) -> Option<Bytes> {
        let Some(Self::Data(data)) = this.as_deref_mut() else { return None };
        let slice = data.copy_to_bytes(data.remaining().min(SLICE));
        if !data.has_remaining() {
            *this = None;
        }
        Some(slice)
    }

    /// The number of bytes of a frame that are left.
    pub(crate) fn len(this: Option<&Self>) -> usize {
        match this {
            Some(Self::Data(data)) => data.remaining(),
            None | Some(Self::Own(_)) => 0,
        }
    }

    pub(crate) fn has_ended(this: Option<&Self>) -> bool {
        match this {
            None => true,
            Some(Self::Data(_)) => false,
            Some(Self::Own(own)) => own.has_ended(),
        }
    }
}

/// A result of a poll that is not a slice. Its large parts are behind pointers.
// The tag is as wide as a pointer. If padding followed it, the compiler would write each result to
// memory in the scope and read it back, even a slice.
#[repr(usize)]
pub(crate) enum Other<D, E> {
    Pending,
    End,
    /// Data of several slices.
    Rest(Box<Rest<D>>),
    /// Trailers or an error.
    Last(Box<Result<Frame<D>, E>>),
}

/// Takes the data out of a body's frame if it fits into one slice, as most data does. A whole frame
/// is large, because it may contain trailers. Moving one out of the request's scope would cost as
/// much as the scope.
#[inline]
pub(crate) fn slice_of<D: Buf + 'static, E>(
    polled: Poll<Option<Result<Frame<D>, E>>>,
) -> Result<Bytes, Other<D, E>> {
    match polled {
        Poll::Ready(Some(Ok(frame))) if frame.is_data() => match frame.into_data() {
            Ok(data) if data.remaining() <= SLICE => Ok(into_bytes(data)),
            Ok(data) => Err(several(data)),
            // Unreachable: `is_data` was checked.
            Err(frame) => Err(apart(Ok(frame))),
        },
        polled => Err(no_data(polled)),
    }
}

// Results without data are handled separately, so that the fast path is short.

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
    Other::Rest(Box::new(Rest::Data(data)))
}

#[cold]
fn apart<D, E>(frame: Result<Frame<D>, E>) -> Other<D, E> {
    Other::Last(Box::new(frame))
}

/// Converts data to `Bytes`. If it already is `Bytes`, as in most bodies, it is only moved:
/// `copy_to_bytes` would split it.
fn into_bytes<D: Buf + 'static>(data: D) -> Bytes {
    // After the move, nothing is left in it that must be dropped.
    let mut data = ManuallyDrop::new(data);
    match (&mut *data as &mut dyn Any).downcast_mut::<Bytes>() {
        Some(bytes) => mem::take(bytes),
        None => {
            let mut data = ManuallyDrop::into_inner(data);
            data.copy_to_bytes(data.remaining())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::HeaderMap;

    use super::*;

    fn polled(frame: Frame<Bytes>) -> Result<Bytes, Other<Bytes, Infallible>> {
        slice_of(Poll::Ready(Some(Ok(frame))))
    }

    #[test]
    fn what_is_no_more_than_a_slice_is_handed_on_as_it_is() {
        for length in [0, 1, SLICE] {
            let data = Bytes::from(vec![7; length]);
            let Ok(slice) = polled(Frame::data(data.clone())) else { panic!("data of {length}") };
            assert_eq!((slice.as_ptr(), slice.len()), (data.as_ptr(), length));
        }
    }

    #[test]
    fn more_is_cut_without_a_copy() {
        let data = Bytes::from(vec![7; 2 * SLICE + 1]);
        let Err(Other::Rest(rest)) = polled(Frame::data(data.clone())) else { panic!("more") };
        let mut rest = Some(rest);
        let mut at = 0;
        while let Some(slice) = Rest::slice(&mut rest) {
            assert_eq!((slice.as_ptr(), slice.len()), (data[at..].as_ptr(), SLICE.min(data.len() - at)));
            at += slice.len();
            assert_eq!(Rest::len(rest.as_deref()), data.len() - at);
        }
        assert!(at == data.len() && rest.is_none());
    }

    #[test]
    fn all_else_is_no_slice() {
        assert!(matches!(polled(Frame::trailers(HeaderMap::new())), Err(Other::Last(_))));
        type Body = Poll<Option<Result<Frame<Bytes>, &'static str>>>;
        let slice = |polled: Body| slice_of(polled);
        assert!(matches!(slice(Poll::Pending), Err(Other::Pending)));
        assert!(matches!(slice(Poll::Ready(None)), Err(Other::End)));
        assert!(matches!(slice(Poll::Ready(Some(Err("lost")))), Err(Other::Last(_))));
    }
}
