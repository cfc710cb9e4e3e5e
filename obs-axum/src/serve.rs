//! A server with a graceful shutdown.

use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    time::Duration,
};

use axum::{BoxError, Router, body::Body, extract::connect_info::Connected, serve::Listener};
use http::{Request, Response};
use hyper::{body::Incoming, rt::Executor, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use obs_core::{
    Observer,
    adapter::WriteTimeout,
    shutdown::{Serve, Server, Stop},
};
use tokio::sync::watch;
use tower_service::Service;

use crate::{AcceptedStream, ObservedApp, connected_app::ConnectedApp};

/// The longest time for a request's head over HTTP/1, including the idle time before it: hyper
/// counts both as one, from the connection's first bytes on. It is longer than the 60 s for which
/// common load balancers keep idle connections open.
const HEAD_OR_IDLE: Duration = Duration::from_secs(75);

/// The memory of a response that waits for its client, and the largest head of a request. hyper
/// would keep 400 KB for each client that does not read.
const UNSENT: usize = 128 * 1024;

/// Serves `app` over HTTP/1, and with the feature `http2` over HTTP/2, until SIGTERM or ctrl-c.
///
/// Then it shuts down gracefully:
///
/// 1. `/readyz` answers 503. During the [drain's delay](obs_core::ObserverBuilder::drain_delay)
///    (5 s by default), the server still accepts requests, so that load balancers notice the 503.
/// 2. No new connections are accepted. Running requests have up to the [drain's
///    timeout](obs_core::ObserverBuilder::drain_timeout) (20 s by default).
/// 3. Requests that still run are aborted, and each is recorded.
/// 4. The outputs are flushed.
///
/// A second signal exits immediately.
///
/// A connection whose client accepts no data of a response for the [stall
/// timeout](obs_core::ObserverBuilder::stall_timeout) (30 s by default) is closed.
///
/// `listener` is any listener of axum, so Unix sockets and TLS work. Handlers get `ConnectInfo`.
/// For other servers, use the functions of [`obs_core::shutdown`], on which this one is based.
///
/// The drain also waits for a connection that is sending a request's head. For `tokio::spawn`, call
/// `.into_future()`.
///
/// # Errors
/// None at present; the type allows for errors in the future.
///
/// # Cancellation
/// A drop of the future stops accepting connections and aborts the open ones.
pub fn serve<L: Listener, S, C>(listener: L, app: ObservedApp<S, C>) -> Serve<AppServer<L, S, C>> {
    let observer = app.observer().clone();
    Serve::new(AppServer { listener, app }, &observer)
}

/// Serves a router in the same way as [`serve`]. The router contains
/// [`observer.layer()`](crate::ObserverExt::layer), and may have more layers outside of it.
///
/// ```no_run
/// use axum::Router;
/// use obs_axum::{Observer, ObserverExt};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// # let cors = axum::middleware::map_response(|r: axum::response::Response| async { r });
/// let observer = Observer::builder("shop").build()?;
/// // Requests that `cors` rejects are not observed.
/// let router = Router::new().layer(observer.layer()).layer(cors);
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
/// obs_axum::serve_router(listener, router, &observer).await?;
/// # Ok(()) }
/// ```
pub fn serve_router<L: Listener>(listener: L, router: Router, observer: &Observer) -> Serve<AppServer<L>> {
    serve(listener, ObservedApp::of_router(router, observer))
}

/// Serves any tower service in the same way as [`serve`]. The service contains
/// [`observer.layer()`](crate::ObserverExt::layer) or an [`ObservedApp`].
///
/// It must answer requests with axum's `Body`. If it returns an error, its connection is closed.
///
/// ```no_run
/// use axum::Router;
/// use obs_axum::{Observer, RouterExt};
/// use tower::{Layer, limit::GlobalConcurrencyLimitLayer};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let observer = Observer::builder("shop").build()?;
/// let app = Router::new().observed(&observer);
/// let service = GlobalConcurrencyLimitLayer::new(100).layer(app);
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
/// obs_axum::serve_service(listener, service, &observer).await?;
/// # Ok(()) }
/// ```
pub fn serve_service<L: Listener, S>(listener: L, service: S, observer: &Observer) -> Serve<AppServer<L, S>> {
    serve(listener, ObservedApp::of_service(service, observer))
}

/// An axum application on a listener, to be run by [`Serve`].
pub struct AppServer<L, S = Router, C = ()> {
    listener: L,
    app: ObservedApp<S, C>,
}

impl<L, S, C: 'static> std::fmt::Debug for AppServer<L, S, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppServer").field("app", &self.app).finish_non_exhaustive()
    }
}

