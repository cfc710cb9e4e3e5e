//! Addresses at which no connection is possible.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use tokio::net::{TcpListener, TcpSocket};

/// A host that does not resolve: no name below `invalid` exists.
pub const UNRESOLVED: &str = "peer.invalid";

/// An address that refuses connections. Its socket is bound, but does not listen. So no other
/// process gets the port.
pub struct Refusing {
    socket: TcpSocket,
}

/// Returns an address that refuses connections.
#[must_use]
pub fn refusing() -> Refusing {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    Refusing { socket }
}

impl Refusing {
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.socket.local_addr().expect("an address")
    }
}

/// An address whose queue of connections is full, because nothing accepts them. A connection
/// attempt gets no reply, so it ends with the client's timeout.
pub struct Full {
    listener: TcpListener,
    _queue: Vec<TcpStream>,
}

/// Returns an address that does not accept. It must be called inside a runtime of tokio.
#[must_use]
pub fn full() -> Full {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let listener = socket.listen(0).expect("a listener");
    let addr = listener.local_addr().expect("an address");
    let mut queue = Vec::new();
    loop {
        // On loopback, a connection needs microseconds if the queue has space.
        match TcpStream::connect_timeout(&addr, Duration::from_millis(200)) {
            Ok(stream) => queue.push(stream),
            Err(error) if error.kind() == ErrorKind::TimedOut => break,
            Err(error) => panic!("a timeout, not {error}"),
        }
        assert!(queue.len() < 1_000, "the queue of {addr} has no end");
    }
    Full { listener, _queue: queue }
}

impl Full {
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.listener.local_addr().expect("an address")
    }
}
