//! A server with a graceful shutdown (feature `tokio`): the sequence that all adapters share.

use std::{
    fmt,
    future::{Future, IntoFuture, poll_fn},
    io,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use tokio::time::timeout;

use crate::observer::{Observer, shutdown};

/// The longest time that aborted requests may take to be dropped.
const ABORT: Duration = Duration::from_secs(5);

/// A server that has not started. It runs when awaited, and shuts down gracefully at SIGTERM or
/// ctrl-c.
///
/// An adapter's `serve` makes it. [`run`] describes the order of the shutdown.
///
/// # Cancellation
/// Dropping the future drops the server.
#[must_use = "a server does nothing unless awaited"]
pub struct Serve<S> {
    server: S,
    stop: Stop,
}

/// A server of a framework, with an adapter's code to run and stop it.
pub trait Server {
    /// The running server: a boxed future. It is `Send` if the framework's future is `Send`.
    type Running: Future<Output = io::Result<()>>;

    /// Runs the server until `stop` has stopped it. Call [`Stop::run`] for that.
    fn run(self, stop: Stop) -> Self::Running;
}

/// The stop condition of a server: a signal, and the observer with the times of the shutdown.
pub struct Stop {
    observer: Observer,
    signal: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl<S> Serve<S> {
    /// Makes a server that stops at SIGTERM and ctrl-c.
    pub fn new(server: S, observer: &Observer) -> Self {
        let stop = Stop { observer: observer.clone(), signal: Box::pin(shutdown::signal(observer)) };
        Self { server, stop }
    }

    /// Stops when `signal` completes, instead of at SIGTERM and ctrl-c.
    pub fn with_signal(mut self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        self.stop.signal = Box::pin(signal);
        self
    }
}

impl<S: Server> IntoFuture for Serve<S> {
    type Output = io::Result<()>;
    type IntoFuture = S::Running;

    fn into_future(self) -> S::Running {
        self.server.run(self.stop)
    }
}

impl Stop {
    /// The observer with the times of the shutdown.
    #[must_use]
    pub const fn observer(&self) -> &Observer {
        &self.observer
    }

    /// Serves until the signal, and then shuts down gracefully: see [`run`].
    ///
    /// # Errors
    /// Returns the errors of `serve`.
    pub async fn run(
        self,
        serve: impl Future<Output = io::Result<()>>,
        drain: impl FnOnce(),
        abort: impl FnOnce(),
    ) -> io::Result<()> {
        run(&self.observer, self.signal, serve, drain, abort).await
    }
}

/// Polls `serve` until `signal` completes, and then stops it in this order:
///
/// 1. `/readyz` answers 503. During the [drain's delay](crate::ObserverBuilder::drain_delay), the
///    server still accepts requests.
/// 2. `drain` must make the server accept no more connections and finish running requests. `serve`
///    ends when nothing runs.
/// 3. After the [drain's timeout](crate::ObserverBuilder::drain_timeout), `abort` must drop the
///    requests that still run. `serve` gets up to 5 s for that, and is then dropped.
/// 4. The outputs are flushed.
///
/// # Errors
/// Returns the errors of `serve`.
///
/// # Cancellation
/// A drop of the future drops `serve`.
///
/// ```no_run
/// # async fn connections() -> std::io::Result<()> { Ok(()) }
/// # async fn of(observer: obs_core::Observer) -> std::io::Result<()> {
/// use obs_core::shutdown;
///
/// let drain = || { /* tell `connections` to accept no more */ };
/// let abort = || { /* tell it to drop what still runs */ };
/// shutdown::run(&observer, shutdown::signal(&observer), connections(), drain, abort).await
/// # }
/// ```
pub async fn run(
    observer: &Observer,
    signal: impl Future<Output = ()>,
    serve: impl Future<Output = io::Result<()>>,
    drain: impl FnOnce(),
    abort: impl FnOnce(),
) -> io::Result<()> {
    let ended = until_stopped(observer, signal, serve, drain, abort).await;
    shutdown::flush(observer).await;
    ended
}

async fn until_stopped(
    observer: &Observer,
    signal: impl Future<Output = ()>,
    serve: impl Future<Output = io::Result<()>>,
    drain: impl FnOnce(),
    abort: impl FnOnce(),
) -> io::Result<()> {
    let mut serve = pin!(serve);
    let mut requested = pin!(shutdown::requested(observer, signal));
    if let Some(ended) = first(serve.as_mut(), requested.as_mut()).await {
        return ended;
    }
    drain();
    if let Ok(ended) = timeout(observer.drain().timeout, serve.as_mut()).await {
        return ended;
    }
    abort();
    // A handler that blocks its thread cannot be aborted, and it must not delay the exit.
    timeout(ABORT, serve).await.unwrap_or(Ok(()))
}

/// Returns the output of `serve`; `None` if `stop` completes first.
async fn first<T>(
    mut serve: Pin<&mut impl Future<Output = T>>,
    mut stop: Pin<&mut impl Future<Output = ()>>,
) -> Option<T> {
    poll_fn(|cx| match serve.as_mut().poll(cx) {
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
        Poll::Pending => stop.as_mut().poll(cx).map(|()| None),
    })
    .await
}

impl<S> fmt::Debug for Serve<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve").field("stop", &self.stop).finish_non_exhaustive()
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop").field("observer", &self.observer).finish_non_exhaustive()
    }
}
