//! The server of the collector: its thread, its listening socket and its connections.

use std::{convert::Infallible, future::pending, io, net::SocketAddr, sync::Arc, thread::JoinHandle};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::{
    export,
    state::Shared,
    wire::{Ending, Wire},
};

#[derive(Debug)]
pub(super) enum Command {
    Refuse,
    ComeBack,
}

/// A command, and the channel that confirms it.
type Order = (Command, std::sync::mpsc::Sender<()>);

/// A thread with its own runtime, because tests run on any kind of runtime or on none.
pub(super) struct Server {
    pub(super) addr: SocketAddr,
    running: Option<(UnboundedSender<Order>, JoinHandle<()>)>,
}

impl Server {
    pub(super) fn start(shared: Arc<Shared>, tls: Option<TlsAcceptor>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let addr = listener.local_addr().expect("an address");
        let (send, orders) = mpsc::unbounded_channel();
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let door = Door::Open(TcpListener::from_std(listener).expect("a listener"));
                serve(door, addr, orders, &shared, tls).await.expect("the collector's sockets");
            });
        };
        let thread = std::thread::Builder::new().name("collector".to_owned()).spawn(run).expect("a thread");
        Self { addr, running: Some((send, thread)) }
    }

    pub(super) fn send_command(&self, command: Command) {
        let (done, wait) = std::sync::mpsc::channel();
        let (send, _) = self.running.as_ref().expect("it runs");
        send.send((command, done)).expect("the thread runs");
        wait.recv().expect("the command is followed");
    }

    /// Ends all connections, and then the thread.
    pub(super) fn stop(&mut self) -> std::thread::Result<()> {
        self.running.take().map_or(Ok(()), |(send, thread)| {
            drop(send);
            thread.join()
        })
    }
}

enum Door {
    Open(TcpListener),
    /// A socket that reserves the port. It does not listen, so connections are refused.
    Closed(TcpSocket),
}

impl Door {
    async fn accept(&self) -> io::Result<TcpStream> {
        match self {
            Self::Open(listener) => listener.accept().await.map(|(stream, _)| stream),
            Self::Closed(_) => pending().await,
        }
    }

    fn close(self, addr: SocketAddr) -> io::Result<Self> {
        let Self::Open(listener) = self else { return Ok(self) };
        drop(listener);
        let socket = TcpSocket::new_v4()?;
        // The old connections may still be closing.
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        Ok(Self::Closed(socket))
    }

    fn open(self) -> io::Result<Self> {
        match self {
            Self::Closed(socket) => socket.listen(1024).map(Self::Open),
            Self::Open(_) => Ok(self),
        }
    }
}

async fn serve(
    mut door: Door,
    addr: SocketAddr,
    mut orders: UnboundedReceiver<Order>,
    shared: &Arc<Shared>,
    tls: Option<TlsAcceptor>,
) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            order = orders.recv() => {
                let Some((command, done)) = order else { return Ok(()) };
                door = match command {
                    Command::Refuse => {
                        let closed = door.close(addr)?;
                        connections.shutdown().await;
                        closed
                    }
                    Command::ComeBack => door.open()?,
                };
                // The test may have failed in the meantime, and then it does not wait.
                let _ = done.send(());
            }
            stream = door.accept() => {
                shared.lock().connections += 1;
                connections.spawn(connection(stream?, tls.clone(), Arc::clone(shared)));
            }
            Some(ended) = connections.join_next() => {
                // A panic in the collector must not look like an error of the client.
                if let Err(error) = ended {
                    std::panic::resume_unwind(error.into_panic());
                }
            }
        }
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    match tls {
        None => http(stream, shared).await,
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => http(stream, shared).await,
            // A client that does not trust the certificate disconnects. Some tests do this on
            // purpose.
            Err(error) => eprintln!("collector: no TLS: {error}"),
        },
    }
}

async fn http(stream: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) {
    let ending = Ending::default();
    let wire = Wire::new(stream, Arc::clone(&ending), Arc::clone(&shared));
    let service = service_fn(|request| {
        let answer = export::answer(request, Arc::clone(&shared), Arc::clone(&ending));
        async { Ok::<_, Infallible>(answer.await) }
    });
    let result = http1::Builder::new().serve_connection(TokioIo::new(wire), service).await;
    // Clients may disconnect at any time, and some behaviours close the connection.
    if let Err(error) = result
        && error.is_parse()
    {
        shared.lock().errors.push(format!("this is not HTTP/1: {error}"));
    }
}
