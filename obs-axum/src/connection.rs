//! One connection of the server: its requests, and its end at a shutdown.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use axum::{BoxError, body::Body, extract::connect_info::Connected, serve::Listener};
use http::{Request, Response, Version};
use hyper::{body::Incoming, rt::Executor, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use obs_core::{adapter::WriteTimeout, shutdown::Phase};
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};
use tower_service::Service;

use crate::{AcceptedStream, ObservedApp, connected_app::ConnectedApp};

/// The longest time for a request's head over HTTP/1, including the idle time before it: hyper
/// counts both as one, from the connection's first bytes on. It is longer than the 60 s for which
/// common load balancers keep idle connections open.
const HEAD_OR_IDLE: Duration = Duration::from_secs(75);

/// The memory of a response that waits for its client, and the largest head of a request. hyper
/// would keep 400 KB for each client that does not read.
const UNSENT: usize = 128 * 1024;

/// The time for which a connection without a request stays open after the delay.
const LINGER: Duration = Duration::from_secs(1);

/// The time between the first request of an HTTP/2 connection and its GOAWAY. Some clients drop a
/// request if GOAWAY arrives while they are still sending it.
const GOAWAY_PAUSE: Duration = Duration::from_millis(100);

/// The state of the server, which the tasks of its connections watch.
#[derive(Clone, Copy)]
pub(crate) struct State {
    pub(crate) phase: Phase,
    /// True if the end was announced for a while before the drain.
    pub(crate) announced: bool,
}

/// Serves a connection until it ends, or until the server aborts it.
pub(crate) async fn connection<L, S, C, B>(
    io: L::Io,
    addr: L::Addr,
    app: ObservedApp<S, C>,
    state: watch::Receiver<State>,
) where
    L: Listener,
    L::Addr: Clone + Sync + 'static,
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError> + Send,
    S::Future: Send,
    C: for<'a> Connected<AcceptedStream<'a, L>>,
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let stall_timeout = app.observer().stall_timeout();
    let app = ConnectedApp::new::<L>(&io, addr, app);
    let mut server = Builder::new(Tasks(state.clone()));
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_OR_IDLE).max_buf_size(UNSENT);
    #[cfg(feature = "http2")]
    server.http2().timer(TokioTimer::new()).max_send_buf_size(UNSENT).enable_connect_protocol();
    // Set by the first request over HTTP/2.
    let http2 = Arc::new(Notify::new());
    let speaks_http2 = Arc::clone(&http2);
    let service = service_fn(move |request: Request<Incoming>| {
        if request.version() == Version::HTTP_2 {
            speaks_http2.notify_one();
        }
        app.call(request)
    });
    let io = TokioIo::new(WriteTimeout::new(io, stall_timeout));
    let mut connection = pin!(server.serve_connection_with_upgrades(io, service));
    tokio::select! {
        // The connection is polled first: a request that is already in the socket must be read
        // before the drain.
        biased;
        // The result of a connection is ignored, because each request has its own record.
        _ = connection.as_mut() => return,
        () = wait_for_end(&state, &http2) => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = connection => {}
        _ = wait_for_phase(state, Phase::Abort) => {}
    }
}

/// Waits until a connection must end.
///
/// An HTTP/2 connection gets GOAWAY as soon as the end is announced. Requests that are already
/// under way are answered. A connection that has sent no request may still send its first one.
///
/// Over HTTP/1, the responses announce the end. A connection without a response stays open for a
/// while after the delay, because its client may be sending a request.
async fn wait_for_end(state: &watch::Receiver<State>, http2: &Notify) {
    let mut reached = wait_for_phase(state.clone(), Phase::Announce).await;
    if reached.phase == Phase::Announce {
        let requested = async {
            http2.notified().await;
            sleep(GOAWAY_PAUSE).await;
        };
        tokio::select! {
            () = requested => return,
            next = wait_for_phase(state.clone(), Phase::Drain) => reached = next,
        }
    }
    if reached.announced {
        sleep(LINGER).await;
    }
}

/// An executor for the streams of HTTP/2, which are separate tasks. It aborts them together with
/// their connection.
#[derive(Clone)]
struct Tasks(watch::Receiver<State>);

impl<F> Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        let state = self.0.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = future => {}
                _ = wait_for_phase(state, Phase::Abort) => {}
            }
        });
    }
}

/// Waits for a phase, and returns the state in which it is reached. If the sender was dropped with
/// the server, all phases count as reached.
pub(crate) async fn wait_for_phase(mut state: watch::Receiver<State>, goal: Phase) -> State {
    let closed = State { phase: Phase::Abort, announced: false };
    state.wait_for(|state| state.phase >= goal).await.map_or(closed, |state| *state)
}
