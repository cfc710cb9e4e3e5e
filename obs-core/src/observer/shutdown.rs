//! The shutdown of a service (feature `tokio`): [`run`] has the whole order, the other functions are its pieces.

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

pub use crate::observer::serve::{Serve, Server, Stop, run};
use crate::{
    base::{diagnostics, patience::run_within, thread::spawn},
    observer::{Observer, drain::ShutdownReport},
};

/// How long [`flush`] waits for outputs.
const FLUSH: Duration = Duration::from_secs(5);

/// How long the outputs have when a second signal comes.
const LAST_FLUSH: Duration = Duration::from_millis(200);

/// Waits for SIGTERM or ctrl-c (SIGINT).
///
/// A second signal, at any time after this has returned, ends the process at once, with 128 and the signal's
/// number as its status: what is buffered has 200 ms to be written, and requests that still run leave no record.
///
/// # Cancellation
/// Dropping it does not give the signals back: their default action stays replaced, in the whole process.
pub fn signal(observer: &Observer) -> impl Future<Output = ()> + Send + use<> {
    // Not to keep the observer alive: dropping the last one flushes.
    let observer = observer.downgrade();
    async move {
        let (send, first) = oneshot::channel();
        // On a thread of its own, without a runtime: the second signal must work when the service's runtime
        // hangs, or is already gone.
        let watch = move || {
            let Ok(mut signals) = Signals::listen() else { return };
            signals.next();
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

/// A sink of the user's own may not keep to its deadline, and must not hold up the exit.
fn last_flush(observer: Observer) {
    let flush = move || _ = observer.shutdown(LAST_FLUSH);
    run_within("obs-flush", LAST_FLUSH, Box::new(flush));
}

/// Waits for `signal`, takes readiness back, and lets the service serve on for the drain's delay. When it
/// returns, it is time to stop accepting connections.
///
/// # Cancellation
/// Once readiness has been taken back it stays so.
pub async fn requested(observer: &Observer, signal: impl Future<Output = ()>) {
    signal.await;
    observer.start_draining();
    let drain = observer.drain();
    diagnostics::info(format_args!(
        "shutting down {}: not ready and serving on for {:?}, then up to {:?} for running requests; \
         a second signal exits at once",
        observer.service().name,
        drain.delay,
        drain.timeout,
    ));
    tokio::time::sleep(drain.delay).await;
}

/// Flushes the outputs without blocking the runtime, for 5 s at most.
pub async fn flush(observer: &Observer) -> ShutdownReport {
    let (send, flushed) = oneshot::channel();
    let blocking = observer.clone();
    // Not on the runtime's blocking threads: those may all be stuck in what is being shut down.
    let thread = move || _ = send.send(blocking.shutdown(FLUSH));
    let nothing = observer.report(false);
    if spawn("obs-flush", Box::new(thread)).is_err() {
        return nothing;
    }
    // A sink of the user's own may not keep to the deadline.
    let report = tokio::time::timeout(FLUSH.saturating_mul(2), flushed).await;
    report.ok().and_then(Result::ok).unwrap_or(nothing)
}

/// SIGTERM and ctrl-c, from the moment it is made: one that comes before `next` waits there.
#[cfg(unix)]
struct Signals {
    woken: UnixStream,
    /// The number of the last one.
    last: Arc<AtomicUsize>,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        let (woken, wake) = UnixStream::pair()?;
        let last = Arc::<AtomicUsize>::default();
        for (signal, number) in [(SIGTERM, 15), (SIGINT, 2)] {
            // The number is there when the thread wakes up.
            flag::register_usize(signal, Arc::clone(&last), number)?;
            pipe::register(signal, wake.try_clone()?)?;
        }
        Ok(Self { woken, last })
    }

    /// Waits for the next signal and returns its number. Those that have come meanwhile are one.
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

    /// Waits for ctrl-c, which has the number of SIGINT here.
    fn next(&mut self) -> i32 {
        let _ = self.0.block_on(tokio::signal::ctrl_c());
        2
    }
}
