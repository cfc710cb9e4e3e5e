//! The graceful shutdown of a service.
//!
//! The `serve` of an adapter does all of it. For another server, [`run`] is the whole sequence, and
//! the other functions are its parts. The guide is `docs/shutdown.md`.
//!
//! ```text
//! signal ──▶ Announce: not ready ──delay──▶ Drain: no new connections ──▶ flush, report
//!                                             │                            ▲
//!                                             └──timeout──▶ Abort ─────────┘
//! ```

// The server of axum tells its connections the phase of the shutdown, through a `watch` channel.
// Each connection has a receiver, so the number of receivers shows how many connections are open.
// actix closes only those idle connections that use HTTP/1. So its server is dropped as soon as no
// request runs, which closes the others.

use std::{future::Future, io, time::Duration};
#[cfg(unix)]
use std::{
    io::Read as _,
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

#[cfg(unix)]
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
    low_level::pipe,
};
use tokio::sync::oneshot;

pub use crate::observer::serve::{Phase, Serve, Server, Stop, run};
use crate::{
    base::{thread::spawn, thread_timeout::run_with_timeout},
    observer::{
        Observer,
        report::{ShutdownReport, flush_and_log},
    },
    redact::diagnostics,
};

/// The time for which [`flush`] waits for its log message.
const LOG: Duration = Duration::from_millis(200);

/// The time that the outputs have after a second signal.
const LAST_FLUSH: Duration = Duration::from_millis(200);

/// Waits for SIGTERM or ctrl-c (SIGINT).
///
/// A second signal, at any time after the first, ends the process immediately. Its exit status is
/// 128 plus the signal's number. Buffered data is flushed for at most 200 ms, and running requests
/// are not recorded.
///
/// # Cancellation
/// A drop does not restore the signals' default actions: they stay replaced in the whole process.
pub fn signal(observer: &Observer) -> impl Future<Output = ()> + Send + use<> {
    // A weak reference: dropping the last observer flushes it, so this must not keep it alive.
    let observer = observer.downgrade();
    async move {
        let (send, first) = oneshot::channel();
        // A separate thread without a runtime: the second signal must work even if the service's
        // runtime hangs or has ended.
        let watch = move || {
            let Ok(mut signals) = Signals::listen() else { return };
            if signals.next() == TERM
                && let Some(observer) = observer.upgrade()
            {
                observer.note_termination();
            }
            let _ = send.send(());
            let number = signals.next();
            if let Some(observer) = observer.upgrade() {
                last_flush(observer);
            }
            std::process::exit(number.saturating_add(128));
        };
        if spawn("obs-signals", Box::new(watch)).is_err() || first.await.is_err() {
            diagnostics::warn(format_args!("signals cannot be received; stop the process with SIGKILL"));
            std::future::pending().await
        }
    }
}

/// Flushes before the exit, and logs the losses. Logging may block, and it must not delay the exit.
fn last_flush(observer: Observer) {
    let flush = move || _ = flush_and_log(&observer, LAST_FLUSH, "exits at once");
    run_with_timeout("obs-flush", LAST_FLUSH.saturating_add(LOG), Box::new(flush));
}

/// Waits for `signal`, starts to drain, and waits for the drain's delay. Stop accepting connections
/// when it returns.
///
/// # Cancellation
/// Once draining has begun, a drop does not end it.
///
/// # Panics
/// Panics if it is polled outside of a Tokio runtime with timers. The panic comes after the signal.
pub async fn requested(observer: &Observer, signal: impl Future<Output = ()>) {
    signal.await;
    let delay = observer.begin_shutdown();
    tokio::time::sleep(delay).await;
}

/// Flushes the outputs without blocking the runtime, and logs the report as one line.
///
/// It takes at most the rest of the [`shutdown_timeout`](crate::ObserverBuilder::shutdown_timeout),
/// and at most 5 s. If no time is left, it still gets 200 ms.
///
/// # Panics
/// Panics outside of a Tokio runtime with timers.
pub async fn flush(observer: &Observer) -> ShutdownReport {
    let limit = observer.flush_limit();
    let (send, flushed) = oneshot::channel();
    let flushing = observer.clone();
    // Not on the runtime's blocking threads: all of them may be blocked by the service that shuts
    // down.
    let thread = move || _ = send.send(flush_and_log(&flushing, limit, "has shut down"));
    if spawn("obs-flush", Box::new(thread)).is_err() {
        return observer.report(false);
    }
    // Only the log message can take longer.
    let report = tokio::time::timeout(limit.saturating_add(LOG), flushed).await;
    report.ok().and_then(Result::ok).unwrap_or_else(|| observer.report(false))
}

/// The number of SIGTERM.
const TERM: i32 = 15;

/// A receiver of SIGTERM and ctrl-c. It works from its creation: a signal before `next` is kept.
#[cfg(unix)]
struct Signals {
    woken: UnixStream,
    /// The number of the last signal.
    last: Arc<AtomicUsize>,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        let (woken, wake) = UnixStream::pair()?;
        let last = Arc::<AtomicUsize>::default();
        for (signal, number) in [(SIGTERM, 15), (SIGINT, 2)] {
            // Registered first, so that the number is set when the thread wakes up.
            flag::register_usize(signal, Arc::clone(&last), number)?;
            pipe::register(signal, wake.try_clone()?)?;
        }
        Ok(Self { woken, last })
    }

    /// Waits for the next signal and returns its number. Signals that came in the meantime count as
    /// one.
    fn next(&mut self) -> i32 {
        while self.woken.read(&mut [0; 64]).is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {}
        i32::try_from(self.last.load(Ordering::SeqCst)).unwrap_or_default()
    }
}

#[cfg(not(unix))]
struct Signals(tokio::runtime::Runtime);

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        tokio::runtime::Builder::new_current_thread().enable_all().build().map(Self)
    }

    /// Waits for ctrl-c, which counts as SIGINT here.
    fn next(&mut self) -> i32 {
        let _ = self.0.block_on(tokio::signal::ctrl_c());
        2
    }
}
