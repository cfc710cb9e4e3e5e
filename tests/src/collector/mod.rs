//! An OpenTelemetry collector for tests. It receives spans and logs over HTTP, on its own socket
//! and thread. It reports invalid data as faults.
//!
//! * [`Collector`]: the handle for tests: its address, its responses, the received spans.
//! * [`Span`]: a received span, flattened for tests.
//! * `decode`: converts the official messages to spans, and finds faults in them.
//! * `export`: the handler of one export request.
//! * `state`: the received requests, and the next responses.
//! * `server`: the thread, the listening socket and its connections.
//! * `wire`: a socket that can break in the middle of a response.
//! * `tls`: a certificate that only the test trusts.

mod decode;
mod export;
mod server;
mod spans;
mod state;
pub mod tls;
mod wire;

use std::{net::SocketAddr, sync::Arc};

use http::HeaderMap;

use self::{
    server::{Command, Server},
    state::{Shared, State},
};
pub use self::{
    spans::{Attributes, Event, Link, Span},
    state::{Behaviour, Received},
};

/// A running collector. Dropping it ends its thread and its connections, and panics if a request
/// had a fault.
pub struct Collector {
    shared: Arc<Shared>,
    server: Server,
    tls: bool,
}

impl Collector {
    /// Starts a collector at a free port. It accepts all requests until a test sets another
    /// behaviour.
    #[must_use]
    pub fn start() -> Self {
        let shared = Arc::default();
        Self { server: Server::start(Arc::clone(&shared), None), shared, tls: false }
    }

    /// Starts a collector with TLS. Also returns, in PEM, the certificate authority that a client
    /// must trust.
    #[must_use]
    pub fn start_tls() -> (Self, String) {
        let (acceptor, authority) = tls::acceptor();
        let shared = Arc::default();
        (Self { server: Server::start(Arc::clone(&shared), Some(acceptor)), shared, tls: true }, authority)
    }

    /// The URL without a path. `localhost` and `127.0.0.1` reach the same socket, and the
    /// certificate has both names.
    #[must_use]
    pub fn endpoint(&self) -> String {
        let port = self.addr().port();
        if self.tls { format!("https://localhost:{port}") } else { format!("http://127.0.0.1:{port}") }
    }

    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.server.addr
    }

    /// Sets the behaviour for all requests after those that [`then`](Self::then) prepared.
    pub fn answer(&self, behaviour: Behaviour) {
        self.shared.lock().standing = behaviour;
    }

    /// Adds a behaviour for one request. The first call is for the next request, the second call
    /// for the one after it.
    pub fn then(&self, behaviour: Behaviour) -> &Self {
        self.shared.lock().script.push_back(behaviour);
        self
    }

    /// Closes the listening socket and all connections. When this returns, new connections are
    /// refused.
    pub fn refuse(&self) {
        self.server.send_command(Command::Refuse);
    }

    /// Listens on the same port again.
    pub fn listen_again(&self) {
        self.server.send_command(Command::ComeBack);
    }

    /// The number of connections so far, including failed TLS handshakes.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.lock().connections
    }

    /// The number of requests so far, with any response.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.shared.lock().received.len()
    }

    /// All requests so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.shared.lock().received.clone()
    }

    /// The headers of all requests so far.
    #[must_use]
    pub fn headers(&self) -> Vec<HeaderMap> {
        self.shared.lock().received.iter().map(|request| request.headers.clone()).collect()
    }

    /// The spans of all requests whose response, a 200, has been sent.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        self.shared.lock().accepted().cloned().collect()
    }

    /// Waits until there are at least `n` spans, and returns all of them. In async code, use
    /// [`wait`](Self::wait).
    #[track_caller]
    pub fn wait_for(&self, n: usize) -> Vec<Span> {
        match block(&self.shared, Wanted::Spans(n)) {
            Ok(found) => found.spans,
            Err(so_far) => panic!("{so_far}"),
        }
    }

    /// As [`wait_for`](Self::wait_for), in async code on tokio.
    pub async fn wait(&self, n: usize) -> Vec<Span> {
        self.wait_aside(Wanted::Spans(n)).await.spans
    }

    /// Waits until at least `n` requests have been read, with any response.
    #[track_caller]
    pub fn wait_for_requests(&self, n: usize) -> Vec<Received> {
        match block(&self.shared, Wanted::Requests(n)) {
            Ok(found) => found.received,
            Err(so_far) => panic!("{so_far}"),
        }
    }

    /// As [`wait_for_requests`](Self::wait_for_requests), in async code on tokio.
    pub async fn wait_requests(&self, n: usize) -> Vec<Received> {
        self.wait_aside(Wanted::Requests(n)).await.received
    }

    /// The faults of requests so far.
    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        self.shared.lock().errors.clone()
    }

    /// Removes and returns the faults of requests: for a test that caused them.
    #[must_use]
    pub fn take_errors(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().errors)
    }

    /// Waits on a thread for blocking work. In a test that pauses tokio's clock, a timer would end
    /// at once, but the clock does not advance while such a thread runs.
    async fn wait_aside(&self, wanted: Wanted) -> Found {
        let shared = Arc::clone(&self.shared);
        let found = tokio::task::spawn_blocking(move || block(&shared, wanted)).await;
        found.expect("it does not panic").unwrap_or_else(|so_far| panic!("{so_far}"))
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let ended = self.server.stop();
        let errors = self.take_errors();
        if !std::thread::panicking() {
            assert!(ended.is_ok(), "the collector's thread panicked");
            assert!(errors.is_empty(), "the collector received faults: {errors:#?}");
        } else if !errors.is_empty() {
            eprintln!("the collector received faults: {errors:#?}");
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Wanted {
    Spans(usize),
    Requests(usize),
}

struct Found {
    spans: Vec<Span>,
    received: Vec<Received>,
}

/// Waits until there is enough. If that takes too long, returns a text about the current state.
fn block(shared: &Shared, wanted: Wanted) -> Result<Found, String> {
    let enough = |state: &State| match wanted {
        Wanted::Spans(n) => state.accepted().count() >= n,
        Wanted::Requests(n) => state.received.len() >= n,
    };
    let state = shared.wait_until(enough);
    let spans: Vec<_> = state.accepted().cloned().collect();
    if enough(&state) {
        return Ok(Found { spans, received: state.received.clone() });
    }
    let names: Vec<_> = spans.iter().map(|span| &span.name).collect();
    let (requests, errors) = (state.received.len(), &state.errors);
    Err(format!(
        "{wanted:?} should have come, but only {names:?} in {requests} requests; errors: {errors:#?}"
    ))
}
