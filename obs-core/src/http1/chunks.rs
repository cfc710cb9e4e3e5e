//! The chunks in which a body is sent (feature `http`).

use std::{
    any::Any,
    mem::{self, ManuallyDrop},
    task::Poll,
};

use bytes::{Buf, Bytes};
use http_body::Frame;

use crate::http::answer_body::AnswerBody;

/// The size of a chunk, in bytes. Frames are sent in chunks of this size.
///
/// A server may drop a body as soon as it has its last frame. So a frame of 50 MB would look sent,
/// even if the client disconnected after the first kilobyte. With chunks, the back-pressure of the
/// transport shows how much was really sent.
pub(crate) const MAX_CHUNK: usize = 64 * 1024;

/// The part of a frame, or of the middleware's own answer, that is not sent yet. It is behind a
/// pointer, because most bodies have no such part and bodies are moved often.
#[derive(Debug)]
pub(crate) enum UnsentBody<D> {
    Data(D),
    Own(AnswerBody),
}

impl<D: Buf> UnsentBody<D> {
    /// Takes the next chunk of a frame.
    pub(crate) fn next_chunk(this: &mut Option<Box<Self>>) -> Option<Bytes> {
        let Some(Self::Data(data)) = this.as_deref_mut() else { return None };
        let chunk = data.copy_to_bytes(data.remaining().min(MAX_CHUNK));
        if !data.has_remaining() {
            *this = None;
        }
        Some(chunk)
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

/// A result of a poll that is not a chunk. Its large parts are behind pointers.
// The tag is as wide as a pointer. If padding followed it, the compiler would write each result to
// memory in the scope and read it back, even a chunk.
#[repr(usize)]
pub(crate) enum NotSingleChunk<D, E> {
    Pending,
    End,
    /// Data of several chunks.
    Unsent(Box<UnsentBody<D>>),
    /// Trailers or an error.
    Last(Box<Result<Frame<D>, E>>),
}

/// Takes the data out of a body's frame if it fits into one chunk, as most data does. A whole frame
/// is large, because it may contain trailers. Moving one out of the request's scope would cost as
/// much as the scope.
#[inline]
pub(crate) fn single_chunk<D: Buf + 'static, E>(
    polled: Poll<Option<Result<Frame<D>, E>>>,
) -> Result<Bytes, NotSingleChunk<D, E>> {
    match polled {
        Poll::Ready(Some(Ok(frame))) if frame.is_data() => match frame.into_data() {
            Ok(data) if data.remaining() <= MAX_CHUNK => Ok(into_bytes(data)),
            Ok(data) => Err(several_chunks(data)),
            // Unreachable: `is_data` was checked.
            Err(frame) => Err(boxed_frame(Ok(frame))),
        },
        polled => Err(no_data(polled)),
    }
}

// Results without data are handled separately, so that the fast path is short.

#[cold]
fn no_data<D, E>(polled: Poll<Option<Result<Frame<D>, E>>>) -> NotSingleChunk<D, E> {
    match polled {
        Poll::Pending => NotSingleChunk::Pending,
        Poll::Ready(None) => NotSingleChunk::End,
        Poll::Ready(Some(frame)) => boxed_frame(frame),
    }
}

#[cold]
fn several_chunks<D, E>(data: D) -> NotSingleChunk<D, E> {
    NotSingleChunk::Unsent(Box::new(UnsentBody::Data(data)))
}

#[cold]
fn boxed_frame<D, E>(frame: Result<Frame<D>, E>) -> NotSingleChunk<D, E> {
    NotSingleChunk::Last(Box::new(frame))
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

    fn polled(frame: Frame<Bytes>) -> Result<Bytes, NotSingleChunk<Bytes, Infallible>> {
        single_chunk(Poll::Ready(Some(Ok(frame))))
    }

    #[test]
    fn data_of_one_chunk_is_passed_on_unchanged() {
        for length in [0, 1, MAX_CHUNK] {
            let data = Bytes::from(vec![7; length]);
            let Ok(chunk) = polled(Frame::data(data.clone())) else { panic!("data of {length}") };
            assert_eq!((chunk.as_ptr(), chunk.len()), (data.as_ptr(), length));
        }
    }

    #[test]
    fn longer_data_is_cut_without_a_copy() {
        let data = Bytes::from(vec![7; 2 * MAX_CHUNK + 1]);
        let Err(NotSingleChunk::Unsent(rest)) = polled(Frame::data(data.clone())) else { panic!("more") };
        let mut rest = Some(rest);
        let mut at = 0;
        while let Some(chunk) = UnsentBody::next_chunk(&mut rest) {
            assert_eq!((chunk.as_ptr(), chunk.len()), (data[at..].as_ptr(), MAX_CHUNK.min(data.len() - at)));
            at += chunk.len();
            assert_eq!(UnsentBody::len(rest.as_deref()), data.len() - at);
        }
        assert!(at == data.len() && rest.is_none());
    }

    #[test]
    fn trailers_errors_and_ends_are_not_chunks() {
        assert!(matches!(polled(Frame::trailers(HeaderMap::new())), Err(NotSingleChunk::Last(_))));
        type Body = Poll<Option<Result<Frame<Bytes>, &'static str>>>;
        let chunk = |polled: Body| single_chunk(polled);
        assert!(matches!(chunk(Poll::Pending), Err(NotSingleChunk::Pending)));
        assert!(matches!(chunk(Poll::Ready(None)), Err(NotSingleChunk::End)));
        assert!(matches!(chunk(Poll::Ready(Some(Err("lost")))), Err(NotSingleChunk::Last(_))));
    }
}
