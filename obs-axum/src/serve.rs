//! A server with a graceful shutdown.

use std::{future::Future, io, pin::Pin, time::Duration};

use axum::{BoxError, Router, body::Body, extract::connect_info::Connected, serve::Listener};
use http::{Request, Response};
use obs_core::{
    Observer,
    shutdown::{Phase, Serve, Server, Stop},
};
use tokio::{sync::watch, time::timeout};
use tower_service::Service;

use crate::{
    AcceptedStream, ObservedApp,
    connection::{State, connection, wait_for_phase},
};

/// The limit of connections that are accepted after the delay, because they already waited.
const MAX_WAITING: usize = 1024;

/// The time after which no more connections wait.
const NO_MORE: Duration = Duration::from_millis(1);

/// Serves `app` over HTTP/1, and with the feature `http2` over HTTP/2, until SIGTERM or ctrl-c.
///
/// Then it shuts down gracefully:
///
/// 1. `/readyz` answers 503. During the [drain's delay](obs_core::ObserverBuilder::drain_delay)
///    (5 s by default), the server still accepts requests, so that load balancers notice the 503.
///    Responses over HTTP/1 have `Connection: close`, and connections over HTTP/2 get GOAWAY, so
///    that clients lose no request at the end.
/// 2. No new connections are accepted. Running requests have up to the [drain's
///    timeout](obs_core::ObserverBuilder::drain_timeout) to end (15 s by default).
/// 3. Requests that still run are aborted, and each is recorded.
/// 4. The outputs are flushed. The [report](obs_core::ShutdownReport) is logged as one line.
///
/// All of it takes at most the [`shutdown_timeout`](obs_core::ObserverBuilder::shutdown_timeout),
/// 25 s by default. A second signal ends the process immediately.
///
/// A connection whose client accepts no data of a response for the [stall
/// timeout](obs_core::ObserverBuilder::stall_timeout) (30 s by default) is closed.
///
/// `listener` is any listener of axum, so Unix sockets and TLS work. Handlers get the peer address
/// as a `ConnectInfo` of the listener's address type.
/// [`with_connect_info`](ObservedApp::with_connect_info) adds a `ConnectInfo` of the application's
/// own type. The app may have [layers](ObservedApp::layer) around it. The page `docs/serving.md`
/// has examples. For other servers, use the functions of [`obs_core::shutdown`], on which this one
/// is based.
///
/// The drain also waits for a connection whose client is sending the head of a request.
/// `tokio::spawn` needs a future, so call `.into_future()` first.
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
/// [`ObserveLayer`](crate::ObserveLayer), and may have more layers outside of it.
///
/// ```no_run
/// use axum::Router;
/// use obs_axum::{Observer, ObserveLayer};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// # let cors = axum::middleware::map_response(|r: axum::response::Response| async { r });
/// let observer = Observer::builder("shop").build()?;
/// // Requests that `cors` rejects are not observed.
/// let router = Router::new().layer(ObserveLayer::new(&observer)).layer(cors);
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
/// obs_axum::serve_router(listener, router, &observer).await?;
/// # Ok(()) }
/// ```
pub fn serve_router<L: Listener>(listener: L, router: Router, observer: &Observer) -> Serve<AppServer<L>> {
    serve(listener, ObservedApp::of_router(router, observer))
}

/// Serves any tower service in the same way as [`serve`]. The service contains
/// [`ObserveLayer`](crate::ObserveLayer) or an [`ObservedApp`].
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
            let (state, watched) = watch::channel(State { phase: Phase::Serve, announced: false });
            let serve = connections(self.listener, self.app, &state, watched);
            let enter = |phase| {
                state.send_modify(|state| {
                    *state = State { phase, announced: state.announced || phase == Phase::Announce };
                });
            };
            stop.run(serve, enter).await
        })
    }
}

/// Accepts connections until the drain, and then waits until all of them have ended.
async fn connections<L, S, C, B>(
    mut listener: L,
    app: ObservedApp<S, C>,
    state: &watch::Sender<State>,
    watched: watch::Receiver<State>,
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
    let mut drained = Box::pin(wait_for_phase(watched.clone(), Phase::Drain));
    // It owns the application, so that the future is `Send` without a `Sync` service.
    let spawn = move |(io, addr)| {
        drop(tokio::spawn(connection::<L, S, C, B>(io, addr, app.clone(), watched.clone())));
    };
    loop {
        tokio::select! {
            accepted = listener.accept() => spawn(accepted),
            _ = &mut drained => break,
        }
    }
    // Connections that already wait are accepted, because closing the listener would reset them.
    for _ in 0..MAX_WAITING {
        match timeout(NO_MORE, listener.accept()).await {
            Ok(accepted) => spawn(accepted),
            Err(_) => break,
        }
    }
    // Every task holds a receiver, so `closed` returns when all tasks have ended.
    drop((listener, spawn, drained));
    state.closed().await;
    Ok(())
}
