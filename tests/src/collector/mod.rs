//! A collector of OpenTelemetry: it receives spans over HTTP, on a socket and a thread of its own, and is picky.
//!
//! * [`Collector`]: what a test sees of it: where it is, what it answers, what it has got.
//! * [`Span`]: a span as a test looks at it.
//! * `decode`: the official messages become spans, and what is wrong with them is found.
//! * `export`: one request: what is asked of it, and its answer.
//! * `state`: what has come so far, and what is answered next.
//! * `server`: the thread, the listening socket and its connections.
//! * `wire`: a socket that can break in the middle of an answer.
//! * `tls`: a certificate that nobody knows but the test.

mod decode;
mod export;
mod server;
mod spans;
mod state;
mod tls;
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

/// Its thread and its connections end when this is dropped; that fails if anything has been wrong with a request.
pub struct Collector {
    shared: Arc<Shared>,
    server: Server,
    tls: bool,
}

impl Collector {
    /// Starts one at a port that the system has picked. It accepts what it gets until it is told otherwise.
    #[must_use]
    pub fn start() -> Self {
        let shared = Arc::default();
        Self { server: Server::start(Arc::clone(&shared), None), shared, tls: false }
    }

    /// Starts one that speaks TLS, and returns also, in PEM, the authority that a client has to trust.
    #[must_use]
    pub fn start_tls() -> (Self, String) {
        let (acceptor, authority) = tls::acceptor();
        let shared = Arc::default();
        (Self { server: Server::start(Arc::clone(&shared), Some(acceptor)), shared, tls: true }, authority)
    }

    /// Its URL without a path. Behind `localhost` and `127.0.0.1` is the same socket; its certificate has both.
    #[must_use]
    pub fn endpoint(&self) -> String {
        let port = self.addr().port();
        if self.tls { format!("https://localhost:{port}") } else { format!("http://127.0.0.1:{port}") }
    }

    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.server.addr
    }

    /// What it answers from now on, once what [`then`](Self::then) has prepared is used up.
    pub fn answer(&self, behaviour: Behaviour) {
        self.shared.lock().standing = behaviour;
    }

    /// What it answers to the next request; called again, to the one after that.
    pub fn then(&self, behaviour: Behaviour) -> &Self {
        self.shared.lock().script.push_back(behaviour);
        self
    }

    /// Closes the listening socket and all connections. When this returns, new ones are refused.
    pub fn refuse(&self) {
        self.server.tell(Command::Refuse);
    }

    /// Listens on the same port again.
    pub fn come_back(&self) {
        self.server.tell(Command::ComeBack);
    }

    /// How many connections it has had, a failed TLS handshake included.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.lock().connections
    }

    /// How many requests have been read, whatever was answered to them.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.shared.lock().received.len()
    }

    /// Everything about them.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.shared.lock().received.clone()
    }

    /// Their headers.
    #[must_use]
    pub fn headers(&self) -> Vec<HeaderMap> {
        self.shared.lock().received.iter().map(|request| request.headers.clone()).collect()
    }

    /// The spans of all requests that were answered with 200, once the answer was on its way.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        self.shared.lock().accepted().cloned().collect()
    }

    /// Waits until there are at least `n` spans, and returns all of them. In async code, use [`wait`](Self::wait).
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

    /// Waits until at least `n` requests have been read, whatever was answered to them.
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

    /// What has been wrong with requests.
    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        self.shared.lock().errors.clone()
    }

    /// The same, and forgets it: for a test that has caused it.
    #[must_use]
    pub fn take_errors(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().errors)
    }

    /// Waits on a thread for blocking work: where a test has stopped tokio's clock, a timer would be over at once,
    /// but while such a thread works the clock stands still.
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
            assert!(errors.is_empty(), "what the collector received was wrong: {errors:#?}");
        } else if !errors.is_empty() {
            eprintln!("what the collector received was wrong: {errors:#?}");
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

/// Waits for as long as it may take, or says what there is instead.
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
