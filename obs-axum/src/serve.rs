//! A server that leaves in order.

use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    time::Duration,
};

use axum::{Router, extract::ConnectInfo, serve::Listener};
use http::Request;
use hyper::{body::Incoming, rt::Executor, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use obs_core::{
    Observer,
    shutdown::{Serve, Server, Stop},
};
use tokio::sync::watch;
use tower_service::Service;

use crate::ObservedApp;

/// How long a client may take for a request's head over HTTP/1, and how long its connection may be idle before:
/// hyper counts both as one, from a connection's first bytes on. Longer than the 60 s for which common load balancers
/// keep theirs open.
const HEAD_OR_IDLE: Duration = Duration::from_secs(75);

/// Serves `app` over HTTP/1, and with the feature `http2` over HTTP/2, until SIGTERM or ctrl-c.
///
/// Then, in this order: `/readyz` answers 503; the server serves on for the
/// [drain's delay](obs_core::ObserverBuilder::drain_delay) (5 s by default), so that load balancers notice; no
/// connection is accepted any more; running requests may take up to the
/// [drain's timeout](obs_core::ObserverBuilder::drain_timeout) (20 s); what still runs is aborted, and each aborted request recorded; the outputs are
/// flushed. A second signal exits at once.
///
/// `listener` is any listener of axum, so Unix sockets and TLS work. Handlers get `ConnectInfo`. With another
/// server, [`obs_core::shutdown`] has the pieces this is made of.
///
/// A connection that is in the middle of sending a request's head is waited for as a running request is. The future
/// is made by `.await` or `.into_future()`, which `tokio::spawn` needs.
///
/// # Errors
/// None today; the type leaves room.
///
/// # Cancellation
/// Dropping the future stops accepting; connections that are open are aborted.
pub fn serve<L: Listener>(listener: L, app: ObservedApp) -> Serve<AppServer<L>> {
    let observer = app.observer().clone();
    Serve::new(AppServer { listener, app }, &observer)
}

/// Serves a router that was put together with [`observer.layer()`](crate::ObserverExt::layer) and has more layers
/// outside of it, in the same way as [`serve`].
///
/// ```no_run
/// use axum::Router;
/// use obs_axum::{Observer, ObserverExt};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// # let cors = axum::middleware::map_response(|r: axum::response::Response| async { r });
/// let observer = Observer::builder("shop").build()?;
/// let router = Router::new().layer(observer.layer()).layer(cors); // what `cors` refuses is not observed
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
/// obs_axum::serve_router(listener, router, &observer).await?;
/// # Ok(()) }
/// ```
pub fn serve_router<L: Listener>(listener: L, router: Router, observer: &Observer) -> Serve<AppServer<L>> {
    serve(listener, ObservedApp::layered(router, observer))
}

/// An axum application on a listener, as [`Serve`] runs it.
pub struct AppServer<L> {
    listener: L,
    app: ObservedApp,
}

impl<L> std::fmt::Debug for AppServer<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppServer").field("app", &self.app).finish_non_exhaustive()
    }
}

impl<L> Server for AppServer<L>
where
    L: Listener,
    L::Addr: Clone + Sync + 'static,
{
    type Running = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

    fn run(self, stop: Stop) -> Self::Running {
        Box::pin(async move {
            // A dropped sender aborts the connections, too.
            let (phase, watched) = watch::channel(Phase::Serve);
            let serve = connections(self.listener, self.app, &phase, watched);
            stop.run(serve, || set(&phase, Phase::Drain), || set(&phase, Phase::Abort)).await
        })
    }
}

/// What the connections' tasks are told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serve,
    /// Finish the requests that run, take no more.
    Drain,
    /// End at once.
    Abort,
}

fn set(phases: &watch::Sender<Phase>, phase: Phase) {
    phases.send_replace(phase);
}

/// Accepts connections until they are drained, and waits until all of them have ended.
async fn connections<L>(
    mut listener: L,
    app: ObservedApp,
    phase: &watch::Sender<Phase>,
    watched: watch::Receiver<Phase>,
) -> io::Result<()>
where
    L: Listener,
    L::Addr: Clone + Sync + 'static,
{
    let mut drained = pin!(reached(watched.clone(), Phase::Drain));
    loop {
        tokio::select! {
            (io, addr) = listener.accept() => {
                tokio::spawn(connection(io, addr, app.clone(), watched.clone()));
            }
            () = &mut drained => break,
        }
    }
    // Every task holds a receiver, so `closed` tells when all are gone.
    drop((listener, watched));
    phase.closed().await;
    Ok(())
}

async fn connection<I, A>(io: I, addr: A, app: ObservedApp, phase: watch::Receiver<Phase>)
where
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    A: Clone + Send + Sync + 'static,
{
    let mut server = Builder::new(Tasks(phase.clone()));
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_OR_IDLE);
    #[cfg(feature = "http2")]
    server.http2().timer(TokioTimer::new()).enable_connect_protocol();
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(addr.clone()));
        // An axum router is always ready.
        app.clone().call(request)
    });
    let mut connection = pin!(server.serve_connection_with_upgrades(TokioIo::new(io), service));
    tokio::select! {
        // The connection first: a request that is in the socket already must be read before it drains.
        biased;
        // How a connection ends is the requests' business: each has its record.
        _ = connection.as_mut() => return,
        () = reached(phase.clone(), Phase::Drain) => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = connection => {}
        () = reached(phase, Phase::Abort) => {}
    }
}

/// Spawns HTTP/2's streams, which are tasks of their own, so that they are aborted with their connection.
#[derive(Clone)]
struct Tasks(watch::Receiver<Phase>);

impl<F> Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        let phase = self.0.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = future => {}
                () = reached(phase, Phase::Abort) => {}
            }
        });
    }
}

/// Waits for a phase. The sender is gone when the server was dropped: then all phases are over.
async fn reached(mut phase: watch::Receiver<Phase>, goal: Phase) {
    let _ = phase.wait_for(|phase| *phase >= goal).await;
}
