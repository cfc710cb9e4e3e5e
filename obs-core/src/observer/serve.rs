//! A server with a graceful shutdown (feature `tokio`): the sequence that all adapters share.

use std::{
    fmt,
    future::{Future, IntoFuture, poll_fn},
    io,
    pin::{Pin, pin},
    task::Poll,
};

use tokio::time::{sleep, timeout};

use crate::observer::{Observer, shutdown};

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

    /// Runs the server until its shutdown is complete. An implementation calls [`Stop::run`].
    fn run(self, stop: Stop) -> Self::Running;
}

/// The phase of a server, from its start to the end of its shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Phase {
    /// The server accepts connections and requests.
    Serve,
    /// The server still accepts connections and requests, but each connection must end soon. HTTP/2
    /// connections get GOAWAY. The middleware announces the end over HTTP/1:
    /// [`Observation::closes_connection`](crate::adapter::Observation::closes_connection).
    Announce,
    /// The server must accept no more connections and finish running requests.
    Drain,
    /// The server must drop the requests that still run.
    Abort,
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
        enter: impl FnMut(Phase),
    ) -> io::Result<()> {
        run(&self.observer, self.signal, serve, enter).await
    }
}

/// Polls `serve` until `signal` completes, and then stops it.
///
/// `enter` is called with each phase of the shutdown, in this order:
///
/// 1. [`Phase::Announce`]: `/readyz` answers 503. During the [drain's
///    delay](crate::ObserverBuilder::drain_delay), the server still accepts requests.
/// 2. [`Phase::Drain`]: `serve` must end when no request runs.
/// 3. [`Phase::Abort`], after the [drain's timeout](crate::ObserverBuilder::drain_timeout): `serve`
///    gets up to [`Drain::abort`](crate::Drain::abort) to end, and is then dropped.
///
/// At the end the outputs are flushed, and the [report](crate::ShutdownReport) is logged as one
/// line. The whole shutdown takes at most the
/// [`shutdown_timeout`](crate::ObserverBuilder::shutdown_timeout).
///
/// # Errors
/// Returns the errors of `serve`.
///
/// # Cancellation
/// A drop of the future drops `serve`.
///
/// # Panics
/// Panics if it is polled outside of a Tokio runtime with timers. The panic comes after the signal.
///
/// ```no_run
/// # async fn connections() -> std::io::Result<()> { Ok(()) }
/// # async fn of(observer: obs_core::Observer) -> std::io::Result<()> {
/// use obs_core::shutdown::{self, Phase};
///
/// let enter = |phase: Phase| { /* tell `connections` the phase */ };
/// shutdown::run(&observer, shutdown::signal(&observer), connections(), enter).await
/// # }
/// ```
pub async fn run(
    observer: &Observer,
    signal: impl Future<Output = ()>,
    serve: impl Future<Output = io::Result<()>>,
    enter: impl FnMut(Phase),
) -> io::Result<()> {
    let ended = until_stopped(observer, signal, serve, enter).await;
    shutdown::flush(observer).await;
    ended
}

async fn until_stopped(
    observer: &Observer,
    signal: impl Future<Output = ()>,
    serve: impl Future<Output = io::Result<()>>,
    mut enter: impl FnMut(Phase),
) -> io::Result<()> {
    let (mut serve, mut signal) = (pin!(serve), pin!(signal));
    if let Some(ended) = first(serve.as_mut(), signal.as_mut()).await {
        return ended;
    }
    let delay = observer.begin_shutdown();
    if !delay.is_zero() {
        enter(Phase::Announce);
        if let Some(ended) = first(serve.as_mut(), pin!(sleep(delay))).await {
            return ended;
        }
    }
    enter(Phase::Drain);
    let drain = observer.drain();
    if let Ok(ended) = timeout(drain.timeout, serve.as_mut()).await {
        return ended;
    }
    enter(Phase::Abort);
    // A handler that blocks its thread cannot be aborted, and it must not delay the exit.
    timeout(drain.abort(), serve).await.unwrap_or(Ok(()))
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
