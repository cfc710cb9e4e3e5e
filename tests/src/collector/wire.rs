//! A socket that can break in the middle of a response, and that marks a request as accepted when
//! its response is sent.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::state::Shared;

/// The action when the next response is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// Accept the request with this number.
    Accepted(usize),
    /// Write half of the head, and close the socket.
    InHead,
    /// Write the head and half of the body, and close the socket.
    InBody,
}

/// The action for the next response. One is enough, because the requests of a connection come one
/// after the other.
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

/// Does not announce vectored writes, so hyper puts the head and the body of a small response into
/// one buffer.
impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let ending = *this.ending.lock().unwrap();
        let length = match ending {
            None | Some(End::Accepted(_)) => buf.len(),
            Some(End::InHead) => head(buf) / 2,
            Some(End::InBody) => (head(buf) + buf.len()) / 2,
        };
        // Under the lock, the response and the acceptance of its spans become visible together.
        let mut state = this.shared.lock();
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, &buf[..length]))?;
        *this.ending.lock().unwrap() = None;
        let Some(ending) = ending else { return Poll::Ready(Ok(written)) };
        // A few hundred bytes always fit into the buffer of a socket.
        assert_eq!(written, length, "written at once");
        match ending {
            End::Accepted(number) => {
                state.accept(number);
                this.shared.announce(state);
                Poll::Ready(Ok(written))
            }
            // hyper drops a socket that fails, which closes it.
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

/// The length of the head of a response.
fn head(answer: &[u8]) -> usize {
    answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head") + 4
}
