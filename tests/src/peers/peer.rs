//! The handle of a peer: its address, its thread and the requests that it received.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinSet,
};

use super::received::{Log, ReceivedRequest};
use crate::watch::until;

/// A running peer. Dropping it closes its connections and ends its thread.
pub struct Peer {
    addr: SocketAddr,
    scheme: &'static str,
    log: Log,
    connections: Arc<AtomicUsize>,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

/// An accepted connection.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    /// The number of the connection, from 0.
    pub(super) number: usize,
    pub(super) log: Log,
}

impl Peer {
    /// Starts a peer. `serve` runs for each connection, in a task of its own.
    pub(super) fn start<F, Served>(scheme: &'static str, serve: F) -> Self
    where
        F: Fn(Connection) -> Served + Send + 'static,
        Served: Future<Output = ()> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let addr = listener.local_addr().expect("an address");
        let (log, connections) = (Log::default(), Arc::<AtomicUsize>::default());
        let (stop, stopped) = oneshot::channel();
        let accepting = accept(listener, log.clone(), Arc::clone(&connections), serve);
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                tokio::select! {
                    () = accepting => {}
                    _ = stopped => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("peer".to_owned()).spawn(run).expect("a thread");
        Self { addr, scheme, log, connections, running: Some((stop, thread)) }
    }

    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URL of a path, with the address as the host.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.addr)
    }

    /// The requests so far, in the order in which their heads came.
    #[must_use]
    pub fn received(&self) -> Vec<ReceivedRequest> {
        self.log.all()
    }

    /// Waits until the peer has received the heads of `n` requests.
    pub async fn wait_for(&self, n: usize) -> Vec<ReceivedRequest> {
        until(|| self.log.all().len() >= n).await;
        self.received()
    }

    /// The number of connections that the peer has accepted.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let Some((stop, thread)) = self.running.take() else { return };
        let _ = stop.send(());
        // A panic in the peer must not look like an error of the client.
        if let Err(panic) = thread.join()
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

async fn accept<F, Served>(listener: std::net::TcpListener, log: Log, connections: Arc<AtomicUsize>, serve: F)
where
    F: Fn(Connection) -> Served,
    Served: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::from_std(listener).expect("a listener");
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.expect("a connection");
                let number = connections.fetch_add(1, Ordering::SeqCst);
                tasks.spawn(serve(Connection { stream, number, log: log.clone() }));
            }
            Some(ended) = tasks.join_next() => {
                if let Err(error) = ended {
                    std::panic::resume_unwind(error.into_panic());
                }
            }
        }
    }
}
