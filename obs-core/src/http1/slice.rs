//! What of a body is still to be sent, in slices (feature `http`).

use std::{
    any::Any,
    mem::{self, ManuallyDrop},
    task::Poll,
};

use bytes::{Buf, Bytes};
use http_body::Frame;

use crate::http::answer_body::AnswerBody;

/// Frames are handed over in slices of this size.
///
/// A server may drop a body as soon as it has its last frame, so a 50 MB frame would look sent although the client
/// left after the first kilobyte. In slices, the transport's back-pressure shows how far it really got.
pub(crate) const SLICE: usize = 64 * 1024;

/// What is left of the frame that is being sliced, or of an answer of our own. It is behind a pointer, because most bodies have none of
/// it, and bodies are moved often.
#[derive(Debug)]
pub(crate) enum Rest<D> {
    Data(D),
    Own(AnswerBody),
}

impl<D: Buf> Rest<D> {
    /// The next slice of a frame.
    pub(crate) fn slice(this: &mut Option<Box<Self>>) -> Option<Bytes> {
        let Some(Self::Data(data)) = this.as_deref_mut() else { return None };
        let slice = data.copy_to_bytes(data.remaining().min(SLICE));
        if !data.has_remaining() {
            *this = None;
        }
        Some(slice)
    }

    /// The bytes of a frame that are there.
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

/// What is no slice. What is large of it is behind a pointer.
// The tag is as wide as a pointer. With padding behind it, the compiler would write what comes out of the scope to memory and read it
// back, even if it is a slice.
#[repr(usize)]
pub(crate) enum Other<D, E> {
    Pending,
    End,
    /// Data of several slices.
    Rest(Box<Rest<D>>),
    /// Trailers or an error.
    Last(Box<Result<Frame<D>, E>>),
}

/// Takes the data out of what a body yields, if it is no more than a slice, as most is. A whole frame is large, because of the trailers
/// that it may be, and to move one out of the request's scope costs as much as the scope.
#[inline]
pub(crate) fn slice_of<D: Buf + 'static, E>(
    polled: Poll<Option<Result<Frame<D>, E>>>,
) -> Result<Bytes, Other<D, E>> {
    match polled {
        Poll::Ready(Some(Ok(frame))) if frame.is_data() => match frame.into_data() {
            Ok(data) if data.remaining() <= SLICE => Ok(into_bytes(data)),
            Ok(data) => Err(several(data)),
            // It was asked: not so.
            Err(frame) => Err(apart(Ok(frame))),
        },
        polled => Err(no_data(polled)),
    }
}

// What is no data is kept apart, so that the rest is short.

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
