//! A connection whose writes have a time limit (feature `tokio`).

use std::{
    future::Future as _,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

pin_project! {
    /// A connection that fails if its client accepts no data for too long.
    ///
    /// A client that does not read its response would otherwise keep the response in memory for as
    /// long as it likes. The time counts only while data waits to be written, so idle connections
    /// and slow handlers are not affected. The time starts again with each byte that the client
    /// accepts.
    ///
    /// # Errors
    /// [`TimedOut`](io::ErrorKind::TimedOut), in addition to the errors of the inner connection.
    ///
    /// ```
    /// use obs_core::adapter::WriteTimeout;
    /// # async fn serve<S>(stream: S, observer: &obs_core::Observer) {
    /// let connection = WriteTimeout::new(stream, observer.stall_timeout());
    /// # }
    /// ```
    #[derive(Debug)]
    pub struct WriteTimeout<I> {
        #[pin]
        io: I,
        timeout: Duration,
        // Created for the first write that waits, because most connections have none.
        timer: Option<Pin<Box<Sleep>>>,
        waits: Waits,
    }
}

/// The operation that waits for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    Nothing,
    Write,
    Flush,
}

impl<I> WriteTimeout<I> {
    /// Wraps a connection.
    pub const fn new(io: I, timeout: Duration) -> Self {
        Self { io, timeout, timer: None, waits: Waits::Nothing }
    }
}

/// Returns the result, or an error if the client has accepted nothing for too long.
#[cold]
#[inline(never)]
fn wait<T>(
    timer: &mut Option<Pin<Box<Sleep>>>,
    waits: &mut Waits,
    operation: Waits,
    timeout: Duration,
    cx: &mut Context<'_>,
) -> Poll<io::Result<T>> {
    let timer = timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
    if *waits == Waits::Nothing {
        *waits = operation;
        timer.as_mut().reset(Instant::now() + timeout);
    }
    timer.as_mut().poll(cx).map(|()| {
        let reason = format!("the client has accepted no data for {timeout:?}");
        Err(io::Error::new(io::ErrorKind::TimedOut, reason))
    })
}

impl<I: AsyncRead> AsyncRead for WriteTimeout<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_read(cx, buf)
    }
}

impl<I: AsyncWrite> AsyncWrite for WriteTimeout<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.project();
        let written = this.io.poll_write(cx, bytes);
        if written.is_pending() {
            return wait(this.timer, this.waits, Waits::Write, *this.timeout, cx);
        }
        *this.waits = Waits::Nothing;
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let written = this.io.poll_write_vectored(cx, bytes);
        if written.is_pending() {
            return wait(this.timer, this.waits, Waits::Write, *this.timeout, cx);
        }
        *this.waits = Waits::Nothing;
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let flushed = this.io.poll_flush(cx);
        if flushed.is_pending() {
            return wait(this.timer, this.waits, Waits::Flush, *this.timeout, cx);
        }
        // A flush of TCP is always ready, even if a write waits.
        if *this.waits == Waits::Flush {
            *this.waits = Waits::Nothing;
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let shut_down = this.io.poll_shutdown(cx);
        if shut_down.is_pending() {
            return wait(this.timer, this.waits, Waits::Flush, *this.timeout, cx);
        }
        shut_down
    }
}
