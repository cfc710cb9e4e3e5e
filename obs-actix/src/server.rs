//! A server with a graceful shutdown.

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
    shutdown::{self, Phase, Serve, Stop},
};
use tokio::sync::oneshot;

/// The time that the last response has to reach its socket before connections are closed.
const LINGER: Duration = Duration::from_secs(1);

const POLL: Duration = Duration::from_millis(10);

/// Runs `server`, which must be bound, until SIGTERM or ctrl-c.
///
/// Then it shuts down gracefully:
///
/// 1. `/readyz` answers 503. During the [drain's delay](obs_core::ObserverBuilder::drain_delay)
///    (5 s by default), the server still accepts requests, so that load balancers notice the 503.
///    Responses over HTTP/1 have `Connection: close`, so that clients lose no request at the end.
///    actix-web cannot send GOAWAY over HTTP/2.
/// 2. No new connections are accepted. Running requests have up to the [drain's
///    timeout](obs_core::ObserverBuilder::drain_timeout) to end (15 s by default). actix-web counts
///    only whole seconds, so the timeout is rounded down.
/// 3. Requests that still run are aborted, and each is recorded.
/// 4. The outputs are flushed. The [report](obs_core::ShutdownReport) is logged as one line.
///
/// All of it takes at most the [`shutdown_timeout`](obs_core::ObserverBuilder::shutdown_timeout),
/// 25 s by default. A second signal ends the process immediately. The signal handlers of actix-web
/// are disabled.
///
/// [`on_connect`](crate::on_connect()) limits the time for which a client may stop reading
/// a response.
///
/// # Errors
/// The errors of the server.
///
/// # Cancellation
/// A drop of the future closes the listeners and all connections.
///
/// # Panics
/// Panics as `HttpServer::run` does: outside of a runtime, and if nothing is bound.
///
/// ```no_run
/// # use actix_web::{App, HttpServer, web};
/// # use obs_actix::{Observe, Observer};
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let observer = Observer::builder("shop").build()?;
/// let observe = Observe::new(&observer);
/// // The last `wrap` is outside all others, so it observes every request.
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
    // Rounded down, so that actix-web aborts requests before its server is dropped.
    let whole_seconds = observer.drain().timeout.as_secs();
    let workers = server.disable_signals().shutdown_timeout(whole_seconds).run();
    Serve::new(WorkersServer { workers }, observer)
}

/// The workers of a bound `HttpServer`, to be run by [`Serve`].
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
            let mut drain = Some(drain);
            // actix-web aborts requests by itself: its timeout is the drain's timeout.
            let enter = |phase| {
                if phase == Phase::Drain
                    && let Some(drain) = drain.take()
                {
                    // The command is sent immediately, and its reply is not needed.
                    drop(handle.stop(true));
                    let _ = drain.send(());
                }
            };
            stop.run(workers(self.workers, drained, &observer), enter).await
        })
    }
}

/// Runs the workers until they have stopped.
async fn workers(mut workers: Server, drained: oneshot::Receiver<()>, observer: &Observer) -> io::Result<()> {
    let result = tokio::select! {
        ended = &mut workers => ended,
        // actix-web closes only idle connections of HTTP/1. Dropping the server closes the others.
        () = async { drop(drained.await); wait_until_idle(observer).await } => Ok(()),
    };
    drop(workers);
    wait_for_aborts(observer).await;
    result
}

/// Waits until no request runs and no upgraded connection is open, for long enough that the last
/// response has reached its socket.
async fn wait_until_idle(observer: &Observer) {
    let mut since = Instant::now();
    while since.elapsed() < LINGER {
        rt::time::sleep(POLL).await;
        if observer.in_flight() > 0 || observer.tunnels() > 0 {
            since = Instant::now();
        }
    }
}

/// Waits until the requests that exceeded the timeout are recorded. actix-web abandons its workers,
/// and does not report when their threads have dropped the requests.
async fn wait_for_aborts(observer: &Observer) {
    let gone = async {
        while observer.in_flight() > 0 {
            rt::time::sleep(POLL).await;
        }
    };
    let _ = rt::time::timeout(observer.drain().abort(), gone).await;
}