impl<L, S, C, B> Server for AppServer<L, S, C>
where
    L: Listener,
    L::Addr: Clone + Sync + 'static,
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError> + Send,
    S::Future: Send,
    C: for<'a> Connected<AcceptedStream<'a, L>>,
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Running = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

    fn run(self, stop: Stop) -> Self::Running {
        Box::pin(async move {
            // A drop of the sender aborts the connections, too.
            let (phase, watched) = watch::channel(Phase::Serve);
            let serve = connections(self.listener, self.app, &phase, watched);
            stop.run(serve, || set_phase(&phase, Phase::Drain), || set_phase(&phase, Phase::Abort)).await
        })
    }
}

/// The phase of the server, which the tasks of its connections watch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serve,
    /// Finish the running requests, and accept no more.
    Drain,
    /// End immediately.
    Abort,
}

fn set_phase(phases: &watch::Sender<Phase>, phase: Phase) {
    phases.send_replace(phase);
}

/// Accepts connections until the drain, and then waits until all of them have ended.
async fn connections<L, S, C, B>(
    mut listener: L,
    app: ObservedApp<S, C>,
    phase: &watch::Sender<Phase>,
    watched: watch::Receiver<Phase>,
) -> io::Result<()>
where
    L: Listener,
    L::Addr: Clone + Sync + 'static,
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError> + Send,
    S::Future: Send,
    C: for<'a> Connected<AcceptedStream<'a, L>>,
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let mut drained = pin!(wait_for_phase(watched.clone(), Phase::Drain));
    loop {
        tokio::select! {
            (io, addr) = listener.accept() => {
                tokio::spawn(connection::<L, S, C, B>(io, addr, app.clone(), watched.clone()));
            }
            () = &mut drained => break,
        }
    }
    // Every task holds a receiver, so `closed` returns when all tasks have ended.
    drop((listener, watched));
    phase.closed().await;
    Ok(())
}

async fn connection<L, S, C, B>(
    io: L::Io,
    addr: L::Addr,
    app: ObservedApp<S, C>,
    phase: watch::Receiver<Phase>,
) where
    L: Listener,
    L::Addr: Clone + Sync + 'static,
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError> + Send,
    S::Future: Send,
    C: for<'a> Connected<AcceptedStream<'a, L>>,
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let app = ConnectedApp::new::<L>(&io, addr, app);
    let mut server = Builder::new(Tasks(phase.clone()));
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_OR_IDLE).max_buf_size(UNSENT);
    #[cfg(feature = "http2")]
    server.http2().timer(TokioTimer::new()).max_send_buf_size(UNSENT).enable_connect_protocol();
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(addr.clone()));
        // An axum router is always ready.
        app.clone().call(request)
    });
    let io = TokioIo::new(WriteTimeout::new(io, app.observer().stall_timeout()));
    let mut connection = pin!(server.serve_connection_with_upgrades(io, service));
    tokio::select! {
        // The connection is polled first: a request that is already in the socket must be read
        // before the drain.
        biased;
        // The result of a connection is ignored, because each request has its own record.
        _ = connection.as_mut() => return,
        () = wait_for_phase(phase.clone(), Phase::Drain) => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = connection => {}
        () = wait_for_phase(phase, Phase::Abort) => {}
    }
}

/// An executor for the streams of HTTP/2, which are separate tasks. It aborts them together with
/// their connection.
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
                () = wait_for_phase(phase, Phase::Abort) => {}
            }
        });
    }
}

/// Waits for a phase. If the sender was dropped with the server, all phases count as reached.
async fn wait_for_phase(mut phase: watch::Receiver<Phase>, goal: Phase) {
    let _ = phase.wait_for(|phase| *phase >= goal).await;
}
