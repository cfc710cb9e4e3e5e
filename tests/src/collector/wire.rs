//! A socket that can break in the middle of an answer, and that knows when an answer is on its way.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::state::Shared;

/// What is to happen when the next answer is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// The request with this number is accepted.
    Accepted(usize),
    /// Half of the head is written, and that was it.
    InHead,
    /// The head and half of the body are written, and that was it.
    InBody,
}

/// Requests of a connection follow one another, so one place is enough.
pub(super) type Ending = Arc<Mutex<Option<End>>>;

pub(super) struct Wire<S> {
    stream: S,
    ending: Ending,
    shared: Arc<Shared>,
}

impl<S> Wire<S> {
    pub(super) fn new(stream: S, ending: Ending, shared: Arc<Shared>) -> Self {
        Self { stream, ending, shared }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

/// It does not say that it can write several buffers at once, so hyper puts a small answer's head and body into one.
impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let ending = *this.ending.lock().unwrap();
        let length = match ending {
            None | Some(End::Accepted(_)) => buf.len(),
            Some(End::InHead) => head(buf) / 2,
            Some(End::InBody) => (head(buf) + buf.len()) / 2,
        };
        // While the state is locked, nobody can see one without the other: the answer, and that the spans are accepted.
        let mut state = this.shared.lock();
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, &buf[..length]))?;
        *this.ending.lock().unwrap() = None;
        let Some(ending) = ending else { return Poll::Ready(Ok(written)) };
        // A few hundred bytes always fit into a socket's buffer.
        assert_eq!(written, length, "written at once");
        match ending {
            End::Accepted(number) => {
                state.accept(number);
                this.shared.announce(state);
                Poll::Ready(Ok(written))
            }
            // hyper drops a socket that fails, and that closes it.
            End::InHead | End::InBody => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// The length of an answer's head.
fn head(answer: &[u8]) -> usize {
    answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head") + 4
}
