//! A server that leaves in order.

use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    time::{Duration, Instant},
};

use actix_http::{Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory};
use actix_web::{
    Error, HttpServer,
    body::MessageBody,
    dev::{AppConfig, Server},
    rt,
};
use obs_core::{
    Observer,
    shutdown::{self, Serve, Stop},
};
use tokio::sync::oneshot;

/// How long requests that were aborted may take to be dropped.
const ABORT: Duration = Duration::from_secs(5);

/// How long the last response may take to reach its socket before connections are closed.
const LINGER: Duration = Duration::from_secs(1);

const POLL: Duration = Duration::from_millis(10);

/// Runs `server`, which is bound already, until SIGTERM or ctrl-c.
///
/// Then, in this order: `/readyz` answers 503; the server serves on for the
/// [drain's delay](obs_core::ObserverBuilder::drain_delay) (5 s by default), so that load balancers notice; no
/// connection is accepted any more; running requests may take up to the
/// [drain's timeout](obs_core::ObserverBuilder::drain_timeout) (20 s; actix counts whole seconds); what still runs is
/// aborted, and each aborted request recorded; the outputs are flushed. A second signal exits at once.
///
/// actix's own signals are switched off.
///
/// # Errors
/// The server's own.
///
/// # Cancellation
/// Dropping the future closes the listeners and all connections.
///
/// # Panics
/// As `HttpServer::run`: outside of a runtime, and if nothing is bound.
///
/// ```no_run
/// # use actix_web::{App, HttpServer, web};
/// # use obs_actix::{Observe, Observer};
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let observer = Observer::builder("shop").build()?;
/// let observe = Observe::new(&observer);
/// let server = HttpServer::new(move || App::new().wrap(observe.clone()));
/// obs_actix::serve(server.bind("127.0.0.1:3000")?, &observer).await?;
/// # Ok(()) }
/// ```
pub fn serve<F, I, S, B>(server: HttpServer<F, I, S, B>, observer: &Observer) -> Serve<WorkersServer>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let timeout = observer.drain().timeout;
    let whole_seconds = timeout.as_secs().saturating_add(u64::from(timeout.subsec_nanos() > 0));
    let workers = server.disable_signals().shutdown_timeout(whole_seconds).run();
    Serve::new(WorkersServer { workers }, observer)
}

/// The workers of a bound `HttpServer`, as [`Serve`] runs them.
pub struct WorkersServer {
    workers: Server,
}

impl fmt::Debug for WorkersServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkersServer").finish_non_exhaustive()
    }
}

impl shutdown::Server for WorkersServer {
    type Running = Pin<Box<dyn Future<Output = io::Result<()>>>>;

    fn run(self, stop: Stop) -> Self::Running {
        Box::pin(async move {
            let observer = stop.observer().clone();
            let handle = self.workers.handle();
            let (drain, drained) = oneshot::channel();
            let drain = || {
                // The command is sent at once; nobody needs the answer.
                drop(handle.stop(true));
                let _ = drain.send(());
            };
            // actix aborts by itself: its timeout is the drain's.
            stop.run(workers(self.workers, drained, &observer), drain, || ()).await
        })
    }
}

/// Runs the workers until they have stopped.
async fn workers(mut workers: Server, drained: oneshot::Receiver<()>, observer: &Observer) -> io::Result<()> {
    let result = tokio::select! {
        ended = &mut workers => ended,
        // actix closes idle connections over HTTP/1 only; dropping the server closes the others.
        () = async { drop(drained.await); idle(observer).await } => Ok(()),
    };
    drop(workers);
    aborted(observer).await;
    result
}

/// Waits until no request runs and no upgraded connection is open, for long enough that the last response has
/// reached its socket.
async fn idle(observer: &Observer) {
    let mut since = Instant::now();
    while since.elapsed() < LINGER {
        rt::time::sleep(POLL).await;
        if observer.in_flight() > 0 || observer.tunnels() > 0 {
            since = Instant::now();
        }
    }
}

/// Waits until the requests that outlived the timeout are recorded: actix lets go of its workers, and does
/// not say when their threads have dropped what ran there.
async fn aborted(observer: &Observer) {
    let gone = async {
        while observer.in_flight() > 0 {
            rt::time::sleep(POLL).await;
        }
    };
    let _ = rt::time::timeout(ABORT, gone).await;
}
